// The passes over graphs, each without a device: what is prefetched, copied, kept in memory and computed together.
import { describe, expect, it } from 'vitest';
import { PASSES } from '../src/compile/pass-names.ts';
import { group as grouping } from '../src/compile/passes/group.ts';
import { withoutHazards } from '../src/compile/passes/hazards.ts';
import { materialize } from '../src/compile/passes/materialize.ts';
import { prefetch } from '../src/compile/passes/prefetch.ts';
import { EXPENSIVE, RECOMPUTE_BUDGET } from '../src/graph/cost.ts';
import type { Recipe } from '../src/graph/executor.ts';
import { simplifyRecipe } from '../src/graph/simplify.ts';
import { constant, resident, type Tensor, type Variable } from '../src/index.ts';
import {
  add,
  batchIndices,
  cast,
  div,
  exp,
  gatherRows,
  linear,
  matmul,
  mul,
  pack,
  relu,
  remainder,
  reshape,
  sigmoid,
  slice,
  softmax,
  sum,
  transpose,
} from '../src/ops/index.ts';
import { capabilitiesOf, expressionOf, f32, groupText, type LeafNames, passesOf, variable } from './on-paper.ts';

const apart = () => false;

it('runs the passes in their order', () => {
  const { ran } = passesOf({ outputs: { y: relu(f32(8)) } });
  expect(ran).toEqual(PASSES);
});

describe('simplify', () => {
  const [x, y] = [f32(4, 4), f32(4, 4)];
  const simple = (t: Tensor) => simplifyRecipe({ outputs: { t } }).outputs!['t']!;
  const textOf = (t: Tensor) => expressionOf(simple(t), { x, y });

  it("applies each op's own rule", () => {
    expect(textOf(add(mul(x, 1), 0))).toBe('x');
    expect(textOf(mul(x, 2))).toBe('mul(x, 2)');
  });

  it('computes what follows from constants', () => {
    expect(textOf(add(x, mul(constant(3), 4)))).toBe('add(x, 12)');
    // What is not finite is left to the device.
    expect(textOf(mul(x, div(constant(1), 0)))).toBe('mul(x, broadcastTo(div(1, 0)))');
  });

  it('makes equal nodes one, and no others', () => {
    const both = simple(add(exp(mul(x, y)), relu(mul(x, y))));
    const [a, b] = both.node.inputs.map(({ node }) => node.inputs[0]!.node);
    expect(a).toBe(b);
    const turned = simple(add(sum(x, { axis: 0, keepDims: true }), sum(x, { axis: 1, keepDims: true })));
    const [rows, columns] = turned.node.inputs.map(({ node }) => node.inputs[0]!.node);
    expect(rows).not.toBe(columns);
  });

  it('maps every part of a recipe', () => {
    const v = variable([4, 4]);
    const [status, step] = [variable([1], 'u32'), variable([1], 'u32')];
    const t = mul(x, 1);
    const recipe = simplifyRecipe({
      outputs: { t },
      assignments: [[v, t]],
      records: [[v, t]],
      guard: { status, step, checked: [t] },
      split: [t],
    });
    const all = [
      recipe.outputs!['t']!,
      recipe.assignments![0]![1],
      recipe.records![0]![1],
      recipe.guard!.checked[0]!,
      recipe.split![0]!,
    ];
    expect(all.map((one) => expressionOf(one, { x }))).toEqual(Array(5).fill('x'));
  });
});

