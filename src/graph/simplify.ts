// Rewrites a graph to an equivalent smaller one: common subexpressions are merged, ops over constants become constants, each op's own
// rule (x · 1 is x) is applied, and dead nodes are dropped.

import { type HostArray, hostArray } from './dtype.ts';
import type { Recipe } from './executor.ts';
import { onCpu } from './on-cpu.ts';
import { mapRecipe, rootsOf } from './recipe.ts';
import { rewrite, withInputs } from './rewrite.ts';
import { expandConstant, Node, type Tensor } from './tensor.ts';

/** Constants up to this many elements are compared and folded by value. */
const SMALL = 64;

/** The simplified counterparts of `roots`, in order. */
export function simplify(roots: readonly Tensor[]): Tensor[] {
  return roots.map(simplifier(roots));
}

/** The same recipe over a simplified graph. */
export function simplifyRecipe(recipe: Recipe): Recipe {
  return mapRecipe(recipe, simplifier(rootsOf(recipe)));
}

function simplifier(roots: readonly Tensor[]): (t: Tensor) => Tensor {
  const known = new Map<string, readonly Tensor[]>();
  return rewrite(roots, (node, inputs) => (node.op ? simpler(node, inputs, known) : [leaf(node, known)]));
}

function leaf(node: Node, known: Map<string, readonly Tensor[]>): Tensor {
  const { source } = node;
  if (source?.kind !== 'constant' || source.data.length > SMALL) return node.outputs[0]!;
  const { shape, dtype } = node.outs[0]!;
  const values = Array.from(source.data, (v) => (Object.is(v, -0) ? '-0' : v));
  return remember(known, `${dtype} ${shape} = ${values}`, () => node.outputs)[0]!;
}

function simpler(node: Node, inputs: readonly Tensor[], known: Map<string, readonly Tensor[]>): readonly Tensor[] {
  const op = node.op!;
  const other = op.simplify?.(inputs, node.params) ?? folded(node, inputs);
  if (other) return [other];
  const key = `${numberOf(op)} ${textOf(node.params)} ${inputs.map((t) => `${t.node.id}.${t.output}`)}`;
  return remember(known, key, () => withInputs(node, inputs));
}

const numbers = new WeakMap<object, number>();
let ops = 0;

/** Distinguishes ops, even those of the same name. */
function numberOf(op: object): number {
  let number = numbers.get(op);
  if (number === undefined) {
    number = ops++;
    numbers.set(op, number);
  }
  return number;
}

const texts = new WeakMap<object, string>();

/** Params as text, computed once per object: graphs are rewritten several times, and keep their params. */
function textOf(params: unknown): string {
  if (typeof params !== 'object' || params === null) return JSON.stringify(params, exact);
  let text = texts.get(params);
  if (text === undefined) {
    text = JSON.stringify(params, exact);
    texts.set(params, text);
  }
  return text;
}

/** JSON has no infinities; two params that differ only in them must not have equal text. */
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

/** A map op over constants, computed now: fills give fills, small arrays give arrays. */
function folded(node: Node, inputs: readonly Tensor[]): Tensor | undefined {
  const op = node.op!;
  const out = node.outs[0]!;
  if (!op.map || inputs.length === 0 || inputs.some((t) => t.node.source?.kind !== 'constant')) return undefined;
  const values = inputs.map((t) => (t.node.source as { data: HostArray }).data);
  const fills = op.elementwise && values.every((data) => data.length === 1);
  const size = node.outputs[0]!.size;
  if (!fills && (size > SMALL || inputs.some((t) => t.size > SMALL))) return undefined;
  const result = hostArray(out.dtype, fills ? 1 : size, 'float64');
  const arrays = inputs.map((t, k) => ({
    shape: fills ? [] : t.shape,
    dtype: t.dtype,
    data: fills ? values[k]! : expandConstant(values[k]!, t),
  }));
  onCpu(node, arrays, [{ shape: fills ? [] : out.shape, dtype: out.dtype, data: result }]);
  if (!result.every((value) => Number.isFinite(value))) return undefined;
  return new Node(undefined, { kind: 'constant', data: result }, [], undefined, [out]).outputs[0]!;
}
