// The passes over kernels, each without a device: rows that share a kernel, kernels that share a dispatch, where values lie, what is
// tested where, loops, and the text in the end.
import { describe, expect, it } from 'vitest';
import { sideBySide } from '../src/compile/frame.ts';
import { isWorthwhile, suitsPersistent } from '../src/compile/passes/loop.ts';
import { ADAPTER_CLASSES } from '../src/graph/adapter-classes.ts';
import { dispatchKernels, FULL_DEVICE_THREADS, PERSISTENT, persistentBound, rowKernels } from '../src/graph/cost.ts';
import { DeviceError } from '../src/graph/errors.ts';
import type { Recipe } from '../src/graph/executor.ts';
import type { Declaration, KernelSpec, OpaqueKernel, Scratch } from '../src/graph/kernel.ts';
import type { Op } from '../src/graph/op.ts';
import { grad, type Tensor, type Variable } from '../src/index.ts';
import {
  add,
  apply1,
  exp,
  input,
  linear,
  matmul,
  mul,
  pack,
  relu,
  reshape,
  sigmoid,
  softmax,
  softmaxCrossEntropy,
  sum,
  unpack,
} from '../src/ops/index.ts';
import {
  capabilitiesOf,
  dispatchTexts,
  f32,
  type PaperOptions,
  PaperStorage,
  passesOf,
  stepOf,
  variable,
} from './on-paper.ts';
import { moduleFaults, planFaults } from './plan-faults.ts';
import { STEPS } from './training-steps.ts';

/** A kernel op of x: each thread copies an element, unless said. */
function kernelOp(name: string, spec: Partial<KernelSpec> = {}): (x: Tensor) => Tensor {
  const op: Op<void> = {
    name,
    shape: ([x]) => [{ shape: x!.shape, dtype: 'f32' }],
    cpu: () => {},
    kernel: () => ({
      workgroup: [64, 1, 1],
      grid: [1, 1, 1],
      body: (k) => k.outputs[0]!.store('lane', k.inputs[0]!.load('lane')),
      ...spec,
    }),
  };
  return (x) => apply1(op, [x], undefined);
}

/** The dispatches of a step after packing, assignments among them. */
function packed(recipe: Recipe, options: PaperOptions = {}): string[] {
  const { pack: plan } = passesOf(recipe, options);
  return dispatchTexts([...plan.dispatches, ...plan.commits]);
}

/** Each tensor, read by a kernel of its own, so that all are stored. */
const all = (tensors: readonly Tensor[]): Recipe => ({
  outputs: Object.fromEntries(tensors.map((t, k) => [`y${k}`, t])),
});

