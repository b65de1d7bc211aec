// A data set on the host: examples and targets as flat arrays, checked once on creation, so that no later code has to.
import { dtypeOf, type HostArray, kindOf } from '../graph/dtype.ts';
import { DataError, OptionError } from '../graph/errors.ts';
import { isSeveral, mapParts, type Nested, partName, partsOf } from '../graph/nested.ts';
import {
  checkExtra,
  checkOptions,
  checkValue,
  FINITE,
  type Kind,
  OBJECT,
  oneOf,
  POSITIVE,
  type Schema,
  STRING,
  show,
} from '../graph/options.ts';
import { handOver } from '../graph/owned.ts';
import { formatShape, type Shape, sizeOf } from '../graph/shape.ts';
import { callAugment } from './augment-method.ts';
import type { Augmenter, AugmentOptions } from './augmentation.ts';
import { checkBinaryBytes } from './binary-bytes.ts';
import {
  cut,
  type Flat,
  flatten,
  type GivenArray,
  isTyped,
  type NestedNumbers,
  type NumberArray,
  type Shaped,
} from './given.ts';
import { type GivenWeights, toWeights } from './sample-weights.ts';
import { areWhole, checkLabels, labelsFrom, largestLabel, type StoredNumbers, stored } from './stored.ts';

/** A row-major array with its shape, the dtype being the array's. */
export interface Values<A = HostArray> {
  /** The sizes of the axes, examples first. */
  readonly shape: Shape;
  /** The elements, the last axis varying fastest. */
  readonly data: A;
  /** For u8 numbers: how they become floats. Default: the model's scale. */
  readonly scale?: ByteScale;
  /** For integer targets: what they are. Default `values` for u8 with more than one axis, else `classes`. */
  readonly targets?: TargetKind;
  /** For pictures of a data set: how training batches of them are augmented, made by `augment`. */
  readonly augmentation?: Augmenter;
}

/** Class indices, or values to regress on. */
export type TargetKind = 'classes' | 'values';

/** One number for all, or one for each place along the last axis, such as each channel of a picture. */
export type PerChannel = number | readonly number[];

/** The number for element k of an array, whose last axis is contiguous. */
export function channelAt(v: PerChannel, k: number): number {
  return typeof v === 'number' ? v : v[k % v.length]!;
}

/** How u8 examples become numbers: `(x / 255 - mean) / std`. */
export interface Scale {
  /** The mean of x / 255, which is subtracted. */
  readonly mean: PerChannel;
  /** The standard deviation of x / 255, which is divided by. */
  readonly std: PerChannel;
}

/** How bytes become numbers: by a scale, or unscaled (false), as integers from 0 to 255. */
export type ByteScale = Scale | false;

/** Examples with their targets, on the host. It owns its arrays; do not modify them. */
export interface DataSet {
  /** `mnist`, `digits`, `array`, or a folder's name: what messages call it. */
  readonly name: string;
  /** The number of examples. */
  readonly size: number;
  /**
   * Examples (size, ...example). Bytes reach the model as `(x / 255 - mean) / std`, or as u32 without a scale; other integers as u32 or
   * i32, floats unchanged.
   */
  readonly x: Values<StoredNumbers>;
  /**
   * Integer class indices (size), or (size, ...) with a label for each position of a sequence or image; or dense targets (size, outputs),
   * which reach the loss as f32: bytes by `targetScale`, other numbers unchanged.
   */
  readonly y: Values<StoredNumbers>;
  /** The weight of each example in the loss (size). Default 1 for each. */
  readonly sampleWeights?: Values<Float32Array> | undefined;
  /** The number of classes where `y` holds class indices. */
  readonly classes: number | undefined;
  /** The name of each class, by its index, if the source has names. */
  readonly classNames?: readonly string[] | undefined;
  /** How bytes become numbers. Undefined if there are none to scale. */
  readonly scale: ByteScale | undefined;
  /** How bytes in y become numbers. Default: the scale of x. */
  readonly targetScale?: ByteScale | undefined;
  /** One sentence on how y was interpreted, where its type is ambiguous. */
  readonly note?: string;
  /** A view of the examples `from` to `to` (exclusive); nothing is copied. */
  slice(from: number, to: number): DataSet;
  /** The same pictures, augmented in each training step: see {@link augment}. */
  augment(options?: AugmentOptions): DataSet;
}

