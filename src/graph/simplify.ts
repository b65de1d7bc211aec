// Rewrites a graph to an equal, smaller one: common nodes become one, ops over constants become constants, and each op's own
// rule (x · 1 is x) is applied. What nothing reads is left behind.

import { type HostArray, hostArray } from './dtype.ts';
import type { Recipe } from './executor.ts';
import { expandConstant, Node, Tensor } from './tensor.ts';
import { topologicalOrder } from './walk.ts';

/** Constants up to this many elements are compared and folded by value. */
const SMALL = 64;

/** The simplified counterparts of `roots`, in order. */
export function simplify(roots: readonly Tensor[]): Tensor[] {
  const replaced = new Map<Node, readonly Tensor[]>();
  const known = new Map<string, readonly Tensor[]>();
  const current = (t: Tensor) => replaced.get(t.node)![t.output]!;
  for (const node of topologicalOrder(roots)) {
    const inputs = node.inputs.map(current);
    replaced.set(node, node.op ? rewrite(node, inputs, known) : [leaf(node, known)]);
  }
  return roots.map(current);
}

/** Every tensor that a recipe needs computed, in a fixed order. */
export function rootsOf({ outputs = {}, assignments = [], records = [], guard }: Recipe): Tensor[] {
  return [
    ...Object.values(outputs),
    ...(guard ? [guard.step, ...guard.checked] : []),
    ...assignments.map(([, t]) => t),
    ...records.map(([, t]) => t),
  ];
}

/** The same recipe over a simplified graph. */
export function simplifyRecipe(recipe: Recipe): Recipe {
  const simpler = simplify(rootsOf(recipe)).values();
  const next = () => simpler.next().value!;
  const outputs = Object.fromEntries(Object.keys(recipe.outputs ?? {}).map((name) => [name, next()]));
  const guard = recipe.guard && { ...recipe.guard, step: next(), checked: recipe.guard.checked.map(next) };
  const assignments = (recipe.assignments ?? []).map(([variable]) => [variable, next()] as const);
  const records = (recipe.records ?? []).map(([variable]) => [variable, next()] as const);
  return { outputs, assignments, records, ...(guard && { guard }) };
}

function leaf(node: Node, known: Map<string, readonly Tensor[]>): Tensor {
  const { source } = node;
  if (source?.kind !== 'constant' || source.data.length > SMALL) return new Tensor(node);
  const { shape, dtype } = node.outs[0]!;
  return remember(known, `${dtype} ${shape} = ${source.data}`, () => [new Tensor(node)])[0]!;
}

function rewrite(node: Node, inputs: readonly Tensor[], known: Map<string, readonly Tensor[]>): readonly Tensor[] {
  const op = node.op!;
  const simpler = op.simplify?.(inputs, node.params) ?? folded(node, inputs);
  if (simpler) return [simpler];
  const key = `${op.name} ${JSON.stringify(node.params, exact)} ${inputs.map((t) => `${t.node.id}.${t.output}`)}`;
  return remember(known, key, () => {
    const same = inputs.every((t, k) => t.node === node.inputs[k]!.node && t.output === node.inputs[k]!.output);
    const next = same ? node : new Node(op, undefined, inputs, node.params, node.outs);
    return next.outs.map((_, output) => new Tensor(next, output));
  });
}

/** JSON has no infinities; two params that differ only in them must not look alike. */
function exact(_: string, value: unknown): unknown {
  return typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
    ? `number ${1 / value} ${value}`
    : value;
}

function remember<T>(known: Map<string, T>, key: string, make: () => T): T {
  let value = known.get(key);
  if (value === undefined) {
    value = make();
    known.set(key, value);
  }
  return value;
}

/** A map op over constants, computed now: fills stay fills, small arrays become arrays. */
function folded(node: Node, inputs: readonly Tensor[]): Tensor | undefined {
  const op = node.op!;
  const out = node.outs[0]!;
  if (!op.map || inputs.length === 0 || inputs.some((t) => t.node.source?.kind !== 'constant')) return undefined;
  const values = inputs.map((t) => (t.node.source as { data: HostArray }).data);
  const fills = op.elementwise && values.every((data) => data.length === 1);
  const size = new Tensor(node).size;
  if (!fills && (size > SMALL || inputs.some((t) => t.size > SMALL))) return undefined;
  const result = hostArray(out.dtype, fills ? 1 : size, 'float64');
  const arrays = inputs.map((t, k) => ({
    shape: fills ? [] : t.shape,
    dtype: t.dtype,
    data: fills ? values[k]! : expandConstant(values[k]!, t),
  }));
  op.cpu(arrays, [{ shape: fills ? [] : out.shape, dtype: out.dtype, data: result }], node.params);
  if (!result.every((value) => Number.isFinite(value))) return undefined;
  return new Tensor(new Node(undefined, { kind: 'constant', data: result }, [], undefined, [out]));
}
