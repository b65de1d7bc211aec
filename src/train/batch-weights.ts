// What the batches of a set count, Σ of each step's examples: worked out on the host as the device draws its rows, so that the mean
// loss of an epoch is Σ w·l / Σ w of all its examples, and its accuracy the share of all rows that count.
import type { NdArray } from '../graph/op.ts';
import type { Loss } from '../loss/loss.ts';
import { batchIndicesOp } from '../ops/random.ts';
import type { Examples } from './batch.ts';
import { exampleCounts } from './loss-weights.ts';
import { orderOf, placeOf, type Run } from './run.ts';
import type { State } from './state.ts';

/** What a step's batch counts in the loss and in its accuracy. */
export interface BatchCounts {
  readonly weight: number;
  readonly rows: number;
}

/** The counts of each step of a run; of a set whose examples all count 1, their number. */
export type BatchWeight = (step: number) => BatchCounts;

const counter = (data: ArrayLike<number>): NdArray => ({
  shape: [data.length],
  dtype: 'u32',
  data: Uint32Array.from(data),
});

/** For the data order that the State is in, which a run has set. */
export async function batchWeights(loss: Loss, data: Examples, run: Run, state: State): Promise<BatchWeight> {
  const of = exampleCounts(loss, data);
  if (!of.weights)
    return (step) => {
      const { rows } = placeOf(run, step);
      return { weight: rows, rows };
    };
  const weights = of.weights;
  const [origin, order] = (await state.storage.read([state.origin, state.order])).map(counter);
  const { batchSize: stride, ...rows } = orderOf(run);
  return (step) => {
    const batch = placeOf(run, step).rows;
    const indices = counter(new Uint32Array(batch));
    batchIndicesOp.cpu([counter([step]), origin!, order!], [indices], { ...rows, batch, stride });
    let weight = 0;
    let counted = 0;
    for (const row of indices.data) {
      weight += Math.fround(weights[row]!);
      counted += of.rows?.[row] ?? 1;
    }
    return { weight, rows: counted };
  };
}
