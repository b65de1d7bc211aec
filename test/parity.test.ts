// Every sample of every op on the GPU against the CPU in doubles: outputs and every gradient. Each sample runs fused, as it is
// in training, and once more with the kernels that a hardware adapter would choose, unfused (those are few: see `hardware`).
// Nearly all of the time is pipelines being compiled, so samples run concurrently: they compile on all cores.
import { beforeAll, describe, it } from 'vitest';
import type { GpuExecutor } from '../src/compile/executor.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import { costsOf } from '../src/graph/capabilities.ts';
import type { HostArray } from '../src/graph/dtype.ts';
import type { NdArray } from '../src/graph/op.ts';
import type { Node, Tensor } from '../src/graph/tensor.ts';
import { testExecutor } from './gpu.ts';
import { IN_BROWSER } from './gpu-node.ts';
import { drawSample, expectClose, type Sample, withGradients } from './sample.ts';
import { samples } from './samples.ts';

interface Variant {
  readonly title: string;
  readonly fuse: boolean;
  readonly software: boolean;
  /** Part of an adapter's name, whose kernels are chosen. Default: the device's own. */
  readonly name?: string;
  /** Ops whose samples run. Default: all. */
  readonly only?: RegExp;
}

const variants: readonly Variant[] = [
  { title: 'fused, software kernels', fuse: true, software: true },
  { title: 'unfused, hardware kernels', fuse: false, software: false },
  // gemm.test.ts has the products.
  ...(IN_BROWSER ? [] : [{ title: 'lanes that share', fuse: true, software: true, name: 'llvmpipe', only: /^conv/ }]),
];

/**
 * What is compared here. In a browser it is one of the samples that differ only in the shapes of their names, the last: another
 * compiler reads the same WGSL there, and Node's run proves the sizes.
 */
function chosenFrom(list: readonly Sample[]): readonly Sample[] {
  if (!IN_BROWSER) return list;
  return [...new Map(list.map((sample) => [sample.name.replace(/\[.*?\]|\(.*?\)/g, ''), sample])).values()];
}

describe.concurrent.each(variants)('$title', ({ fuse, software, name, only = /./ }) => {
  let executor: GpuExecutor;
  beforeAll(async () => {
    executor = await testExecutor({ ...costsOf(software), ...(name === undefined ? {} : { name }) });
  });
  const table: Record<string, readonly Sample[]> = samples;
  const names = Object.keys(table).filter(
    (name) => only.test(name) && (software || table[name]!.some((s) => s.hardware !== false)),
  );
  describe.each(names)('%s', (name) => {
    const chosen = chosenFrom(table[name]!.filter((sample) => software || sample.hardware !== false));
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
