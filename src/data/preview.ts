// A look at augmented pictures, as training sees them.
import type { Backend } from '../backend.ts';
import { dtypeOf } from '../graph/dtype.ts';
import { OptionError } from '../graph/errors.ts';
import { partName, partsOf } from '../graph/nested.ts';
import type { NdArray } from '../graph/op.ts';
import { COUNT, checkOptions, type Kind, type Schema, SEED, show } from '../graph/options.ts';
import { seedKey } from '../graph/random.ts';
import { sizeOf } from '../graph/shape.ts';
import { constant, resident } from '../graph/tensor.ts';
import { iota } from '../ops/counter.ts';
import { gatherRows } from '../ops/gather.ts';
import { type AnyDataSet, type AnyParts, checkSet, type Values } from './dataset.ts';
import type { StoredNumbers } from './stored.ts';

/** Options of {@link preview}. */
export interface PreviewOptions {
  /** The number of pictures, the first of the set; all, if it has fewer. Default 16. */
  readonly count?: number | undefined;
  /** The trainer's seed. Default 0. */
  readonly seed?: number | undefined;
  /** The number of steps made: each step augments anew. Default 0. */
  readonly step?: number | undefined;
}

const STEP: Kind = {
  advice: 'Give a whole number from 0.',
  fits: (v) => Number.isSafeInteger(v) && (v as number) >= 0 && (v as number) < 2 ** 32,
};
const SCHEMA = { count: [COUNT, 16], seed: [SEED, 0], step: [STEP, 0] } satisfies Schema<PreviewOptions>;

/**
 * The first pictures of an augmented data set as a training step would see them, before their scale: [count, H, W, C] in the set's own type,
 * bytes rounded. Of several augmented inputs, the first. @throws OptionError if the set is not augmented.
 */
export async function preview(
  backend: Backend,
  data: AnyDataSet,
  options: PreviewOptions = {},
  ...extra: never[]
): Promise<NdArray> {
  const { count, seed, step } = checkOptions('preview', options, SCHEMA, extra);
  if (typeof backend?.run !== 'function')
    throw new OptionError(`preview: the backend is ${show(backend)}. Pass a backend: await createBackend().`);
  checkSet('preview', data);
  const [own, pictures] =
    partsOf<Values<StoredNumbers>>((data as AnyParts).x).find(([, v]) => typeof v.augmentation?.apply === 'function') ??
    [];
  if (!pictures)
    throw new OptionError(
      `preview: ${data.name} is not augmented. Give data.augment({ flip: true }), or another augmentation.`,
    );
  const [B, row, dtype] = [Math.min(count, data.size), pictures.shape.slice(1), dtypeOf(pictures.data)];
  const first = { shape: [B, ...row], dtype, data: pictures.data.slice(0, B * sizeOf(row)) };
  const rows = iota(B);
  const draw = { rows, step: constant(Uint32Array.of(step)), seed: constant(Uint32Array.from(seedKey(seed))) };
  const x = gatherRows(resident('preview', first), rows);
  const { y } = await backend.run(() => ({ y: pictures.augmentation!.apply(x, draw, partName('x', own)) }));
  return dtype === 'u8' ? { ...y!, dtype, data: Uint8Array.from(y!.data, Math.round) } : y!;
}