describe('prefetch', () => {
  const data = resident('x', { shape: [50, 20], dtype: 'f32', data: new Float32Array(1000) });
  const [step, w] = [variable([1], 'u32'), variable([20, 20])];
  const names: LeafNames = { data, step, w };
  const order = { size: 50, batch: 8, stride: 8, stepsPerEpoch: 7, shuffle: true };
  const [origin, seed] = [variable([1], 'u32'), variable([2], 'u32')];
  const batch = () => gatherRows(data, batchIndices(step, origin, seed, order));
  const moving = (t: Tensor): Recipe => ({
    assignments: [
      [w, t],
      [step, add(step, 1)],
    ],
  });
  const carriedOf = (recipe: Recipe) =>
    prefetch(simplifyRecipe(recipe), apart).carried.map(([, t]) => expressionOf(t, { ...names, origin, seed }));

  it('carries what a kernel reads of the counters and the data', () => {
    const recipe = moving(matmul(batch(), batch(), { transposeA: true }));
    expect(carriedOf(recipe)).toEqual(['gatherRows(data, batchIndices(step, origin, seed))']);
    const { recipe: ahead, carried } = prefetch(simplifyRecipe(recipe), apart);
    const [[x]] = carried as unknown as [[Variable]];
    const texts = ahead.assignments!.map(([v, t]) => [
      expressionOf(v, { ...names, x }),
      expressionOf(t, { ...names, x, origin, seed }),
    ]);
    expect(texts).toEqual([
      ['w', 'matmul(x, x)'],
      ['step', 'add(step, 1)'],
      // The next step's, its indices computed once.
      ['x', 'gatherRows(data, copy(batchIndices(add(step, 1), origin, seed)))'],
    ]);
  });

  it('carries single numbers, and nothing that follows from the weights', () => {
    const slot = remainder(step, 4);
    expect(carriedOf(moving(mul(w, cast(slot, 'f32'))))).toEqual(['cast(remainder(step, 4))']);
    expect(carriedOf(moving(matmul(w, w)))).toEqual([]);
  });

  it('leaves recipes with outputs and with inputs alone', () => {
    const t = matmul(batch(), batch(), { transposeA: true });
    expect(carriedOf({ ...moving(t), outputs: { t } })).toEqual([]);
    expect(carriedOf(moving(add(t, f32(20, 20))))).toEqual([]);
  });

  it('takes no variable for a counter that others move', () => {
    const t = mul(w, cast(step, 'f32'));
    expect(carriedOf(moving(t))).toEqual(['cast(step)']);
    expect(carriedOf({ assignments: [[w, t]], records: [[step, add(step, 1)]] })).toEqual([]);
    const byWeights: Recipe = {
      assignments: [...moving(t).assignments!.slice(0, 1), [step, cast(sum(w).reshape([1]), 'u32')]],
    };
    expect(carriedOf(byWeights)).toEqual([]);
    expect(prefetch(simplifyRecipe(moving(t)), (a, b) => a !== b).carried).toEqual([]);
  });
});

describe('hazards', () => {
  const [a, b, c] = [variable([6, 6]), variable([6, 6]), variable([6, 6])];
  const names: LeafNames = { a, b, c };
  const commitsOf = (
    recipe: Recipe,
    { buffers = 16, overlaps = apart as (x: Variable, y: Variable) => boolean } = {},
  ) =>
    withoutHazards(simplifyRecipe(recipe), overlaps, buffers).commits.map((set) =>
      set.map(({ variable: v, tensor }) => `${expressionOf(v, names)} = ${expressionOf(tensor, names)}`),
    );

  it('lets each thread read the element it writes', () => {
    expect(commitsOf({ assignments: [[a, relu(mul(a, 2))]] })).toEqual([['a = relu(mul(a, 2))']]);
  });

  it('copies once what is read elsewhere than where it is written', () => {
    expect(commitsOf({ assignments: [[a, add(transpose(a), a)]] })).toEqual([['a = add(transpose(copy(a)), a)']]);
    const { commits } = withoutHazards(
      {
        assignments: [
          [a, transpose(a)],
          [b, transpose(a)],
        ],
      },
      apart,
      16,
    );
    const copies = commits.flat().map(({ tensor }) => tensor.node.inputs[0]!.node);
    expect(copies[0]!.name).toBe('copy');
    expect(copies[1]).toBe(copies[0]);
  });

  it('leaves kernels alone: they are done before', () => {
    expect(commitsOf({ assignments: [[a, matmul(a, a)]] })).toEqual([['a = matmul(a, a)']]);
  });

  it('copies what overlaps: a member of an arena that is assigned', () => {
    const overlaps = (x: Variable, y: Variable) => [x, y].every((v) => v === a || v === b);
    expect(commitsOf({ assignments: [[a, mul(b, 2)]] }, { overlaps })).toEqual([['a = mul(copy(b), 2)']]);
    expect(commitsOf({ assignments: [[a, mul(c, 2)]] }, { overlaps })).toEqual([['a = mul(c, 2)']]);
  });

  it('keeps in one set what reads each other, and nothing else', () => {
    expect(
      commitsOf({
        assignments: [
          [a, mul(b, 2)],
          [b, mul(a, 3)],
          [c, mul(c, 4)],
        ],
      }),
    ).toEqual([['a = mul(b, 2)', 'b = mul(a, 3)'], ['c = mul(c, 4)']]);
  });

  it('takes apart sets that bind too much', () => {
    const [d, e] = [matmul(a, a), matmul(b, b)];
    const recipe: Recipe = {
      assignments: [
        [a, add(mul(b, 2), d)],
        [b, add(mul(a, 3), e)],
      ],
    };
    // Both variables, both products and the guard's flag.
    expect(commitsOf(recipe, { buffers: 5 })).toHaveLength(1);
    expect(commitsOf(recipe, { buffers: 4 })).toEqual([
      ['a = copy(add(mul(b, 2), matmul(a, a)))'],
      ['b = copy(add(mul(a, 3), matmul(b, b)))'],
    ]);
  });

  it('remembers what the guard is to see', () => {
    const [[commit]] = withoutHazards({ assignments: [[a, transpose(a)]] }, apart, 16).commits as [[never]];
    const { tensor, original } = commit as { tensor: Tensor; original: Tensor };
    expect([expressionOf(tensor, names), expressionOf(original, names)]).toEqual([
      'transpose(copy(a))',
      'transpose(a)',
    ]);
  });

  it('gives outputs memory: leaves are copied, views of them too', () => {
    const { outputs } = withoutHazards({ outputs: { a, flat: reshape(b, [36]), y: relu(c) } }, apart, 16);
    expect(outputs.map(([name, t]) => `${name}: ${expressionOf(t, names)}`)).toEqual([
      'a: copy(a)',
      'flat: copy(b)',
      'y: relu(c)',
    ]);
  });

  it('gives the parts of an arena memory that can be placed: leaves and parts used twice are copied', () => {
    const y = relu(a);
    const packed = pack([y, b, y, pack([relu(c)], [0], 36)], [0, 64, 128, 192], 256);
    const { outputs } = withoutHazards({ outputs: { packed } }, apart, 16);
    expect(expressionOf(outputs[0]![1], names)).toBe('pack(relu(a), copy(b), copy(relu(a)), copy(pack(relu(c))))');
  });
});

