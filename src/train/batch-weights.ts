// What the batches of a set count, Σ of each step's examples: worked out on the host as the device draws its rows, so that the mean
// loss of an epoch is Σ w·l / Σ w of all its examples, and its accuracy the share of all rows that count.
import type { NdArray } from '../graph/op.ts';
import { batchIndicesOp } from '../ops/random.ts';
import type { Examples } from './batch.ts';
import { orderOf, placeOf, type Run } from './run.ts';
import type { State } from './state.ts';
import { allCounts } from './targets.ts';
import { metricOf, outputsOf, type Task } from './task.ts';

/** What a step's batch counts. */
export interface BatchCounts {
  readonly examples: number;
  /** By metric, where it is not the number of examples: in losses and their accuracies. */
  readonly metrics: ReadonlyMap<string, number>;
}

/** The counts of each step of a run. */
export type BatchWeight = (step: number) => BatchCounts;

const counter = (data: ArrayLike<number>): NdArray => ({
  shape: [data.length],
  dtype: 'u32',
  data: Uint32Array.from(data),
});

/** For the data order that the State is in, which a run has set. */
export async function batchWeights(task: Task, data: Examples, run: Run, state: State): Promise<BatchWeight> {
  const counted = countedMetrics(task, data);
  if (counted.length === 0) return (step) => ({ examples: placeOf(run, step).rows, metrics: NO_METRICS });
  const [origin, order] = (await state.storage.read([state.origin, state.order])).map(counter);
  const { batchSize: stride, ...rows } = orderOf(run);
  return (step) => {
    const { rows: examples } = placeOf(run, step);
    const indices = counter(new Uint32Array(examples));
    batchIndicesOp.cpu([counter([step]), origin!, order!], [indices], { ...rows, batch: examples, stride, offset: 0 });
    const metrics = new Map(counted.map(([metric, counts]) => [metric, sumAt(counts, indices.data)]));
    return { examples, metrics };
  };
}

const NO_METRICS: ReadonlyMap<string, number> = new Map();

/** The metrics in which examples do not count 1 each, and what they do. */
function countedMetrics(task: Task, data: Examples): [metric: string, counts: ArrayLike<number>][] {
  const all = allCounts(task, data);
  return outputsOf(task).flatMap((output): [string, ArrayLike<number>][] => {
    const { weights, rows } = all.get(output.name)!;
    const [loss, accuracy] = [metricOf(output, 'loss'), metricOf(output, 'accuracy')];
    // A metric of the user's in accuracy's place is a mean over examples.
    const own = Object.hasOwn(task.metrics, accuracy);
    return [
      ...(weights ? [[loss, weights] as [string, ArrayLike<number>]] : []),
      ...(rows && !own ? [[accuracy, rows] as [string, ArrayLike<number>]] : []),
    ];
  });
}

function sumAt(counts: ArrayLike<number>, rows: ArrayLike<number>): number {
  let total = 0;
  for (let k = 0; k < rows.length; k++) total += Math.fround(counts[rows[k]!]!);
  return total;
}