describe('fuse rows', () => {
  /** The kernels of dispatches in which rows follow each other. */
  const chains = (recipe: Recipe, options: PaperOptions = {}) =>
    packed(recipe, { merge: true, ...options }).flatMap((text) =>
      text.split(' | ').filter((name) => name.includes(' > ')),
    );
  const head = (B: number, K: number, C: number): Recipe => {
    const labels = input('labels', { shape: [B], dtype: 'u32' });
    const h = f32(B, K);
    const each = softmaxCrossEntropy(linear(h, f32(C, K), f32(C)), labels, { residual: true });
    const [dh] = grad(sum(each), [h]);
    return { outputs: { each, dh: dh! } };
  };

  it.each([
    ['gpu', 10],
    ['gpu', 65],
    ['software', 10],
    ['software', 65],
  ] as const)('a head, its loss and the way back are one kernel: on %s, %i classes', (adapter, C) => {
    expect(chains(head(16, 24, C), { adapter })).toEqual(['linear > softmaxCrossEntropy > matmul']);
  });

  it('takes rows as wide as they fit: 1000 classes with a lane a row, 256 with sixteen', () => {
    expect(chains(head(16, 4, 1000), { adapter: 'software' })).toEqual(['linear > softmaxCrossEntropy > matmul']);
    expect(chains(head(16, 4, 256))).toEqual(['linear > softmaxCrossEntropy > matmul']);
    expect(chains(head(16, 4, 257))).toEqual([]);
  });

  const layer = (x: Tensor, N = 8) => linear(x, f32(N, x.shape[1]!), f32(N));
  const layers = (count: number) => Array.from({ length: count }).reduce<Tensor>((x) => layer(x), f32(16, 8));

  it('cuts chains at so many kernels', () => {
    const most = rowKernels(ADAPTER_CLASSES.gpu);
    const long = most + 3;
    // Buffers for all that is read.
    const lengths = chains({ outputs: { y: layers(long) } }, { buffers: 100 }).map((name) => name.split(' > ').length);
    expect(lengths).toEqual([most, 3]);
  });

  it('cuts chains at so many buffers', () => {
    // Three layers read x, three weights and three biases, and write y and what lies between.
    expect(chains({ outputs: { y: layers(3) } }, { buffers: 9 })).toEqual(['linear > linear > linear']);
    expect(chains({ outputs: { y: layers(3) } }, { buffers: 8 })).toEqual(['linear > linear']);
  });

  it('does not go across rows, nor on with other rows', () => {
    const y = layer(f32(16, 8));
    expect(chains(all([matmul(f32(16, 16), y)]))).toEqual([]);
    expect(chains(all([matmul(y, y, { transposeB: true })]))).toEqual([]);
    expect(chains(all([layer(reshape(y, [8, 16]))]))).toEqual([]);
    expect(chains(all([layer(relu(y))]))).toEqual(['linear+relu > linear']);
  });

  it('lets lanes wait for each other between kernels, outside of every branch', () => {
    const textOf = (options: PaperOptions) => {
      const { code } = passesOf({ outputs: { y: layers(3) } }, { buffers: 10, ...options }).render.plan[0]!;
      const main = code.slice(code.indexOf('fn main'));
      return main
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line.startsWith('if') || line.includes('arrier'));
    };
    const row = (name: string, lanes: number) => `if (r < 16u) { ${name}(r, at % ${lanes}u, zero); }`;
    expect(textOf({})).toEqual([
      row('row', 16),
      'storageBarrier();',
      row('row_1', 16),
      'storageBarrier();',
      row('row_2', 16),
    ]);
    // One lane waits for nobody.
    expect(textOf({ adapter: 'software' })).toEqual([row('row', 1), row('row_1', 1), row('row_2', 1)]);
  });

  it('waits for everything else before the chain begins', () => {
    const y = layer(f32(16, 8));
    const other = exp(softmax(f32(16, 8)));
    // The second kernel also reads what no row kernel makes: it is there before, or the chain ends.
    const late = linear(y, reshape(softmax(reshape(sum(y, { axis: 0 }), [1, 8])).reshape([8]), [1, 8]), f32(1));
    expect(chains(all([late]))).toEqual([]);
    expect(chains(all([linear(y, reshape(other, [16, 8]), f32(16))]))).toHaveLength(0);
  });

  it('is off without fusion, and without packing', () => {
    expect(chains(head(16, 24, 10), { fuse: false })).toEqual([]);
    expect(chains(head(16, 24, 10), { merge: false })).toEqual([]);
  });
});

