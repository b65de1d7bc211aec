// Data sets from the user's arrays: one tensor in x and in y, or several by name or in order, each checked like a single one.
import { DataError, OptionError } from '../graph/errors.ts';
import { guess, isSeveral, listed, mapParts, type Nested, partName, partsOf } from '../graph/nested.ts';
import { checkOptions, checkValue, type Kind, type Schema, STRING } from '../graph/options.ts';
import { checkBinaryBytes } from './binary-bytes.ts';
import {
  type ArrayDatasetOptions,
  arrayDataset as arrayOfOne,
  type ByteScale,
  CLASSES,
  checkScale,
  type DataSet,
  IGNORED,
  isBytes,
  isScale,
  type MultiDataSet,
  makeDataset,
  TARGETS,
  type TargetKind,
  toTargets,
  type Values,
} from './dataset.ts';
import { cut, type Flat, flatten, type GivenArray, isTyped, type NestedNumbers, type Shaped } from './given.ts';
import { toWeights } from './sample-weights.ts';
import { type StoredNumbers, stored } from './stored.ts';

/** Arrays of numbers as a nested list, a typed array or `{ shape, data }`. */
export type Numbers = NestedNumbers | GivenArray | Shaped;
/** Several tensors: by name, or in order, each as `{ shape, data }`. */
export type NumbersOfSeveral = Readonly<Record<string, Numbers>> | readonly Shaped[];

/** One value for all tensors, or one for each: by name, or in a list where tensors are in order. */
type ForEach<T> = T | Readonly<Record<string, T | undefined>> | readonly (T | undefined)[];

/** Options of a data set of several tensors; see {@link ArrayDatasetOptions}. */
export interface MultiArrayOptions extends Pick<ArrayDatasetOptions, 'name' | 'sampleWeights'> {
  /** Whether targets are class indices or values. */
  targets?: ForEach<TargetKind> | undefined;
  /** The number of classes; by name where there are several targets. */
  classes?: ForEach<number> | undefined;
  /** The label that the loss ignores: a single one applies to all targets that are not `values`. */
  ignoreIndex?: ForEach<number> | undefined;
  /** The scale of each u8 tensor in x. */
  scale?: ForEach<ByteScale> | undefined;
  /** The scale of each u8 tensor of regression targets in y. Default: `scale` if that is a single scale, else x / 255. */
  targetScale?: ForEach<ByteScale> | undefined;
}

/** The tensors of a data set made from `X`. */
type Tensors<X> = X extends Numbers ? Values<StoredNumbers> : { readonly [K in keyof X]: Values<StoredNumbers> };

/**
 * A data set of your own arrays: `x` (size, ...example) and `y`, class indices (size) or dense targets (size, outputs). With
 * `targets: 'classes'` y may have more axes, (size, T): a label at each place.
 * Each is a nested list, a typed array, or `{ shape, data }`; a bare typed array is split into as many rows as `y` has. Models with several
 * inputs or outputs take several arrays: `{ pixels, stats }`, or a list of `{ shape, data }`; options for a single tensor may then be given
 * by name, or in a list.
 * u8, u16, u32, i32 and f32 arrays keep their type, integers of 64 bits become i32 or u32, everything else f32. Arrays are copied, so
 * later writes to them do not change the data set.
 * @throws DataError if lengths differ, an array is empty or not finite, a label is out of range, or weights are negative or all 0;
 * OptionError if an option names an unknown tensor.
 */
export function arrayDataset(x: Numbers, y: Numbers, options?: ArrayDatasetOptions, ...extra: never[]): DataSet;
export function arrayDataset<X extends Numbers | NumbersOfSeveral, Y extends Numbers | NumbersOfSeveral>(
  x: X,
  y: Y,
  options?: MultiArrayOptions,
  ...extra: never[]
): MultiDataSet<Tensors<X>, Tensors<Y>>;
export function arrayDataset(
  x: Numbers | NumbersOfSeveral,
  y: Numbers | NumbersOfSeveral,
  options: MultiArrayOptions = {},
  ...extra: never[]
): unknown {
  const [xs, ys] = [x as Nested<Numbers>, y as Nested<Numbers>];
  if (isSeveral(xs) || isSeveral(ys)) return arrayOfSeveral(xs, ys, options, extra);
  return arrayOfOne(x as Numbers, y as Numbers, options as ArrayDatasetOptions, ...extra);
}

const isByteScale = (v: unknown) => v === false || isScale(v);
const SCALES: Kind = { advice: 'Give { mean, std }, or false.', fits: isByteScale };
/** What each tensor's value of an option must be. */
const EACH = { targets: TARGETS, classes: CLASSES, ignoreIndex: IGNORED, scale: SCALES, targetScale: SCALES };
const forEach = ({ fits, advice }: Kind): Kind => ({
  advice: `${advice} Or give one for each tensor by name.`,
  fits: (v: unknown) => fits(v) || (typeof v === 'object' && v !== null),
});
const SCHEMA = {
  name: [STRING, 'array'],
  targets: forEach(TARGETS),
  classes: forEach(CLASSES),
  ignoreIndex: forEach(IGNORED),
  scale: forEach(SCALES),
  targetScale: forEach(SCALES),
  sampleWeights: true,
} satisfies Schema<MultiArrayOptions>;