/** A data set of several tensors in x or in y, by name or in order, for models with several inputs or outputs. */
export interface MultiDataSet<X = Nested<Values<StoredNumbers>>, Y = Nested<Values<StoredNumbers>>>
  extends Pick<DataSet, 'name' | 'size' | 'sampleWeights' | 'note'> {
  /** Each like `x` of a {@link DataSet}; u8 tensors have their own `scale`. */
  readonly x: X;
  /** Each like `y` of a {@link DataSet}; u8 regression targets have their own `scale`. */
  readonly y: Y;
  /** The number of classes of each class-index target, by its name or index. */
  readonly classes: number | Readonly<Record<string, number | undefined>> | undefined;
  /** Always undefined: each u8 tensor has its own `scale`. */
  readonly scale: undefined;
  /** A view of the examples `from` to `to` (exclusive) of every tensor; nothing is copied. */
  slice(from: number, to: number): MultiDataSet<X, Y>;
  /** The same with the pictures of one input augmented in each training step: see {@link augment}. */
  augment(options?: AugmentOptions): MultiDataSet<X, Y>;
}

/** A data set with one tensor in x and in y, or with several. */
export type AnyDataSet = DataSet | MultiDataSet<unknown, unknown>;

/** What both have in common when their tensors are walked. */
export interface AnyParts extends Pick<DataSet, 'name' | 'sampleWeights' | 'targetScale'> {
  readonly x: Nested<Values<StoredNumbers>>;
  readonly y: Nested<Values<StoredNumbers>>;
  readonly scale: ByteScale | undefined;
}

/** A training set and the test set that belongs to it. */
export interface DataPair {
  /** The examples to train on. */
  readonly train: DataSet;
  /** The examples to evaluate on. */
  readonly test: DataSet;
  /** One sentence that says where the data came from. */
  readonly source: string;
}

/** Options of {@link arrayDataset}. */
export interface ArrayDatasetOptions {
  /** The data set's name in messages. Default `array`. */
  name?: string | undefined;
  /** `classes`: y holds class indices; `values`: numbers to regress on. Default: `classes` if `classes` or `ignoreIndex` is given, or if y is
   * one whole number >= 0 per example and not a float array; the data set's `note` says how it was interpreted. */
  targets?: TargetKind | undefined;
  /** The number of classes, at least 2. Default: the largest index + 1. */
  classes?: number | undefined;
  /** A label that is not a class, which the loss ignores; also pass it to the loss: `losses.softmaxCrossEntropy.with({ ignoreIndex })`. */
  ignoreIndex?: number | undefined;
  /** For bytes in x: `(x / 255 - mean) / std`; false: unscaled u32 from 0 to 255, as an embedding needs. Default: { mean: 0, std: 1 }, which
   * is x / 255. Other types are never scaled. */
  scale?: ByteScale | undefined;
  /** For bytes in y that are regression targets; false: 0 to 255 unscaled. Default: `scale`. */
  targetScale?: ByteScale | undefined;
  /** The weight of each example in the loss, which is then Σ w·l / Σ w: `size` finite numbers >= 0, not all 0. Default: 1 for each. */
  sampleWeights?: GivenWeights | undefined;
}

/** A number of classes. */
export const CLASSES: Kind = {
  advice: 'Give a whole number of at least 2.',
  fits: (v) => Number.isSafeInteger(v) && (v as number) >= 2,
};
/** A label that is not a class. */
export const IGNORED: Kind = { advice: 'Give a whole number, such as -100.', fits: Number.isInteger };
/** How y is interpreted. */
export const TARGETS: Kind = oneOf('classes', 'values');
const SCALE_OR_NONE: Kind = { advice: 'Give { mean, std }, or false.', fits: (v) => v === false || OBJECT.fits(v) };
const SCHEMA = {
  name: [STRING, 'array'],
  targets: TARGETS,
  classes: CLASSES,
  ignoreIndex: IGNORED,
  scale: SCALE_OR_NONE,
  targetScale: SCALE_OR_NONE,
  sampleWeights: true,
} satisfies Schema<ArrayDatasetOptions>;
/** A number, or a list of them for the last axis. */
function perChannel({ advice, fits }: Kind): Kind {
  return {
    advice: advice.replace('.', ', or a list of one for each channel.'),
    fits: (v) => fits(v) || (Array.isArray(v) && v.length > 0 && v.every(fits)),
  };
}
const SCALE = { mean: perChannel(FINITE), std: perChannel(POSITIVE) } satisfies Schema<Scale>;

