// How much rounding to f32 alone changes a batch's loss and gradients: the graph in doubles, with each value perturbed at random by up
// to a float's rounding error (Monte Carlo arithmetic: D. S. Parker, UCLA CSD-970002, 1997).
import { grad } from '../autodiff/grad.ts';
import { interpret } from '../cpu/interpreter.ts';
import { Random } from '../data/random.ts';
import type { HostArray } from '../graph/dtype.ts';
import { mapParts, partAt, partName, partsOf } from '../graph/nested.ts';
import type { NdArray } from '../graph/op.ts';
import { full, input, type Node, type Tensor, variableOf } from '../graph/tensor.ts';
import { add, mul } from '../ops/binary.ts';
import { sum } from '../ops/broadcast.ts';
import { feedsOf } from '../train/batch.ts';
import type { Looked } from '../train/inspection.ts';
import { lossOf } from '../train/judge.ts';
import { type Model, traceBatch } from './reference.ts';

/** The maximum relative rounding error of a float: 2^-24. */
export const FLOAT_ROUNDING = 2 ** -24;

/** Runs with different roundings: a single one may by chance change little. */
const DRAWS = 4;

/** The changes due to rounding. */
export interface Rounding {
  readonly loss: number;
  /** The norm of each gradient's change, by path. */
  readonly gradients: ReadonlyMap<string, number>;
}

/**
 * The largest changes among a few draws. Terms that cancel within a loss do not show in its result (softmax - target, near 0 in a trained
 * network), so the loss and its gradient at a prediction of zeros estimate their size, and are perturbed in proportion, too.
 */
export async function roundingOf(model: Model, batch: Looked): Promise<Rounding> {
  const at: Record<string, Tensor> = {};
  const sizes = new Map<string, number>();
  const { gradients } = traceBatch(model, batch, ({ prediction, loss, target }) => {
    const parts = partsOf<Tensor>(prediction);
    const zeros = mapParts(prediction, ({ shape }) => full(shape, 0));
    const lossAtZero = lossOf(model.task, zeros, target);
    Object.assign(at, { loss, lossAtZero });
    const nudged = parts.map(([name, part]) => {
      const [nudge, zero] = [partName('nudge', name), partAt(zeros, name)!];
      const [slope, slopeAtZero] = [grad(loss, [part])[0], grad(lossAtZero, [zero])[0]];
      if (slope) at[`slope ${nudge}`] = slope;
      if (slopeAtZero) at[`slope at zero ${nudge}`] = slopeAtZero;
      sizes.set(nudge, part.size);
      return sum(mul(part, input(nudge, part)));
    });
    return nudged.reduce((total, term) => add(total, term), loss);
  });
  const variables = model.state.variables.map(({ variable }) => variable);
  const values = await model.state.storage.read(variables);
  const inputs = feedsOf(batch);
  const feeds = (node: Node) =>
    node.source?.kind === 'input' ? inputs[node.source.name] : values[variables.indexOf(variableOf(node)!)]?.slice();
  const found = interpret(Object.values(at), feeds);
  const exactly = Object.fromEntries(Object.keys(at).map((name, k) => [name, found[k]!.data]));
  const terms = new Map(
    [...sizes].map(([nudge, size]) => [
      nudge,
      termSizes(exactly[`slope ${nudge}`] ?? new Float64Array(size), exactly[`slope at zero ${nudge}`]),
    ]),
  );
  for (const [nudge, size] of sizes) inputs[nudge] = new Float64Array(size);
  const outputs = [at['loss']!, ...gradients.map(({ gradient }) => gradient)];
  const exact = interpret(outputs, feeds);
  const changes = outputs.map(() => 0);
  for (let draw = 0; draw < DRAWS; draw++) {
    const random = new Random(draw);
    for (const [nudge, of] of terms) inputs[nudge] = of.map((size) => size * off(random));
    const rounded = interpret(outputs, feeds, 'float64', (node, outs) => round(node, outs, random));
    for (const [k, { data }] of rounded.entries()) changes[k] = Math.max(changes[k]!, distance(data, exact[k]!.data));
  }
  const [loss = 0, ...others] = changes;
  const lossAtZero = Math.abs(exactly['lossAtZero']![0]!);
  return {
    loss: loss + (Number.isFinite(lossAtZero) ? FLOAT_ROUNDING * lossAtZero : 0),
    gradients: new Map(gradients.map(({ path }, k) => [path, others[k]!])),
  };
}

/** The elementwise larger magnitude of two gradients, ignoring non-finite elements of the second. */
function termSizes(a: HostArray, b: HostArray = a): Float64Array {
  return Float64Array.from(a, (v, i) => Math.max(Math.abs(v), Number.isFinite(b[i]) ? Math.abs(b[i]!) : 0));
}

function off(random: Random): number {
  return FLOAT_ROUNDING * random.uniform(-1, 1);
}

/** Rounds weights and computed values; data and the results of ops that only move values are exact, so that ties stay ties. */
function round(node: Node, outs: readonly NdArray[], random: Random): void {
  if (node.op ? node.op.flops?.(node.inputs, node.params) === 0 || node.op.view : node.source?.kind !== 'variable')
    return;
  for (const { dtype, data } of outs) {
    if (dtype === 'f32') for (let i = 0; i < data.length; i++) data[i]! *= 1 + off(random);
  }
}

/** ‖a - b‖ */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < b.length; i++) total += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(total);
}