function arrayOfSeveral(
  x: Nested<Numbers>,
  y: Nested<Numbers>,
  options: MultiArrayOptions,
  extra: readonly unknown[],
): MultiDataSet {
  const checked = checkOptions('array', options, SCHEMA, extra);
  const { name, targets, classes, ignoreIndex, scale, targetScale } = checked;
  checkNames('targets', targets, y);
  checkNames('classes', classes, y);
  checkNames('ignoreIndex', ignoreIndex, y);
  if (isSeveral(y) && typeof classes === 'number')
    throw new OptionError(
      `array: classes is ${classes}, but y has ${listed(y)}. Give it by name: { ${Object.keys(y)[0]}: ${classes} }.`,
    );
  const xScales = new Scales('scale', name, scale, x);
  const yScales = new Scales('targetScale', name, targetScale, y, isByteScale(scale) ? scale : undefined);
  const flat = mapParts(y, (given, part) => flatten(`${name} ${partName('y', part)}`, given));
  const size = partsOf<Flat>(flat)[0]![1].shape[0]!;
  const xs = mapParts(x, (given, part) => {
    const values = examplesOf(name, part, given, size);
    return xScales.of(values, part, isBytes(values));
  });
  const ignoring = partsOf(y).some(([part]) => optionAt(targets, part) !== 'values');
  const counts: Record<string, number | undefined> = {};
  const notes: string[] = [];
  let count: number | undefined;
  const ys = mapParts(flat, (given, part) => {
    checkSize(name, partName('y', part), given, size);
    const kind = optionAt(targets, part);
    const ignored = typeof ignoreIndex === 'number' && ignoring && kind === 'values' ? undefined : ignoreIndex;
    const own = { targets: kind, classes: optionAt(classes, part), ignoreIndex: optionAt(ignored, part) };
    const { y: values, note, ...made } = toTargets(part === undefined ? name : `${name} ${part}`, given, own);
    count = made.classes;
    if (part !== undefined) counts[part] = count;
    if (note) notes.push(note);
    return yScales.of(values, part, count === undefined && isBytes(values));
  });
  if (isByteScale(scale) && xScales.unused && !yScales.fellBack) checkScale('scale', name, false, scale as ByteScale);
  if (isByteScale(targetScale) && yScales.unused)
    checkScale('targetScale', `y of ${name}`, false, targetScale as ByteScale);
  const sampleWeights = toWeights(name, options.sampleWeights, size);
  return makeDataset<MultiDataSet>({
    name,
    x: xs,
    y: ys,
    classes: isSeveral(y) ? counts : count,
    scale: undefined,
    ...(notes.length > 0 && { note: notes.join(' ') }),
    ...(sampleWeights && { sampleWeights }),
  });
}

function examplesOf(name: string, part: string | undefined, given: Numbers, size: number): Values<StoredNumbers> {
  const what = partName('x', part);
  const flat = isTyped(given) ? cut(`${name} ${what}`, given, size) : flatten(`${name} ${what}`, given);
  checkSize(name, what, flat, size);
  if (flat.shape.length === 1) flat.shape = [size, 1];
  return { shape: flat.shape, data: stored(`${name} ${what}`, flat.shape, flat.data) };
}

function checkSize(name: string, what: string, { shape }: Flat, size: number): void {
  if (shape[0] !== size)
    throw new DataError(
      `${name}: ${what} has ${shape[0]} examples, but the first tensor of y has ${size}. Give equally many.`,
    );
}

/** The option for one part. */
function optionAt<T>(option: ForEach<T> | undefined, part: string | undefined): T | undefined {
  return typeof option === 'object' && option !== null && part !== undefined
    ? (option as Readonly<Record<string, T>>)[part]
    : (option as T | undefined);
}

/** Rejects an option for a tensor that does not exist, and values of the wrong kind. */
function checkNames(option: keyof typeof EACH, given: unknown, nested: Nested<unknown>): void {
  if (typeof given !== 'object' || given === null) return;
  const known = isSeveral(nested) ? Object.keys(nested) : [];
  for (const [name, value] of Object.entries(given)) {
    if (!known.includes(name))
      throw new OptionError(
        `array: ${option} names ${name}, but the tensors are ${known.join(', ') || 'one without a name'}. ${guess(name, known)}`,
      );
    if (value !== undefined) checkValue('array', `${option}.${name}`, value, EACH[option]);
  }
}

/** The scales of the u8 tensors: one for all of them, or one each by name. */
class Scales {
  readonly #option: 'scale' | 'targetScale';
  readonly #set: string;
  readonly #given: ForEach<ByteScale> | undefined;
  readonly #fallback: ByteScale | undefined;
  /** Whether no tensor was u8 so far. */
  unused = true;
  /** Whether the fallback was used. */
  fellBack = false;

  /** `fallback`: the scale where none is given. */
  constructor(
    option: 'scale' | 'targetScale',
    set: string,
    given: ForEach<ByteScale> | undefined,
    nested: Nested<unknown>,
    fallback?: ByteScale,
  ) {
    this.#option = option;
    this.#set = set;
    this.#given = given;
    this.#fallback = fallback;
    if (!isByteScale(given)) checkNames(option, given, nested);
  }

  /** `bytes`: whether these are bytes that are read by a scale. */
  of(values: Values<StoredNumbers>, part: string | undefined, bytes: boolean): Values<StoredNumbers> {
    if (bytes) this.unused = false;
    const all = this.#given === undefined || isByteScale(this.#given);
    const stated = all ? (this.#given as ByteScale | undefined) : optionAt(this.#given as ForEach<ByteScale>, part);
    if (!bytes && (all || !stated)) return values;
    this.fellBack ||= bytes && stated === undefined;
    if (stated === undefined && this.#fallback !== false) {
      const what = partName(this.#option === 'scale' ? 'x' : 'y', part);
      checkBinaryBytes(`${this.#set} ${what}`, values.data, this.#option);
    }
    return { ...values, scale: checkScale(this.#option, part ?? this.#set, bytes, stated ?? this.#fallback) };
  }
}