/** The tensors in memory, in the order of the graph. */
function keptOf(recipe: Recipe, names: LeafNames, { buffers = 16, fuse = true } = {}): string[] {
  const prepared = withoutHazards(simplifyRecipe(recipe), apart, buffers);
  const graph = materialize(prepared, capabilitiesOf({ buffers }), fuse);
  return graph.order.filter((node) => graph.isKept(node)).map((node) => expressionOf(node.outputs[0]!, names));
}

describe('materialize', () => {
  const [x, w, v] = [f32(8, 8), f32(8, 8), variable([8, 8])];
  const names: LeafNames = { x, w, v };

  it('computes chains where they are read, and keeps results', () => {
    expect(keptOf({ outputs: { y: relu(add(x, 1)) } }, names)).toEqual(['relu(add(x, 1))']);
    expect(keptOf({ outputs: { y: sum(relu(add(x, 1))) } }, names)).toEqual([]);
  });

  it('keeps what a kernel reads itself', () => {
    expect(keptOf({ outputs: { y: matmul(relu(x), w) } }, names)).toEqual(['relu(x)']);
    expect(keptOf({ outputs: { y: sum(relu(x)) } }, names)).toEqual([]);
  });

  it('keeps everything where nothing is to be fused', () => {
    expect(keptOf({ outputs: { y: relu(add(x, w)) } }, names, { fuse: false })).toEqual([
      'add(x, w)',
      'relu(add(x, w))',
    ]);
  });

  it('repeats cheap work, and keeps what costs more than the budget', () => {
    const repeated = (rows: number) => {
      const small = exp(f32(1, 512));
      return keptOf({ outputs: { y: add(f32(rows, 512), small) } }, {}).length;
    };
    const cost = 4; // of exp
    const rows = RECOMPUTE_BUDGET / cost / 512;
    expect(cost).toBeLessThan(EXPENSIVE);
    expect([repeated(rows / 2), repeated(rows * 2)]).toEqual([1, 2]);
  });

  it('keeps parts of what would read more than a dispatch binds', () => {
    const leaves = Array.from({ length: 8 }, () => f32(8, 8));
    const names8 = Object.fromEntries(leaves.map((leaf, k) => [`x${k}`, leaf]));
    const wide = leaves.slice(1).reduce<Tensor>((y, leaf) => add(y, leaf), leaves[0]!);
    // Eight leaves, the output, and the guard's flag.
    expect(keptOf({ outputs: { wide } }, names8, { buffers: 10 })).toHaveLength(1);
    const kept = keptOf({ outputs: { wide } }, names8, { buffers: 9 });
    expect(kept).toHaveLength(2);
    expect(kept[0]).toBe('add(add(add(add(add(add(x0, x1), x2), x3), x4), x5), x6)');
  });

  it('computes assigned values in the dispatch that writes them', () => {
    expect(keptOf({ assignments: [[v, add(v, matmul(x, w))]] }, names)).toEqual([]);
    // An earlier dispatch needs it, too.
    const next = add(v, matmul(x, w));
    expect(keptOf({ assignments: [[v, next]], outputs: { y: matmul(next, w) } }, names)).toEqual([
      'add(v, matmul(x, w))',
    ]);
  });

  it('tells reads at the same index from others', () => {
    const recipe: Recipe = { outputs: { y: add(x, transpose(w)) } };
    const graph = materialize(withoutHazards(recipe, apart, 16), capabilitiesOf(), true);
    const reads = graph.reads(graph.order.at(-1)!.outputs[0]!);
    expect(reads.map(({ tensor, identity }) => `${expressionOf(tensor, names)} ${identity}`)).toEqual([
      'x true',
      'w false',
    ]);
  });
});

