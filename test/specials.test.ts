// Every op at the special values of floats: the GPU and the CPU's WebAssembly against the CPU's plain loops in floats, outputs and
// gradients. One program a variant, since nearly all of the time is pipelines being compiled. docs/design.md lists what may differ.
import { beforeAll, describe, expect, it } from 'vitest';
import { CpuExecutor } from '../src/cpu/executor.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import { costsOf } from '../src/graph/capabilities.ts';
import { type HostArray, hostArray } from '../src/graph/dtype.ts';
import type { Executor } from '../src/graph/executor.ts';
import type { NdArray, Op } from '../src/graph/op.ts';
import { sizeOf } from '../src/graph/shape.ts';
import { apply, full, input, type Node, type Tensor } from '../src/graph/tensor.ts';
import { attachFastRows } from '../src/ops/fast-rows.ts';
import { type OpName, ops } from '../src/ops/table.ts';
import { testExecutor } from './gpu.ts';
import { type SampleInput, withGradients } from './sample.ts';
import { type Special, specials } from './samples-specials.ts';

attachFastRows();
const table: Record<string, Op<never>> = ops;
const names = (Object.keys(specials) as OpName[]).filter((name) => specials[name] !== 'no floats');

const usesOf = (name: OpName) => specials[name] as readonly Special[];

const variants = {
  'the GPU': { executor: () => testExecutor(costsOf(true)), hardware: false },
  'the GPU, with kernels for hardware': { executor: () => testExecutor(costsOf(false)), hardware: true },
  'the CPU, in WebAssembly': { executor: async () => new CpuExecutor(), hardware: false },
} satisfies Record<string, { executor(): Promise<Executor>; hardware: boolean }>;

describe.each(Object.entries(variants))('%s', (_, variant) => {
  const uses = names
    .flatMap((name) => usesOf(name).map((special) => ({ name, special })))
    .filter(({ special }) => !variant.hardware || special.hardware);
  const found = new Map<OpName, string[]>();
  beforeAll(async () => {
    const inputs = [...new Set(uses.flatMap(({ special }) => special.inputs))];
    const leaves = inputs.map(({ shape, dtype = 'f32', values, constant }, k) =>
      constant ? full(shape, values![0]!, dtype) : input(`x${k}`, { shape, dtype }),
    );
    const given = inputs.flatMap((x, k) => (x.constant ? [] : ([[`x${k}`, valuesOf(x)]] as const)));
    const results = uses.flatMap((use, k) => {
      const xs = use.special.inputs.map((x) => leaves[inputs.indexOf(x)]!);
      const tensors = resultsOf(use, !variant.hardware, xs);
      return Object.entries(tensors).map(([what, tensor]) => ({ ...use, key: `${k} ${what}`, what, tensor }));
    });
    const outputs = Object.fromEntries(results.map(({ key, tensor }) => [key, tensor]));
    const program = await (await variant.executor()).compile({ outputs }, { inputs: given.map(([x]) => x) });
    const got = await program.run(Object.fromEntries(given));
    program.dispose();
    const at = ({ source }: Node) => given.find(([x]) => source?.kind === 'input' && source.name === x)?.[1];
    const wanted = interpret(Object.values(outputs), at, 'float32');
    for (const [k, { name, special, key, what }] of results.entries()) {
      const lines = mismatches(got[key]!, wanted[k]!, special).map((line) => `${what}${line}, ${text(special.params)}`);
      found.set(name, [...(found.get(name) ?? []), ...lines]);
    }
  }, 300_000); // lavapipe with its cache cold
  it.each([...new Set(uses.map(({ name }) => name))])('%s', (name) => {
    const lines = found.get(name)!;
    expect([...lines.slice(0, 8), ...(lines.length > 8 ? [`and ${lines.length - 8} more`] : [])]).toEqual([]);
  });
});

function valuesOf({ shape, dtype = 'f32', values }: SampleInput): HostArray {
  const data = hostArray(dtype, sizeOf(shape), 'float32');
  data.set(values!);
  return data;
}

interface Use {
  readonly name: OpName;
  readonly special: Special;
}

/** The outputs of an op and its gradients, which for hardware are no other kernels. */
function resultsOf({ name, special: { inputs, params } }: Use, gradients: boolean, xs: readonly Tensor[]) {
  const op = table[name] as Op;
  const sample = { name, inputs, fn: (...tensors: Tensor[]) => apply(op, tensors, params) };
  return withGradients(op.vjp && gradients ? sample : { ...sample, wrt: [] }, xs);
}

function mismatches(got: NdArray, wanted: NdArray, { zeros, inputs }: Special): string[] {
  return Array.from(wanted.data, (b, i) => {
    const a = got.data[i]!;
    if (same(a, b, zeros)) return '';
    const at = inputs.map(({ values }) => (values!.length === wanted.data.length ? text(values![i]) : '…'));
    return `[${i}] at ${at.join(', ')}: got ${text(a)}, wanted ${text(b)}`;
  }).filter(Boolean);
}

/** NaN, infinities and the signs that matter exactly; else as close as parity asks. */
function same(a: number, b: number, zeros = false): boolean {
  if (!Number.isFinite(a) || !Number.isFinite(b) || (zeros && a === 0 && b === 0)) return Object.is(a, b);
  return Math.abs(a - b) <= 1e-4 * (Math.abs(b) + 1e-2);
}

function text(value: unknown): string {
  return Object.is(value, -0) ? '-0' : typeof value === 'object' ? JSON.stringify(value) : `${value}`;
}
