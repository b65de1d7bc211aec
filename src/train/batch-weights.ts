// What the batches of a set count, Σ of each step's examples: worked out on the host as the device draws its rows, so that the mean
// loss of an epoch is Σ w·l / Σ w of all its examples, and its accuracy the share of all rows that count.
import type { NdArray } from '../graph/op.ts';
import { batchIndicesOp } from '../ops/random.ts';
import type { Examples } from './batch.ts';
import { exampleCounts } from './loss-weights.ts';
import { orderOf, placeOf, type Run } from './run.ts';
import type { State } from './state.ts';
import type { Task } from './step.ts';

/** What a step's batch counts: its number of examples, where these all count 1. */
export interface BatchCounts {
  readonly examples: number;
  /** In the loss. */
  readonly weight: number;
  /** In the accuracy. */
  readonly rows: number;
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
  const { weights, rows: judged } = exampleCounts(task.loss, data);
  if (!weights)
    return (step) => {
      const { rows: examples } = placeOf(run, step);
      return { examples, weight: examples, rows: examples };
    };
  // A metric of the user's in accuracy's place is a mean over examples.
  const inAccuracy = Object.hasOwn(task.metrics, 'accuracy') ? undefined : judged;
  const [origin, order] = (await state.storage.read([state.origin, state.order])).map(counter);
  const { batchSize: stride, ...rows } = orderOf(run);
  return (step) => {
    const { rows: examples } = placeOf(run, step);
    const indices = counter(new Uint32Array(examples));
    batchIndicesOp.cpu([counter([step]), origin!, order!], [indices], { ...rows, batch: examples, stride });
    let weight = 0;
    let counted = 0;
    for (const row of indices.data) {
      weight += Math.fround(weights[row]!);
      counted += inAccuracy?.[row] ?? 1;
    }
    return { examples, weight, rows: counted };
  };
}
