// Splits a data set in two, and picks examples from it: copies of examples, with one tensor in x and in y or several.
import { dtypeOf, hostArray, kindOf } from '../graph/dtype.ts';
import { OptionError } from '../graph/errors.ts';
import { partAt } from '../graph/nested.ts';
import { BOOLEAN, checkOptions, checkValue, NUMBER, type Schema, SEED } from '../graph/options.ts';
import { formatShape, sizeOf } from '../graph/shape.ts';
import { type AnyDataSet, type AnyParts, checkSet, makeDataset, rowsOf, type Values } from './dataset.ts';
import { partition } from './partition.ts';
import type { StoredNumbers } from './stored.ts';

/** Options of {@link split}. */
export interface SplitOptions {
  /** The seed of the shuffle, a whole number. Default 0. */
  readonly seed?: number | undefined;
  /** Whether each class has the same proportion in both parts, to within one example; needs class indices. Default false. */
  readonly stratify?: boolean | undefined;
}

const SCHEMA = { seed: [SEED, 0], stratify: [BOOLEAN, false] } satisfies Schema<SplitOptions>;

/**
 * Splits a data set in two by a seeded shuffle: `validation` gets `part`, a fraction (between 0 and 1) or a number of examples (1 and
 * above); `train` gets the rest. Both are copies. With `stratify` (as in scikit-learn) every class of at least two examples is in both
 * parts, if the counts allow it; with several targets, one must hold class indices. @throws OptionError if a part would be empty, or to
 * stratify without exactly one target of class indices.
 */
export function split<D extends AnyDataSet>(
  data: D,
  part: number,
  options: SplitOptions = {},
  ...extra: never[]
): { train: D; validation: D } {
  checkSet('split', data);
  checkValue('split', 'the part', part, NUMBER);
  const { seed, stratify } = checkOptions('split', options, SCHEMA, extra);
  const labels = stratify ? strata(data) : undefined;
  const count = countOf('split', part, data);
  const { train, validation } = partition(data.size, count, seed, labels);
  return { train: pick(data, train), validation: pick(data, validation) };
}

/** The class indices that a set is stratified by. @throws OptionError if it has none, or several. */
function strata({ name, y, classes }: AnyDataSet): StoredNumbers {
  const all =
    typeof classes === 'object' && classes !== null ? Object.entries(classes) : [[undefined, classes] as const];
  const [one, ...others] = all.filter(([, count]) => count !== undefined).map(([own]) => own);
  const known = others.length === 0 && all.some(([, count]) => count !== undefined);
  const values = known ? partAt(y as AnyParts['y'], one) : undefined;
  if (values?.shape.length === 1) return values.data;
  const are = values ? formatShape(values.shape) : others.length > 0 ? [one, ...others].join(', ') : 'numbers';
  throw new OptionError(
    `split: stratify needs one class index per example, but the targets of ${name} are ${are}. Leave it out.`,
  );
}

/** The number of examples in `part` of a data set. @throws OptionError if it is none or all. */
export function countOf(what: string, part: number, { size, name }: { size: number; name: string }): number {
  const count = part > 0 && part < 1 ? Math.max(1, Math.round(part * size)) : part;
  if (!Number.isInteger(count) || count < 1 || count >= size)
    throw new OptionError(
      `${what}: ${part} of the ${size} examples of ${name} leaves nothing to train or to validate on. Give a fraction between 0 and 1 or a count from 1 to ${size - 1}.`,
    );
  return count;
}

/** The examples of `order`, in that order. */
export function pick<D extends AnyDataSet>(data: D, order: Uint32Array): D {
  return makeDataset<D>({ ...data, ...rowsOf(data as AnyParts, (values) => pickRows(values, order)) });
}

function pickRows<A extends StoredNumbers>(v: Values<A>, order: Uint32Array): Values<A> {
  const row = sizeOf(v.shape.slice(1));
  const shape = [order.length, ...v.shape.slice(1)];
  const data = emptyLike(v.data, order.length * row);
  for (const [i, from] of order.entries()) data.set(v.data.subarray(from * row, (from + 1) * row), i * row);
  return { ...v, shape, data };
}

function emptyLike<A extends StoredNumbers>(like: A, length: number): A {
  return hostArray(dtypeOf(like), length, kindOf(like) === 'Float64Array' ? 'float64' : undefined) as A;
}