export function isScale(value: unknown): value is Scale {
  const { mean, std } = (value ?? {}) as Partial<Scale>;
  return SCALE.mean.fits(mean) && SCALE.std.fits(std);
}

/** Rejects a scale with a list that is not as long as the last axis of the bytes, which are called `what`. */
export function checkChannels(what: string, shape: Shape, { mean, std }: Scale): void {
  const channels = shape.at(-1)!;
  const [name, list] =
    Object.entries({ mean, std }).find(([, v]) => typeof v !== 'number' && v.length !== channels) ?? [];
  if (name !== undefined)
    throw new OptionError(
      `${what}: the ${name} of its scale is a list of ${(list as readonly number[]).length}, but the last axis of ${formatShape(shape)} has ${channels}. Give one for each of them, or one for all.`,
    );
}

/** The default scale of bytes: x / 255. */
export const PLAIN: Scale = { mean: 0, std: 1 };

/** What targets are: integers are class indices, unless declared as values or u8 with more than one axis. */
export function kindOfTargets({ shape, data, targets }: Values): TargetKind {
  const dtype = dtypeOf(data);
  if (dtype === 'f32') return 'values';
  return targets ?? (dtype === 'u8' && shape.length > 1 ? 'values' : 'classes');
}

/** A data set of matching parts; it takes over their arrays. With several tensors, u8 tensors have their own scales. */
export function makeDataset<D extends AnyDataSet = DataSet>(parts: Omit<D, 'size' | 'slice' | 'augment'>): D {
  const { name, x, y, sampleWeights, targetScale } = parts as unknown as AnyParts;
  const all = [x, y].flatMap((nested) => partsOf<Values<StoredNumbers>>(nested).map(([, values]) => values));
  const size = all[0]!.shape[0]!;
  for (const values of [...all, sampleWeights]) if (values) handOver(values.data);
  const isTarget = (values: Values<StoredNumbers>) => isBytes(values) && kindOfTargets(values) === 'values';
  const used =
    partsOf(x).some(([, v]) => isBytes(v)) || (targetScale === undefined && partsOf(y).some(([, v]) => isTarget(v)));
  const scale = used ? (parts as unknown as AnyParts).scale : undefined;
  const rescale = (what: string, values: Values<StoredNumbers>, to: ByteScale | undefined) => {
    const own = to ?? values.scale;
    if (isScale(own)) checkChannels(`${name}.${what}`, values.shape, own);
    return to === undefined ? values : { ...values, scale: to };
  };
  const asX = targetScale === undefined && scale !== undefined ? ', which without a targetScale is read as x' : '';
  const set = Object.freeze({
    ...parts,
    size,
    scale,
    x: mapParts(x, (values, part) => (isBytes(values) ? rescale(partName('x', part), values, scale) : values)),
    y: mapParts(y, (values, part) =>
      isTarget(values) ? rescale(`${partName('y', part)}${asX}`, values, targetScale ?? scale) : values,
    ),
    slice(from: number, to: number, ...extra: never[]): D {
      checkExtra('slice', extra);
      if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to > size || from >= to)
        throw new DataError(
          `${name}: slice ${from} to ${to} is not within its ${size} examples. Give whole numbers, 0 <= from < to <= ${size}.`,
        );
      return makeDataset<D>({ ...parts, ...rowsOf({ x, y, sampleWeights }, (values) => rows(values, from, to)) });
    },
    augment: (...given: readonly unknown[]): D => callAugment(set, given),
  }) as unknown as D;
  return set;
}

export function checkSet(what: string, data: AnyDataSet): void {
  const parts = [data?.x, data?.y].flatMap((nested) => partsOf(nested as Nested<Partial<Values<unknown>> | undefined>));
  if (typeof data?.slice !== 'function' || !parts.every(([, part]) => Array.isArray(part?.shape) && isTyped(part.data)))
    throw new OptionError(`${what}: the data are ${show(data)}. Give a data set, such as datasets.array(x, y).`);
}

