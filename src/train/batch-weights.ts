// What the batches of a weighted set weigh, Σ w of each step's: worked out on the host as the device draws its rows, so that the mean
// loss of an epoch is Σ w·l / Σ w of all its examples.
import type { NdArray } from '../graph/op.ts';
import { batchIndicesOp } from '../ops/random.ts';
import type { Examples } from './batch.ts';
import { orderOf, placeOf, type Run } from './run.ts';
import type { State } from './state.ts';

/** The weight of each step of a run; of a set without weights, its rows. */
export type BatchWeight = (step: number) => number;

const counter = (data: ArrayLike<number>): NdArray => ({
  shape: [data.length],
  dtype: 'u32',
  data: Uint32Array.from(data),
});

/** For the data order that the State is in, which a run has set. */
export async function batchWeights({ sampleWeights }: Examples, run: Run, state: State): Promise<BatchWeight> {
  if (!sampleWeights) return (step) => placeOf(run, step).rows;
  const [origin, order] = (await state.storage.read([state.origin, state.order])).map(counter);
  const { batchSize: stride, ...rows } = orderOf(run);
  return (step) => {
    const batch = placeOf(run, step).rows;
    const indices = counter(new Uint32Array(batch));
    batchIndicesOp.cpu([counter([step]), origin!, order!], [indices], { ...rows, batch, stride });
    let total = 0;
    for (const row of indices.data) total += Math.fround(sampleWeights.data[row]!);
    return total;
  };
}