describe('pack', () => {
  const [a, b, c] = [kernelOp('a'), kernelOp('b'), kernelOp('c')];

  it('puts side by side what does not wait for each other, and nothing else', () => {
    const x = f32(64);
    expect(packed(all([a(x), b(x)]))).toEqual(['a | b']);
    expect(packed(all([c(b(a(x)))]))).toEqual(['a', 'b', 'c']);
    const y = a(x);
    expect(packed(all([b(y), c(y), c(x)]))).toEqual(['a', 'b | c | c']);
  });

  it.each([8, 10, 12, 16])('binds %i buffers where it may, and no more', (buffers) => {
    // Each kernel reads a buffer of its own; the results share one.
    const made = Array.from({ length: 30 }, () => a(f32(64)));
    const total = made.reduce((x, y) => add(x, y));
    const { place, guard } = passesOf({ outputs: { total } }, { buffers });
    const counts = guard.dispatches.map(
      ({ kernels }) =>
        new Set(
          kernels.flatMap(({ reads, writes }) => [...reads, ...writes]).map(({ value }) => place.place(value).memory),
        ).size,
    );
    expect(counts.slice(0, Math.floor(30 / (buffers - 1)))).toEqual(
      Array(Math.floor(30 / (buffers - 1))).fill(buffers),
    );
    expect(Math.max(...counts)).toBe(buffers);
  });

  const waiting = (name: string, threads: number, words = 0) =>
    kernelOp(name, {
      workgroup: [threads, 1, 1],
      barriers: true,
      ...(words > 0 && { shared: [{ name: 'tile', type: 'f32', size: words }] }),
      body: (k) => `${k.barrier()}\n${k.outputs[0]!.store('lane', k.inputs[0]!.load('lane'))}`,
    });

  it('lets kernels with barriers share where they have one workgroup size', () => {
    const x = f32(64);
    expect(packed(all([waiting('p', 64)(x), waiting('q', 64)(x)]))).toEqual(['p | q']);
    expect(packed(all([waiting('p', 64)(x), waiting('q', 128)(x)]))).toHaveLength(2);
    expect(packed(all([waiting('p', 64)(x), kernelOp('q', { workgroup: [32, 1, 1] })(x)]))).toEqual(['p | q']);
  });

  it('keeps kernels with barriers alone where barriers are expensive', () => {
    const x = f32(64);
    expect(packed(all([waiting('p', 64)(x), a(x), b(x)]), { adapter: 'software' })).toEqual(['p', 'a | b']);
  });

  it('keeps within workgroup memory', () => {
    const x = f32(64);
    const two = all([waiting('p', 64, 100)(x), waiting('q', 64, 100)(x)]);
    expect(packed(two, { capabilities: { sharedBytes: 800 } })).toEqual(['p | q']);
    expect(packed(two, { capabilities: { sharedBytes: 799 } })).toHaveLength(2);
  });

  it('keeps kernels apart that fill the device', () => {
    const full = kernelOp('full', { grid: [FULL_DEVICE_THREADS / 64 + 1, 1, 1] });
    const near = kernelOp('near', { grid: [FULL_DEVICE_THREADS / 64, 1, 1] });
    const x = f32(64);
    expect(packed(all([full(x), a(x)]))).toHaveLength(2);
    expect(packed(all([near(x), a(x)]))).toHaveLength(1);
  });

  it('keeps ops of several kernels and opaque ones alone', () => {
    const array: Scratch = { name: 'half', type: 'f32', size: 64 };
    const two: Op<void> = {
      name: 'two',
      shape: ([x]) => [{ shape: x!.shape, dtype: 'f32' }],
      cpu: () => {},
      kernel: () => [
        {
          label: 'first',
          workgroup: [64, 1, 1],
          grid: [1, 1, 1],
          outputs: [],
          writes: [array],
          body: (k) => k.scratch(array).store('lane', k.inputs[0]!.load('lane')),
        },
        {
          label: 'second',
          workgroup: [64, 1, 1],
          grid: [1, 1, 1],
          inputs: [],
          reads: [array],
          body: (k) => k.outputs[0]!.store('lane', k.scratch(array).load('lane')),
        },
      ],
    };
    const x = f32(64);
    const apart = all([apply1(two, [x], undefined), apply1(opaqueOp(), [x], undefined), a(x), b(x)]);
    expect(packed(apart)).toEqual(['two first', 'two second', 'opaque', 'a | b']);
    expect(planFaults(passesOf(apart), capabilitiesOf())).toEqual([]);
  });

  it('puts at most so many kernels into a dispatch', () => {
    const x = f32(64);
    const made = Array.from({ length: 40 }, (_, k) => kernelOp(`k${k}`)(x));
    const counts = packed({ outputs: { y: made.reduce((p, q) => add(p, q)) } }, { buffers: 100 }).map(
      (text) => text.split(' | ').length,
    );
    const most = dispatchKernels(ADAPTER_CLASSES.gpu);
    expect(counts).toEqual([most, most, 40 - 2 * most, 1]);
  });

  it('gives every kernel a dispatch where packing is off', () => {
    const x = f32(64);
    expect(packed(all([a(x), b(x)]), { merge: false })).toEqual(['a', 'b']);
    const [v, w] = [variable([4]), variable([5])];
    const moves: Recipe = {
      assignments: [
        [v, mul(v, 2)],
        [w, mul(w, 2)],
      ],
    };
    expect(packed(moves, { merge: false })).toEqual(['assign', 'assign']);
    expect(packed(moves)).toEqual(['assign | assign']);
    // Unfused ops have dispatches of their own; assignments still share one.
    expect(packed(moves, { fuse: false })).toEqual(['mul', 'mul', 'assign | assign']);
  });

  it('cuts a step in two where the split is complete', () => {
    const [v, x] = [variable([64]), f32(64)];
    const gradient = pack([a(x)], [0], 64);
    const recipe: Recipe = { outputs: { y: b(x) }, assignments: [[v, c(gradient)]], split: [gradient] };
    const { pack: plan } = passesOf(recipe);
    expect(dispatchTexts(plan.dispatches)).toEqual(['b | a', 'c']);
    expect(plan.split).toBe(1);
    expect(passesOf({ ...recipe, split: [] }).pack.split).toBeUndefined();
  });

  it('puts nothing that waits for the split before it, where other work goes on', () => {
    const [v, x] = [variable([64]), f32(64)];
    const y = a(x);
    const gradient = pack([y], [0], 64);
    const { pack: plan } = passesOf({
      outputs: { z: b(b(b(y))) },
      assignments: [[v, c(gradient)]],
      split: [gradient],
    });
    expect(dispatchTexts(plan.dispatches)).toEqual(['a', 'b', 'b', 'b', 'c']);
    expect(plan.split).toBe(4);
  });
});