/** Groups in order, with those that each waits for. */
function groupsOf(recipe: Recipe, { buffers = 16, fuse = true } = {}): string[] {
  const graph = materialize(withoutHazards(simplifyRecipe(recipe), apart, buffers), capabilitiesOf({ buffers }), fuse);
  return grouping(graph, buffers, fuse).groups.map(
    (g) => `${g.id}: ${groupText(g)}${g.before.size > 0 ? ` after ${[...g.before].map(({ id }) => id)}` : ''}`,
  );
}

describe('group', () => {
  const [x, w, b] = [f32(8, 8), f32(8, 8), f32(8)];

  it('computes what follows an output at its index with it', () => {
    const h = relu(linear(x, w, b));
    expect(groupsOf({ outputs: { h, y: mul(h, 2) } })).toEqual(['0: linear+relu+mul']);
    expect(groupsOf({ outputs: { h, y: mul(h, 2) } }, { fuse: false })).toEqual([
      '0: linear',
      '1: relu after 0',
      '2: mul after 1',
    ]);
  });

  it('starts a group where an index changes', () => {
    const h = relu(linear(x, w, b));
    expect(groupsOf({ outputs: { h, y: transpose(h) } })).toEqual(['0: linear+relu', '1: transpose after 0']);
  });

  it('starts a group where another index of the same group is read', () => {
    const y = linear(x, w, b);
    const h = relu(y);
    expect(groupsOf({ outputs: { h, z: add(h, transpose(y)) } })).toEqual(['0: linear+relu', '1: add after 0']);
  });

  it('computes what a kernel loads with it', () => {
    expect(groupsOf({ outputs: { y: sum(exp(x)) } })).toEqual(['0: sum']);
  });

  it('refuses a chain that would wait for itself', () => {
    const y = linear(x, w, b);
    const total = sum(matmul(y, w), { axis: 1, keepDims: true });
    // y + total cannot follow y in its group: total comes after it.
    expect(groupsOf({ outputs: { z: add(y, mul(matmul(y, w), 2)) } })).toEqual(['0: linear', '1: matmul+add after 0']);
    expect(groupsOf({ outputs: { z: add(y, total) } }).at(-1)).toBe('3: add after 0,2');
  });

  it('takes no chain that binds too much', () => {
    const many = [1, 2, 3, 4].reduce<Tensor>((y) => add(y, f32(8, 8)), linear(x, w, b));
    const both = { outputs: { y: many } };
    expect(groupsOf(both, { buffers: 10 })).toEqual(['0: linear+add']);
    expect(groupsOf(both, { buffers: 8 })).toEqual(['0: linear', '1: add after 0']);
  });

  it('puts groups after those they wait for', () => {
    const late = softmax(matmul(x, w));
    const y = add(sigmoid(matmul(x, slice(late, [0, 0], [8, 8]))), late);
    const groups = groupsOf({ outputs: { y } });
    for (const [k, text] of groups.entries())
      for (const before of (text.split(' after ')[1] ?? '').split(',').filter(Boolean))
        expect(Number(before)).toBeLessThan(k);
  });

  it('knows what arenas are made of, and stores their parts', () => {
    const parts = [relu(x), relu(w)];
    const recipe: Recipe = { outputs: { y: pack(parts, [0, 64], 128) } };
    const grouped = grouping(materialize(withoutHazards(recipe, apart, 16), capabilitiesOf(), true), 16, true);
    const [arena] = grouped.graph.recipe.outputs.map(([, t]) => t) as [Tensor];
    expect(grouped.arenas.parts(arena)!.map(({ offset }) => offset)).toEqual([0, 64]);
    for (const { part } of grouped.arenas.parts(arena)!) {
      expect(grouped.arenas.of(part)).toBe(arena);
      expect(grouped.stored.has(part)).toBe(true);
    }
    expect(grouped.behind(arena).map(groupText)).toEqual(['relu', 'relu']);
  });
});
