// Validation split off the training data: by the trainer's seed, and once, so that every run and resumed run sees the same sets, and the
// device holds one copy of them.
import type { AnyDataSet } from '../data/dataset.ts';
import { partition } from '../data/partition.ts';
import { countOf, pick } from '../data/split.ts';
import type { HostArray } from '../graph/dtype.ts';
import { OptionError } from '../graph/errors.ts';
import { checkValue } from '../graph/options.ts';
import { type Examples, namedParts, ownExamples } from './batch.ts';
import { checkTrainingData, type FitOptions, PART } from './run.ts';
import { onlyLabels } from './targets.ts';

interface Parts {
  /** All arrays of the set. */
  readonly arrays: readonly (HostArray | undefined)[];
  readonly key: string;
  readonly train: Examples;
  readonly validation: Examples;
}

/** The last splits by a set's examples. */
const kept = new WeakMap<HostArray, readonly Parts[]>();
const MOST = 4;

/** A run's data and options, with `validationSplit` replaced by the two sets. */
export function splitOff(data: Examples, options: FitOptions, seed: number): { given: Examples; asked: FitOptions } {
  const part = options?.validationSplit;
  if (part === undefined) return { given: data, asked: options };
  checkValue('fit', 'validationSplit', part, PART);
  if (options.validation !== undefined)
    throw new OptionError('fit: both validation and validationSplit are given. Give one of them.');
  checkTrainingData(data);
  const { train, validation } = partsOf(ownExamples(data), part, seed);
  return { given: train, asked: { ...options, validation, validationSplit: undefined } };
}

function partsOf(data: Examples, part: number, seed: number): Parts {
  const { size, name = 'data', classes, scale } = data;
  const count = countOf('fit: validationSplit', part, { size, name });
  const values = namedParts(data);
  const arrays = [...values.map(([, { data }]) => data), data.sampleWeights?.data];
  const key = JSON.stringify([
    count,
    seed,
    name,
    values.map(([own, { shape, scale, augmentation }]) => [own, shape, scale, augmentation]),
    classes,
    scale,
  ]);
  const known = kept.get(arrays[0]!) ?? [];
  const before = known.find((parts) => parts.key === key && parts.arrays.every((array, k) => array === arrays[k]));
  const labels = onlyLabels(data)?.data;
  const parts = before ?? { arrays, key, ...partsAt(data, partition(size, count, seed, labels), name) };
  kept.set(arrays[0]!, [parts, ...known.filter((other) => other !== parts)].slice(0, MOST));
  return parts;
}

function partsAt(data: Examples, { train, validation }: ReturnType<typeof partition>, name: string) {
  const part = (which: string, order: Uint32Array): Examples =>
    pick({ ...data, name: `${name} (${which} part)` } as AnyDataSet, order) as Examples;
  return { train: part('training', train), validation: part('validation', validation) };
}