function opaqueOp(own: Partial<OpaqueKernel> = {}): Op<void> {
  const module = `@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { y[i] = x[i]; }`;
  return {
    name: 'opaque',
    shape: ([x]) => [{ shape: x!.shape, dtype: 'f32' }],
    cpu: () => {},
    opaque: () => ({ module, grid: [1, 1, 1], ...own }),
  };
}

describe('place', () => {
  const BIG = 300; // 300 x 300 floats are more than lie side by side.

  it('gives temporaries pooled buffers, one after another', () => {
    const y = Array.from({ length: 8 }).reduce<Tensor>((x) => softmax(matmul(x, x)), f32(BIG, BIG));
    const { place } = passesOf({ outputs: { y } });
    // Two that alternate, and the result.
    expect(place.owned.map(({ bytes }) => bytes)).toEqual(Array(3).fill(BIG * BIG * 4));
  });

  it('gives each output a buffer that nothing else is in', () => {
    const [y, z] = [softmax(f32(8, 8)), sum(exp(f32(8, 8)), { axis: 1 })];
    const { place } = passesOf({ outputs: { y, z, w: relu(y) } });
    const memories = place.graph.recipe.outputs.map(([, t]) => place.place(t).memory);
    expect(new Set(memories).size).toBe(3);
    expect(place.owned).toHaveLength(3);
  });

  it('puts the parts of an arena at their offsets', () => {
    const parts = [softmax(f32(4, 8)), sum(f32(8, 8), { axis: 0 })];
    const arena = pack(parts, [0, 64], 128);
    const v = variable([128]);
    const { place, group } = passesOf({ assignments: [[v, mul(arena, 2)]] });
    const node = group.graph.order.find(({ op }) => op?.placement)!;
    const { memory } = place.place(node.outputs[0]!);
    expect(place.place(node.outputs[0]!)).toMatchObject({ offset: 0, words: 128 });
    expect(node.inputs.map((part) => place.place(part))).toEqual([
      { memory, offset: 0, words: 32 },
      { memory, offset: 64, words: 8 },
    ]);
  });

  it('puts small results behind the arena that their dispatch writes, and what steps hand on in one buffer a dtype', () => {
    const { recipe, storage } = STEPS['dropout, SGD with momentum, clipped by norm']!();
    const { place, prefetch } = passesOf(recipe, { storage });
    const carried = [...place.carried.values()];
    expect(carried.length).toBeGreaterThan(2);
    expect(carried.length).toBe(prefetch.carried.length);
    const byType = new Map(prefetch.carried.map(([v]) => [v.dtype, place.carried.get(v.node)!.memory]));
    for (const [v] of prefetch.carried) expect(place.carried.get(v.node)!.memory).toBe(byType.get(v.dtype));
    const arena = place.graph.order.find(({ op }) => op?.placement)!.outputs[0]!;
    const { memory } = place.place(arena);
    const companions = place.dispatches
      .flatMap(({ kernels }) => kernels.flatMap(({ writes }) => writes))
      .filter(({ value }) => place.place(value).memory === memory && place.place(value).offset >= arena.size);
    expect(companions.length).toBeGreaterThan(0);
  });
});

