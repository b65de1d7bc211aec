// The loss of the best constant prediction, the same for every example. It is the baseline of a run: a network that is no better has
// learnt nothing, and one far above it diverges.
import { interpret } from '../cpu/interpreter.ts';
import { channelAt, isBytes, kindOfTargets, PLAIN } from '../data/dataset.ts';
import { Random } from '../data/random.ts';
import { weightOf } from '../data/sample-weights.ts';
import type { HostArray } from '../graph/dtype.ts';
import { sizeOf } from '../graph/shape.ts';
import { constant, type Tensor } from '../graph/tensor.ts';
import type { Loss } from '../loss/loss.ts';
import { weightedLoss } from '../loss/weighted.ts';
import { type Examples, type OneTarget, targetScaleOf } from './batch.ts';
import { ignores } from './loss-weights.ts';
import { targetsOf } from './targets.ts';
import { outputsOf, type Task } from './task.ts';

/** The most rows sampled, and the most numbers predicted for them. */
const ROWS = 1000;
const VALUES = 100_000;
const TINY = 1e-6;
/** A loss above this share of the best constant prediction's is no better. */
export const NO_BETTER = 0.98;

/** The last result by a set's targets. */
const kept = new WeakMap<
  HostArray,
  {
    readonly loss: Loss;
    readonly weights: HostArray | undefined;
    readonly scale: string;
    readonly value: number | undefined;
  }
>();

/** The best constant prediction's loss, weighted as the run's, on rows sampled from all of `data`; undefined if it cannot be computed. */
export function bestConstantLoss(
  task: Pick<Task, 'loss' | 'heads'>,
  data: Examples,
  batchSize = data.size,
): number | undefined {
  const targets = targetsOf(data);
  let sum = 0;
  for (const { name, loss, weight } of outputsOf(task)) {
    const target = targets.get(name);
    const least = target && ofOne(loss, target, batchSize);
    if (least === undefined) return undefined;
    sum += weight * least;
  }
  return sum;
}

function ofOne(loss: Loss, data: OneTarget, batchSize: number): number | undefined {
  const known = kept.get(data.y.data);
  const scale = JSON.stringify([
    data.scale,
    targetScaleOf(data),
    data.y.targets,
    data.classes,
    data.y.shape,
    batchSize,
  ]);
  const weights = data.sampleWeights?.data;
  if (known?.loss === loss && known.weights === weights && known.scale === scale) return known.value;
  const value = find(loss, data, batchSize);
  kept.set(data.y.data, { loss, weights, scale, value });
  return value;
}

function find(loss: Loss, data: OneTarget, batchSize: number): number | undefined {
  const classes = kindOfTargets(data.y) === 'values' ? undefined : data.classes;
  const width = data.y.data.length / data.size;
  const n = Math.min(data.size, ROWS, Math.floor(VALUES / (width * (classes ?? 1))));
  // A single row is its own best constant.
  if (n < Math.min(2, data.size)) return undefined;
  const rows = drawn(data.size, n);
  const targets = targetsAt(data, rows);
  const given = data.sampleWeights?.data;
  const weights = Float64Array.from(rows, (row) => (given ? given[row]! : 1));
  const columns =
    classes === undefined ? columnsOf(targets, weights, width) : frequencies(loss, targets, weights, classes);
  const y =
    classes === undefined
      ? constant(Float32Array.from(targets), { shape: [n, ...data.y.shape.slice(1)] })
      : constant(Uint32Array.from(targets), { shape: [n, ...data.y.shape.slice(1)] });
  const shape = classes === undefined ? y.shape : [...y.shape, classes];
  const counts = given && constant(weights);
  const losses = columns.map((row) => lossOf(loss, row, shape, y, counts)).filter((value) => Number.isFinite(value));
  // A loss that is a sum is scaled to a batch.
  return losses.length > 0 ? Math.min(...losses) * (loss.reduction === 'sum' ? batchSize / n : 1) : undefined;
}

/** One row of each of `n` equal parts of the data, so that sorted data is covered. */
function drawn(size: number, n: number): number[] {
  const random = new Random(0);
  return Array.from({ length: n }, (_, k) => Math.floor(((k + random.uniform()) * size) / n));
}

/** The targets of these rows as numbers. */
function targetsAt(examples: OneTarget, rows: readonly number[]): Float64Array {
  const { size, y } = examples;
  const { data } = y;
  const scale = targetScaleOf(examples) ?? PLAIN;
  const width = data.length / size;
  const targets = new Float64Array(rows.length * width);
  for (const [k, row] of rows.entries()) targets.set(data.subarray(row * width, (row + 1) * width), k * width);
  if (!isBytes(y) || kindOfTargets(y) === 'classes' || !scale) return targets;
  return targets.map((v, k) => (v / 255 - channelAt(scale.mean, k)) / channelAt(scale.std, k));
}

/** Candidate constant rows for class indices: their frequencies, as probabilities and as logits. */
function frequencies(loss: Loss, labels: HostArray, weights: Float64Array, classes: number): Float64Array[] {
  const share = new Float64Array(classes);
  const width = labels.length / weights.length;
  for (const [k, label] of labels.entries())
    if (!ignores(loss, label)) share[label]! += weights[Math.floor(k / width)]! * (loss.classWeights?.[label] ?? 1);
  const whole = share.reduce((a, b) => a + b) || 1;
  for (let c = 0; c < classes; c++) share[c]! /= whole;
  return [share, share.map((p) => Math.log(Math.max(p, TINY)))];
}

/** Candidates for other targets: each column's mean and median, and the mean as logits of two kinds. */
function columnsOf(targets: HostArray, weights: Float64Array, width: number): Float64Array[] {
  const [means, medians] = [new Float64Array(width), new Float64Array(width)];
  const whole = weightOf({ data: weights });
  const column = new Float64Array(weights.length);
  for (let c = 0; c < width; c++) {
    let sum = 0;
    for (const [r, w] of weights.entries()) {
      column[r] = targets[r * width + c]!;
      sum += w * column[r];
    }
    means[c] = sum / whole;
    medians[c] = medianOf(column, weights, whole);
  }
  const inside = means.map((p) => Math.min(Math.max(p, TINY), 1 - TINY));
  return [means, medians, inside.map((p) => Math.log(p)), inside.map((p) => Math.log(p / (1 - p)))];
}

/** The first value in sorted order with more than half of the weight up to and including it. */
function medianOf(column: Float64Array, weights: Float64Array, whole: number): number {
  if (weights.every((w) => w === weights[0])) return column.sort()[column.length >> 1]!;
  const order = [...column.keys()].sort((a, b) => column[a]! - column[b]!);
  let below = 0;
  for (const r of order) {
    below += weights[r]!;
    if (below > whole / 2) return column[r]!;
  }
  return Number.NaN;
}

function lossOf(
  loss: Loss,
  row: Float64Array,
  shape: readonly number[],
  y: Tensor,
  weights: Tensor | undefined,
): number {
  const data = new Float64Array(sizeOf(shape));
  for (let at = 0; at < data.length; at += row.length) data.set(row, at);
  try {
    const x = constant(data, { shape });
    const value = weights ? weightedLoss(loss, x, y, weights).loss : loss(x, y);
    return interpret([value], () => undefined)[0]!.data[0]!;
  } catch {
    return Number.NaN; // A loss that rejects predictions of this shape has no constant to compare with.
  }
}

/** Whether a loss is no better than a constant prediction. */
export function noBetter(loss: number, constantLoss: number | undefined): boolean {
  return constantLoss !== undefined && loss > NO_BETTER * constantLoss;
}