/**
 * The data set with its bytes read by another scale, such as that of a model trained elsewhere: `trainer.scale`, or for several tensors
 * `trainer.scales`, by their names (`x.pixels`).
 */
export function rescaled<D extends AnyDataSet>(
  data: D,
  scale: ByteScale | Readonly<Record<string, ByteScale>> | undefined,
  ...extra: never[]
): D {
  checkExtra('rescaled', extra);
  checkSet('rescaled', data);
  if (scale === undefined) return data;
  const { x, y } = data as AnyParts;
  if (!isSeveral(x) && !isSeveral(y))
    return makeDataset<D>({ ...data, scale: checkScale('scale', 'rescaled', true, scale as ByteScale) });
  const to = (whole: string) => (values: Values<StoredNumbers>, name: string | undefined) => {
    const part = partName(whole, name);
    const own = values.scale === undefined ? undefined : (scale as Readonly<Record<string, ByteScale>>)[part];
    return own === undefined ? values : { ...values, scale: checkScale('scale', part, true, own) };
  };
  return makeDataset<D>({ ...data, x: mapParts(x, to('x')), y: mapParts(y, to('y')) });
}

type Parts = Pick<AnyParts, 'x' | 'y' | 'sampleWeights'>;

/** The rows that `of` returns for each array of a set. */
export function rowsOf(
  { x, y, sampleWeights }: Parts,
  of: <A extends StoredNumbers>(values: Values<A>) => Values<A>,
): Parts {
  return { x: mapParts(x, of), y: mapParts(y, of), ...(sampleWeights && { sampleWeights: of(sampleWeights) }) };
}

function rows<A extends StoredNumbers>(v: Values<A>, from: number, to: number): Values<A> {
  const row = sizeOf(v.shape.slice(1));
  return { ...v, shape: [to - from, ...v.shape.slice(1)], data: v.data.subarray(from * row, to * row) as A };
}

/**
 * A data set of your own arrays: `x` (size, ...example) and `y`, class indices (size) or dense targets (size, outputs). With
 * `targets: 'classes'` y may have more axes, (size, T): a label at each place.
 * Each is a nested list, a typed array, or `{ shape, data }`; a bare typed array is split into as many rows as `y` has.
 * u8, u16, u32, i32 and f32 arrays keep their type, integers of 64 bits become i32 or u32, everything else f32. Arrays are copied, so
 * later writes to them do not change the data set.
 * @throws DataError if lengths differ, an array is empty or not finite, a label is out of range, or weights are negative or all 0.
 */
export function arrayDataset(
  x: NestedNumbers | GivenArray | Shaped,
  y: NestedNumbers | GivenArray | Shaped,
  options: ArrayDatasetOptions = {},
  ...extra: never[]
): DataSet {
  const { name } = checkOptions('array', options, SCHEMA, extra);
  const targets = flatten(`${name} y`, y);
  const size = targets.shape[0]!;
  const examples = isTyped(x) ? cut(`${name} x`, x, size) : flatten(`${name} x`, x);
  if (examples.shape[0] !== size)
    throw new DataError(
      `${name}: x has ${examples.shape[0]} examples, but y has ${size}. Give one target for each example.`,
    );
  if (examples.shape.length === 1) examples.shape = [size, 1];
  const checked = { shape: examples.shape, data: stored(`${name} x`, examples.shape, examples.data) };
  const { y: checkedTargets, ...meaning } = toTargets(name, targets, options);
  const sampleWeights = toWeights(name, options.sampleWeights, size);
  const bytesOfY = isBytes(checkedTargets) && meaning.classes === undefined;
  const { scale, targetScale } = options;
  if (isBytes(checked) && scale === undefined) checkBinaryBytes(`${name} x`, checked.data, 'scale');
  if (bytesOfY && targetScale === undefined && scale !== false)
    checkBinaryBytes(`${name} y`, checkedTargets.data, 'targetScale');
  return makeDataset({
    name,
    x: checked,
    y: checkedTargets,
    ...meaning,
    ...(sampleWeights && { sampleWeights }),
    scale: checkScale('scale', name, isBytes(checked) || (bytesOfY && targetScale === undefined), scale),
    ...(targetScale !== undefined && { targetScale: checkScale('targetScale', `y of ${name}`, bytesOfY, targetScale) }),
  });
}