describe('guard', () => {
  const [v, step, status] = [variable([64]), variable([1], 'u32'), variable([1], 'u32')];
  const guarded = (t: Tensor, checked: readonly Tensor[] = []): Recipe => ({
    assignments: [
      [v, t],
      [step, add(step, 1)],
    ],
    guard: { status, step, checked },
  });
  const a = kernelOp('a');
  /** What is tested where. */
  const tests = (recipe: Recipe, options: PaperOptions = {}) => {
    const stages = passesOf(recipe, options);
    expect(planFaults(stages, capabilitiesOf(options))).toEqual([]);
    return stages.guard.dispatches.map(({ kernels }) =>
      kernels
        .map(({ name, contents }) => {
          const watches = contents.flatMap(({ watches: list = [] }) => list.map(({ tensor }) => tensor.node.name));
          const checked = contents.flatMap(({ checked: list = [] }) => list.map(({ node }) => node.name));
          return [name, ...[...watches, ...checked].map((text) => `?${text}`)].join(' ');
        })
        .join(' | '),
    );
  };

  it('tests a value where it is computed', () => {
    expect(tests(guarded(a(f32(64))))).toEqual(['a ?a']);
  });

  it('tests what is computed from a gradient where the gradient is', () => {
    const arena = pack([a(f32(64))], [0], 64);
    expect(tests(guarded(add(v, mul(arena, 2))))).toEqual(['a ?add']);
  });

  it('tests what else is assigned in a dispatch of its own', () => {
    expect(tests(guarded(mul(v, 2)))).toEqual(['check ?mul']);
    expect(tests(guarded(add(a(f32(64)), v)))).toEqual(['a', 'check ?add']);
  });

  it('tests checked tensors, and no whole numbers, once each', () => {
    const loss = sum(f32(8, 8));
    expect(tests(guarded(a(f32(64)), [loss]))).toEqual(['sum ?sum | a ?a']);
  });

  it('tests where there is room for the flag and the counter only', () => {
    const others = Array.from({ length: 6 }, () => kernelOp('o')(f32(64)));
    // Seven inputs and the result, which all share; then the flag and the counter.
    const recipe = (buffers: number) =>
      tests(guarded(others.reduce((x, y) => add(x, y), a(f32(64)))), { buffers }).at(-1);
    expect(recipe(8)).toContain('check');
    const roomy = tests(guarded(a(f32(64))), { buffers: 4 });
    const tight = tests(guarded(a(f32(64))), { buffers: 3 });
    expect([roomy, tight]).toEqual([['a ?a'], ['a', 'check ?a']]);
  });

  it('tests what follows from the split after it', () => {
    const arena = pack([a(f32(64))], [0], 64);
    const recipe: Recipe = { ...guarded(add(v, mul(arena, 2))), split: [arena] };
    const { guard } = passesOf(recipe);
    expect(tests(recipe)).toEqual(['a', 'check ?add']);
    expect(guard.split).toBe(1);
  });

  it('waits for the parts of an arena that another part is judged by', () => {
    const [x, arena] = [f32(64), pack([a(f32(64))], [0], 64)];
    const norm = sum(mul(unpack(arena, 0, [64]), x));
    expect(tests(guarded(add(v, mul(arena, norm))))).toEqual(['a', 'sum', 'check ?add']);
  });
});

