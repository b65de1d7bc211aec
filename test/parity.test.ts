// Every sample of every op on the GPU against the CPU in doubles: outputs and every gradient. Each sample runs fused, as it is
// in training, and once more with the kernels that a hardware adapter would choose, unfused (those are few: see `hardware`).
import { beforeAll, describe, expect, it } from 'vitest';
import type { GpuExecutor } from '../src/compile/gpu-executor.ts';
import { grad } from '../src/compile/grad.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import type { HostArray } from '../src/graph/dtype.ts';
import type { NdArray } from '../src/graph/op.ts';
import { uniforms } from '../src/graph/random.ts';
import { constant, type Node, type Tensor } from '../src/graph/tensor.ts';
import { testExecutor } from './gpu.ts';
import { drawSample, outputsOf, type Sample, wrtOf } from './sample.ts';
import { samples } from './samples.ts';

/** ‖got - wanted‖ / ‖wanted‖ of any output or gradient. */
const TOLERANCE = 1e-4;

const variants = [
  { title: 'fused, software kernels', fuse: true, software: true },
  { title: 'unfused, hardware kernels', fuse: false, software: false },
] as const;

describe.each(variants)('$title', ({ fuse, software }) => {
  let executor: GpuExecutor;
  beforeAll(async () => {
    executor = await testExecutor({ software });
  });
  const table: Record<string, readonly Sample[]> = samples;
  const names = Object.keys(table).filter((name) => software || table[name]!.some((s) => s.hardware !== false));
  describe.each(names)('%s', (name) => {
    const chosen = table[name]!.filter((sample) => software || sample.hardware !== false);
    it.each(chosen.map((sample) => [sample.name, sample] as const))('%s', async (_, sample) => {
      const { tensors, values } = drawSample(name, sample);
      const outputs = withGradients(sample, tensors);
      const got = await onGpu(executor, outputs, values, fuse);
      const feeds = new Map<Node, HostArray>(tensors.map((x, k) => [x.node, values[k]!]));
      const wanted = interpret(Object.values(outputs), (leaf) => feeds.get(leaf), 'float64');
      for (const [k, key] of Object.keys(outputs).entries()) expectClose(key, got[key]!, wanted[k]!);
    });
  });
});

/** The outputs by name, and the gradient of each checked input for a fixed random dy. */
function withGradients(sample: Sample, tensors: readonly Tensor[]): Record<string, Tensor> {
  const ys = outputsOf(sample, tensors);
  const named: Record<string, Tensor> = Object.fromEntries(ys.map((y, k) => [`y${k}`, y]));
  const wrt = wrtOf(sample);
  for (const [k, y] of ys.entries()) {
    if (y.dtype !== 'f32' || wrt.length === 0) continue;
    const dy = constant(uniforms(y.size, k, sample.name, -1, 1), { shape: y.shape });
    const dxs = grad(
      y,
      wrt.map((at) => tensors[at]!),
      dy,
    );
    for (const [n, dx] of dxs.entries()) if (dx) named[`d${k}/dx${wrt[n]}`] = dx;
  }
  return named;
}

async function onGpu(
  executor: GpuExecutor,
  outputs: Record<string, Tensor>,
  values: readonly HostArray[],
  fuse: boolean,
): Promise<Record<string, NdArray>> {
  const program = await executor.compile({ outputs }, { fuse, inputs: values.map((_, k) => `x${k}`) });
  const result = await program.run(Object.fromEntries(values.map((data, k) => [`x${k}`, data])));
  program.dispose();
  return result;
}

function expectClose(what: string, got: NdArray, wanted: NdArray): void {
  expect(got.shape, what).toEqual(wanted.shape);
  let difference = 0;
  let norm = 0;
  const wrong: string[] = [];
  for (let i = 0; i < wanted.data.length; i++) {
    const d = got.data[i]! - wanted.data[i]!;
    difference += d * d;
    norm += wanted.data[i]! ** 2;
    if (!(Math.abs(d) <= 1e-4 * (Math.abs(wanted.data[i]!) + 1e-2)) && wrong.length < 5) {
      wrong.push(`[${i}] got ${got.data[i]}, wanted ${wanted.data[i]}`);
    }
  }
  const error = Math.sqrt(difference) / Math.max(Math.sqrt(norm), 1e-3);
  if (!(error <= TOLERANCE)) throw new Error(`${what}: relative error ${error}\n${wrong.join('\n')}`);
}
