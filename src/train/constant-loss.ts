// The loss of the best prediction that is the same for every example: what a run is measured against, for a network that is no
// better has learnt nothing, and one far above it is running away.
import { interpret } from '../cpu/interpreter.ts';
import { PLAIN } from '../data/dataset.ts';
import { Random } from '../data/random.ts';
import type { HostArray } from '../graph/dtype.ts';
import { constant, type Tensor } from '../graph/tensor.ts';
import type { Loss } from '../loss/loss.ts';
import type { Examples } from './batch.ts';

/** The most rows looked at, and the most numbers predicted for them. */
const ROWS = 1000;
const VALUES = 100_000;
const TINY = 1e-6;
/** A loss above this share of the best constant prediction's is no better. */
export const NO_BETTER = 0.98;

/** What was found last for a set's targets. */
const kept = new WeakMap<
  HostArray,
  { readonly loss: Loss; readonly scale: string; readonly value: number | undefined }
>();

/** The best constant prediction's loss on rows drawn from all of `data`; undefined where it cannot be told. */
export function bestConstantLoss(loss: Loss, data: Examples): number | undefined {
  const known = kept.get(data.y.data);
  const scale = JSON.stringify([data.scale, data.classes, data.y.shape]);
  if (known?.loss === loss && known.scale === scale) return known.value;
  const value = find(loss, data);
  kept.set(data.y.data, { loss, scale, value });
  return value;
}

function find(loss: Loss, data: Examples): number | undefined {
  const classes = data.y.data instanceof Float32Array || data.y.data instanceof Float64Array ? undefined : data.classes;
  const width = classes ?? data.y.data.length / data.size;
  const n = Math.min(data.size, ROWS, Math.floor(VALUES / width));
  // A single row is its own best constant.
  if (n < Math.min(2, data.size)) return undefined;
  const targets = targetsAt(data, drawn(data.size, n));
  const columns = classes === undefined ? columnsOf(targets, n, width) : frequencies(targets, n, classes);
  const y =
    classes === undefined
      ? constant(Float32Array.from(targets), { shape: [n, ...data.y.shape.slice(1)] })
      : constant(Uint32Array.from(targets), { shape: [n] });
  const shape = classes === undefined ? y.shape : [n, classes];
  const losses = columns.map((row) => lossOf(loss, row, n, shape, y)).filter((value) => Number.isFinite(value));
  return losses.length > 0 ? Math.min(...losses) : undefined;
}

/** One row of each of `n` equal parts of the data, so that ordered data is seen whole. */
function drawn(size: number, n: number): number[] {
  const random = new Random(0);
  return Array.from({ length: n }, (_, k) => Math.floor(((k + random.uniform()) * size) / n));
}

/** The targets of these rows as numbers. */
function targetsAt({ size, y: { shape, data }, scale = PLAIN }: Examples, rows: readonly number[]): Float64Array {
  const width = data.length / size;
  const targets = new Float64Array(rows.length * width);
  for (const [k, row] of rows.entries()) targets.set(data.subarray(row * width, (row + 1) * width), k * width);
  if (!(data instanceof Uint8Array) || shape.length === 1) return targets;
  return targets.map((v) => (v / 255 - scale.mean) / scale.std);
}

/** Constant rows worth trying for class indices: their frequencies, as probabilities and as logits. */
function frequencies(labels: HostArray, n: number, classes: number): Float64Array[] {
  const share = new Float64Array(classes);
  for (const label of labels) share[label]! += 1 / n;
  return [share, share.map((p) => Math.log(Math.max(p, TINY)))];
}

/** Those for other targets: each column's mean and median, and the mean as logits of two kinds. */
function columnsOf(targets: HostArray, n: number, width: number): Float64Array[] {
  const [means, medians] = [new Float64Array(width), new Float64Array(width)];
  const column = new Float64Array(n);
  for (let c = 0; c < width; c++) {
    let sum = 0;
    for (let r = 0; r < n; r++) sum += column[r] = targets[r * width + c]!;
    means[c] = sum / n;
    medians[c] = column.sort()[n >> 1]!;
  }
  const inside = means.map((p) => Math.min(Math.max(p, TINY), 1 - TINY));
  return [means, medians, inside.map((p) => Math.log(p)), inside.map((p) => Math.log(p / (1 - p)))];
}

function lossOf(loss: Loss, row: Float64Array, n: number, shape: readonly number[], y: Tensor): number {
  const data = new Float64Array(n * row.length);
  for (let r = 0; r < n; r++) data.set(row, r * row.length);
  try {
    return interpret([loss(constant(data, { shape }), y)], () => undefined)[0]!.data[0]!;
  } catch {
    return Number.NaN; // A loss that does not take predictions of this shape has no constant to be held against.
  }
}

/** Whether a loss is no better than a constant prediction. */
export function noBetter(loss: number, constantLoss: number | undefined): boolean {
  return constantLoss !== undefined && loss > NO_BETTER * constantLoss;
}