describe('loop', () => {
  const { recipe, storage } = STEPS['dropout, RMSProp, clipped by value']!();

  it.each([
    ['software', { flops: 10, assigned: 10 }, undefined, false],
    ['gpu', { flops: 10, assigned: 10 }, undefined, true],
    ['gpu', { flops: 50_001, assigned: 0 }, undefined, false],
    ['gpu', { flops: 0, assigned: 1500 }, undefined, false],
    ['gpu', { flops: 50_001, assigned: 0 }, true, true],
    ['gpu', { flops: PERSISTENT.flops + 1, assigned: 0 }, true, false],
    ['gpu', { flops: 10, assigned: 10 }, false, false],
  ] as const)('on %s with %o, wanted %s: %s', (adapter, work, wanted, expected) => {
    expect(isWorthwhile(work, capabilitiesOf({ adapter }), wanted)).toBe(expected);
  });

  it('repeats no recipe with outputs, without guard or with a split', () => {
    const gpu = capabilitiesOf();
    expect(suitsPersistent(recipe, gpu, true)).toBe(true);
    expect(suitsPersistent({ ...recipe, outputs: { y: f32(1) } }, gpu, true)).toBe(false);
    expect(suitsPersistent({ ...recipe, split: [] }, gpu, true)).toBe(false);
    const { guard: _, ...unguarded } = recipe;
    expect(suitsPersistent(unguarded, gpu, true)).toBe(false);
    expect(persistentBound(capabilitiesOf({ adapter: 'software' }))).toBe(0);
  });

  it('is one dispatch of all kernels, in order, that wait for each other', () => {
    const { loop, guard, render } = passesOf(recipe, { persistent: true, storage });
    const [dispatch, ...others] = stepOf(loop);
    expect(others).toEqual([]);
    const inner = [...guard.dispatches, ...guard.commits];
    expect(dispatch!.kernels[0]!.name).toBe(`steps: ${dispatchTexts(inner).join('; ')}`);
    const { code } = render.plan[0]!;
    expect(code.split('storageBarrier();').length - 1).toBe(inner.length);
    expect(code).toContain('for (var step = 0u; step < steps; step++)');
    expect(code).not.toContain('workgroupBarrier');
    expect(render.plan[0]!.workgroups).toEqual([1, 1, 1]);
    expect(render.lengths).toBeDefined();
  });

  it('is left out where it would bind too much', () => {
    const stages = passesOf(recipe, { persistent: true, storage, buffers: 5 });
    expect(stages.render.lengths).toBeUndefined();
    expect(stages.render.plan.length).toBeGreaterThan(1);
  });
});

