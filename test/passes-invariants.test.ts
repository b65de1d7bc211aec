// What must be true of every plan holds for training steps of many kinds and for graphs drawn by chance, on every class of adapter,
// with few buffers and many, fused and not.
import { describe, expect, it } from 'vitest';
import { ADAPTER_CLASSES, type AdapterClass } from '../src/graph/adapter-classes.ts';
import type { Recipe } from '../src/graph/executor.ts';
import { uniforms } from '../src/graph/random.ts';
import { type Tensor, Variable } from '../src/index.ts';
import {
  add,
  exp,
  input,
  linear,
  matmul,
  mul,
  pack,
  relu,
  reshape,
  softmax,
  sum,
  transpose,
  unpack,
} from '../src/ops/index.ts';
import { capabilitiesOf, type PaperOptions, PaperStorage, passesOf } from './on-paper.ts';
import { planFaults } from './plan-faults.ts';
import { STEPS } from './training-steps.ts';

const ADAPTERS = Object.keys(ADAPTER_CLASSES) as AdapterClass[];
const LIMITS = [8, 10, 12, 16];

const FUSED = ADAPTERS.flatMap((adapter) => LIMITS.map((buffers) => ({ adapter, buffers })));

function faultsOf(recipe: Recipe, options: PaperOptions): string[] {
  return planFaults(passesOf(recipe, options), capabilitiesOf(options));
}

describe.each(Object.entries(STEPS))('%s', (_, make) => {
  const { recipe, storage } = make();
  it.each(FUSED)('on $adapter with $buffers buffers', (options) => {
    expect(faultsOf(recipe, { ...options, storage })).toEqual([]);
  });
  it.each(ADAPTERS)('on %s, every op in a dispatch of its own', (adapter) => {
    expect(faultsOf(recipe, { adapter, buffers: 8, fuse: false, storage })).toEqual([]);
  });
  it.each(ADAPTERS)('on %s, every group in a dispatch of its own', (adapter) => {
    expect(faultsOf(recipe, { adapter, merge: false, storage })).toEqual([]);
  });
  it.each(ADAPTERS)('on %s, in a persistent kernel where it fits', (adapter) => {
    expect(faultsOf(recipe, { adapter, persistent: true, storage })).toEqual([]);
  });
  it('cut in two where its gradients are complete', () => {
    const arenas = (recipe.assignments ?? []).flatMap(([, t]) => packsBehind(t));
    const split = [...new Set(arenas)];
    expect(split.length).toBeGreaterThan(0);
    for (const buffers of LIMITS) expect(faultsOf({ ...recipe, split }, { buffers, storage })).toEqual([]);
  });
});

/** The arenas that a tensor is computed from. */
function packsBehind(t: Tensor): Tensor[] {
  const found = new Set<Tensor>();
  const seen = new Set<Tensor>();
  const open = [t];
  for (let x = open.pop(); x; x = open.pop()) {
    if (seen.has(x)) continue;
    seen.add(x);
    if (x.node.op?.placement) found.add(x);
    else open.push(...x.node.inputs);
  }
  return [...found];
}

describe('graphs drawn by chance', () => {
  it.each([...Array(24).keys()])('seed %i', (seed) => {
    const { recipe, storage } = drawn(seed);
    const adapter = ADAPTERS[seed % 3]!;
    for (const buffers of LIMITS) expect(faultsOf(recipe, { adapter, buffers, storage })).toEqual([]);
    expect(faultsOf(recipe, { adapter, merge: false, storage })).toEqual([]);
  });
});

const N = 12;

/** Forty ops on square matrices, of which some are outputs, some assigned and some parts of an arena. */
function drawn(seed: number): { recipe: Recipe; storage: PaperStorage } {
  const numbers = uniforms(400, seed, 'graph', 0, 1);
  let drawn = 0;
  const below = (n: number) => Math.floor(numbers[drawn++]! * n);
  const variables = Array.from({ length: 4 }, () => new Variable([N, N], { initial: () => new Float32Array(N * N) }));
  const pool: Tensor[] = [...variables, input('x', { shape: [N, N], dtype: 'f32' })];
  const any = () => pool[below(pool.length)]!;
  const recent = () => pool[Math.max(0, pool.length - 1 - below(6))]!;
  const makers: readonly (() => Tensor)[] = [
    () => add(any(), recent()),
    () => mul(recent(), any()),
    () => relu(recent()),
    () => exp(recent()),
    () => transpose(recent()),
    () => reshape(sum(recent(), { axis: 1, keepDims: true }).reshape([N]), [N, 1]).reshape([N]),
    () => matmul(recent(), any()),
    () => matmul(any(), recent(), { transposeA: true }),
    () => linear(recent(), any(), reshape(sum(any(), { axis: 0 }), [N])),
    () => softmax(recent()),
    () => unpack(pack([recent(), any()], [0, 192], 384), 192, [N, N]),
  ];
  for (let k = 0; k < 40; k++) {
    const made = makers[below(makers.length)]!();
    pool.push(made.size === N * N ? made : add(any(), made));
  }
  const status = new Variable([1], { dtype: 'u32', initial: () => new Uint32Array(1) });
  const step = new Variable([1], { dtype: 'u32', initial: () => new Uint32Array(1) });
  const assigned = variables.slice(0, 1 + below(3)).map((v) => [v, recent()] as const);
  const outputs: Record<string, Tensor> = seed % 2 === 0 ? { y: recent(), z: any() } : {};
  const recipe: Recipe = {
    outputs,
    assignments: [...assigned, [step, add(step, 1)]],
    guard: { status, step, checked: [sum(recent())] },
  };
  return { recipe, storage: new PaperStorage() };
}