/** Whether values are bytes, which are read by a scale unless they are class indices. */
export function isBytes(values: Partial<Values<unknown>> | undefined): boolean {
  return kindOf(values?.data) === 'Uint8Array';
}

export function toTargets(
  name: string,
  flat: Flat,
  options: ArrayDatasetOptions,
): Pick<DataSet, 'y' | 'classes' | 'note'> {
  const { shape, data, untyped } = flat;
  const single = sizeOf(shape.slice(1)) === 1;
  const whole = areWhole(data);
  const integers = untyped ? whole : !isFloat(data);
  const said = statedKind(name, options);
  const kind = said ?? (shape.length === 1 && integers ? 'classes' : 'values');
  const note = (meaning: string) =>
    said === undefined && single && whole
      ? { note: `${name}: y is interpreted as ${meaning}. Pass targets: 'classes' or targets: 'values' to choose.` }
      : {};
  if (kind === 'classes') {
    const { y, classes } = toLabels(name, flat, options);
    return { y, classes, ...note(`indices of ${classes} classes`) };
  }
  const y = asTargets('values', shape.length === 1 ? [shape[0]!, 1] : shape, stored(`${name} y`, shape, data));
  return { y, classes: undefined, ...note('numbers to regress on') };
}

/** The kind that options state: those of class indices imply it. @throws OptionError if they contradict `targets`. */
function statedKind(name: string, { targets, classes, ignoreIndex }: ArrayDatasetOptions): TargetKind | undefined {
  const [implied] = Object.entries({ classes, ignoreIndex }).filter(([, value]) => value !== undefined);
  if (!implied) return targets;
  if (targets !== 'values') return 'classes';
  const [option, value] = implied;
  throw new OptionError(`${name} y: ${option} is ${value}, but targets is 'values'. Leave out one of the two.`);
}

/** Class indices (size), or (size, ...) where an example has several. */
function toLabels(name: string, flat: Flat, options: ArrayDatasetOptions): { y: DataSet['y']; classes: number } {
  const { ignoreIndex } = options;
  const width = sizeOf(flat.shape.slice(1));
  const labels = labelsFrom(name, flat.data, width, ignoreIndex);
  const most = largestLabel(labels, ignoreIndex);
  if (most < 0)
    throw new DataError(
      `${name} y: every label is ignoreIndex, ${ignoreIndex}, so there is nothing to learn. Check the labels.`,
    );
  if (options.classes === undefined && labels.every((label: number) => label === most || label === ignoreIndex))
    throw new DataError(
      `${name} y: every label is ${most}, and one class leaves nothing to learn. To regress on numbers pass targets: 'values'; else give the number of classes with { classes }.`,
    );
  const classes = options.classes ?? most + 1;
  checkLabels(`${name} y`, labels, classes, { width, ignoreIndex });
  return { y: asTargets('classes', width === 1 ? [flat.shape[0]!] : flat.shape, labels), classes };
}

/** Targets that state their kind, where their type and axes do not tell it. */
function asTargets(targets: TargetKind, shape: readonly number[], data: StoredNumbers): DataSet['y'] {
  const y = { shape, data };
  return kindOfTargets(y) === targets ? y : { ...y, targets };
}

function isFloat(data: NumberArray): boolean {
  return data instanceof Float32Array || data instanceof Float64Array;
}

export function checkScale(option: string, name: string, bytes: boolean, scale: ByteScale | undefined): ByteScale {
  if (scale === undefined) return PLAIN;
  if (scale === false) return false;
  if (!bytes) {
    const what = option === 'scale' ? '' : ' to regress on';
    throw new OptionError(
      `${option}: ${name} holds no bytes${what}, and only these are scaled. Scale the numbers yourself, or give a Uint8Array.`,
    );
  }
  checkOptions(option, scale, SCALE);
  for (const name of ['mean', 'std'] as const) checkValue(option, name, scale[name], SCALE[name] as Kind);
  return scale;
}