describe('render', () => {
  const HELPER: Declaration = { name: 'helper', text: (name) => `fn ${name}(x: f32) -> f32 { return x; }` };
  const other = (body: string): Declaration => ({
    name: 'helper',
    text: (name) => `fn ${name}(x: f32) -> f32 { return ${body}; }`,
  });
  const codeOf = (recipe: Recipe, options: PaperOptions = {}) => passesOf(recipe, options).render.plan;

  it('names nothing twice, and declares equal helpers once', () => {
    const tile = { name: 'tile', type: 'f32', size: 64 } as const;
    const shared = (name: string, helper: Declaration) =>
      kernelOp(name, {
        barriers: true,
        shared: [tile],
        body: (k) =>
          `${k.shared(tile)}[lane] = ${k.declare(helper)}(1.0);\n${k.barrier()}\n${k.outputs[0]!.store('lane', `${k.shared(tile)}[lane]`)}`,
      });
    const x = f32(64);
    const [shader] = codeOf(all([shared('p', HELPER)(x), shared('q', HELPER)(x), shared('r', other('x + 1.0'))(x)]));
    const { code, bindings } = shader!;
    expect(moduleFaults(code, bindings.length)).toEqual([]);
    expect(code.match(/^fn helper\w*/gm)).toEqual(['fn helper', 'fn helper_1']);
    expect(code.match(/^var<workgroup> \w+/gm)).toEqual([
      'var<workgroup> tile',
      'var<workgroup> tile_1',
      'var<workgroup> tile_2',
    ]);
  });

  it('enables features first, once each', () => {
    const half = kernelOp('half', { requires: ['shader-f16', 'subgroups'] });
    const x = f32(64);
    const [shader] = codeOf(all([kernelOp('a')(x), half(x), kernelOp('b', { requires: ['shader-f16'] })(x)]));
    expect(shader!.code.split('\n').slice(0, 3)).toEqual([
      'enable f16;',
      'enable subgroups;',
      expect.stringContaining('@group(0)'),
    ]);
    expect(shader!.code.match(/enable/g)).toHaveLength(2);
    expect(() => codeOf(all([half(x)]), { adapter: 'software' })).toThrow(
      new DeviceError('half: it requires shader-f16, which SwiftShader does not have. Use another adapter.'),
    );
  });

  it('folds workgroups beyond one dimension into y', () => {
    const capabilities = { maxComputeWorkgroupsPerDimension: 10 };
    const [wide] = codeOf(all([relu(f32(64 * 25))]), { capabilities });
    expect(wide!.workgroups).toEqual([10, 3, 1]);
    expect(wide!.code).toContain('group.x + group.y * 10u');
    expect(() => codeOf(all([relu(f32(64 * 101))]), { capabilities })).toThrow('it needs 11 workgroups along an axis');
  });

  it('counts the threads of side by side kernels through', () => {
    const small = kernelOp('small', { workgroup: [32, 1, 1], grid: [3, 1, 1] });
    const x = f32(64);
    const [shader] = codeOf(all([kernelOp('large', { workgroup: [128, 1, 1], grid: [2, 1, 1] })(x), small(x)]));
    expect(shader!.workgroups).toEqual([3, 1, 1]); // 96 threads of the small one fit into a workgroup of 128
    expect(shader!.code).toContain('if (t >= 96u) { return; }');
  });

  it('lets no thread leave before a barrier', () => {
    const wait = (name: string, threads: number) =>
      kernelOp(name, {
        workgroup: [threads, 1, 1],
        barriers: true,
        body: (k) => `${k.barrier()}\n${k.outputs[0]!.store('lane', k.inputs[0]!.load('lane'))}`,
      });
    const x = f32(64);
    const [shader] = codeOf(all([wait('p', 64)(x), wait('q', 64)(x)]));
    expect(shader!.code).toContain('workgroupBarrier();');
    expect(shader!.code).not.toContain('return;');
    // The frame refuses what packing must not do.
    const [kernel] = passesOf(all([wait('p', 64)(x)])).pack.dispatches[0]!.kernels;
    const of = (threads: number) => ({ ...kernel!, workgroup: [threads, 1, 1] as const, body: () => '' });
    const names = { unique: (name: string) => name, add: () => {} } as never;
    expect(() => sideBySide([of(64), of(32)], capabilitiesOf()).body(names)).toThrow('in workgroups of another size');
  });

  it('finds what lies within a larger memory', () => {
    const members = [variable([64]), variable([64]), variable([4])];
    const arena = { variable: variable([192]), members: members.map((v, k) => ({ variable: v, offset: k * 64 })) };
    const [p, q, r] = members as [Variable, Variable, Variable];
    const moves: Recipe = {
      assignments: [
        [q, add(q, p)],
        [r, mul(r, 2)],
      ],
    };
    const [shader] = codeOf(moves, { storage: new PaperStorage([arena]) });
    const { code, bindings } = shader!;
    // Ranges that do not overlap are bound by themselves, all of them writable where one is written.
    const ranges = bindings.map(({ offset, words, access }) => [offset, words, access]);
    expect(ranges.sort()).toEqual([
      [0, 64, 'write'],
      [128, 4, 'write'],
      [64, 64, 'write'],
    ]);
    expect(code).not.toContain('u + i');
    // Where bindings are few, what is written is bound once, whole.
    const [few] = codeOf(moves, { storage: new PaperStorage([arena]), buffers: 2 });
    expect(few!.bindings.map(({ offset, words }) => [offset, words])).toEqual([[0, 192]]);
    const indices = [...few!.code.matchAll(/m0\[([^\]]*)\](?: = )?/g)].map(
      ([text, index]) => `${index}${text.endsWith('= ') ? ' =' : ''}`,
    );
    expect(indices.sort()).toEqual(['128u + i', '128u + i =', '64u + i', '64u + i =', 'i']);
    // What is only read has a range of its own, where one serves.
    const [alone] = codeOf({ outputs: { y: relu(q) } }, { storage: new PaperStorage([arena]) });
    expect(alone!.bindings[0]).toMatchObject({ offset: 64, words: 64, access: 'read' });
    expect(alone!.code).toContain('m0[i]');
    // No binding starts where WebGPU allows none.
    const odd = new PaperStorage([
      {
        variable: variable([192]),
        members: [
          { variable: p, offset: 10 },
          { variable: q, offset: 80 },
        ],
      },
    ]);
    const [whole] = codeOf({ assignments: [[q, mul(p, 2)]] }, { storage: odd });
    expect(whole!.bindings.map(({ offset, words }) => [offset, words])).toEqual([[0, 192]]);
    expect(whole!.code).toContain('m0[80u + i] =');
    expect(whole!.code).toContain('m0[10u + i]');
  });

  it('refuses what binds too much, by name', () => {
    const many = Array.from({ length: 4 }, () => f32(64));
    const op: Op<void> = {
      name: 'many',
      shape: ([x]) => [{ shape: x!.shape, dtype: 'f32' }],
      cpu: () => {},
      kernel: () => ({
        workgroup: [64, 1, 1],
        grid: [1, 1, 1],
        body: (k) => k.outputs[0]!.store('lane', k.inputs.map((x) => x.load('lane')).join(' + ')),
      }),
    };
    const recipe = all([apply1(op, many, undefined)]);
    expect(codeOf(recipe, { buffers: 5 })).toHaveLength(1);
    expect(() => codeOf(recipe, { buffers: 4 })).toThrow(
      new DeviceError('many: it needs 5 storage buffers, but this adapter allows 4 per kernel. Try fuse: false.'),
    );
  });

  it('nests no branches, however many kernels share a dispatch', () => {
    const members = Array.from({ length: 60 }, (_, k) => variable([k + 1]));
    const arena = { variable: variable([60 * 64]), members: members.map((v, k) => ({ variable: v, offset: k * 64 })) };
    const storage = new PaperStorage([arena]);
    const assignments = members.map((v) => [v, mul(v, sigmoid(v))] as const);
    const [status, step] = [variable([1], 'u32'), variable([1], 'u32')];
    const plan = codeOf({ assignments, guard: { status, step, checked: [] } }, { storage });
    expect(plan.map(({ code }) => code.split('if (w ').length - 1)).toContain(60);
    for (const { code } of plan) expect(code).not.toContain('else');
  });
});
