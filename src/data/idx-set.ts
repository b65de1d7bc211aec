// Images and labels of IDX files as data sets: bytes stay bytes, other numbers become floats, and integer labels of any type become
// class indices. Training and test set are read together, since the number of classes follows from the labels of both.
import { DataError } from '../graph/errors.ts';
import { sizeOf } from '../graph/shape.ts';
import { type DataSet, makeDataset, type Scale, type Values } from './dataset.ts';
import { isU8, type NamedIdx, numberIn, offsetIn } from './idx.ts';
import { checkLabels } from './stored.ts';

/** How the files are read. */
export interface IdxMeaning {
  readonly name: string;
  /** The number of classes. Default: the largest label + 1, at least 2. */
  readonly classes?: number | undefined;
  /** What labels are. Default `classes`, for which the file must hold integers unless `classes` is given explicitly. */
  readonly targets?: 'classes' | 'values' | undefined;
  /** Each image is stored transposed. */
  readonly transpose?: boolean | undefined;
  /** Whether examples keep the axes of images, [H, W, C]. Default false: they are flat. */
  readonly images?: boolean | undefined;
  /** The scale of bytes. */
  readonly scale: Scale;
}

/** The two files of a set. */
export interface IdxFiles {
  /** (n, ...picture) */
  readonly images: NamedIdx;
  /** (n); QMNIST's are (n, 8), with the class first. */
  readonly labels: NamedIdx;
}

/**
 * The sets of one source as data sets: x (n, pixels), or (n, H, W, C) with `images`; y (n) class indices or (n, outputs) values.
 * @throws DataError if files are swapped, counts or image sizes differ, or a number is not finite or not a class index.
 */
export function idxSets(sets: readonly IdxFiles[], meaning: IdxMeaning): DataSet[] {
  for (const set of sets) checkFiles(set, meaning);
  const [first, ...others] = sets.map(({ images }) => images);
  const sizes = (array: NamedIdx) => array.shape.slice(1).join(' x ');
  for (const images of others)
    if (sizes(images) !== sizes(first!))
      throw new DataError(
        `${images.file}: offset 8: expected images of ${sizes(first!)} as in ${first!.file}, got ${sizes(images)}. Take both files from one set.`,
      );
  const { name, scale, targets } = meaning;
  const { all, ...about } = targets === 'values' ? valuesOf(sets) : indicesOf(sets, meaning);
  return sets.map(({ images }, k) => {
    const x = picturesOf(images, meaning.transpose ?? false);
    const shape = [images.shape[0]!, ...exampleOf(images, meaning)];
    return makeDataset({ name, x: { shape, data: x }, y: all[k]!, ...about, scale });
  });
}

/** The images of a file alone, (n, H, W, C). @throws DataError if it holds none, or a number that is not finite */
export function idxImages(images: NamedIdx, transpose: boolean): Values<Uint8Array | Float32Array> {
  const [size, ...axes] = images.shape;
  if (axes.length < 2 || axes.length > 3)
    throw new DataError(
      `${images.file}: offset 3: expected images with 3 or 4 axes, got ${images.shape.join(' x ')}. Give a file of images.`,
    );
  const shape = [size!, ...exampleOf(images, { images: true, transpose })];
  return { shape, data: picturesOf(images, transpose) };
}

/** The shape of an example. */
function exampleOf({ shape }: NamedIdx, { images, transpose }: Pick<IdxMeaning, 'images' | 'transpose'>): number[] {
  const [H = 1, W = 1, C = 1] = shape.slice(1);
  if (!images) return [H * W * C];
  return transpose ? [W, H, C] : [H, W, C];
}

function checkFiles({ images, labels }: IdxFiles, meaning: IdxMeaning): void {
  const { targets, transpose } = meaning;
  const axes = images.shape.length;
  if (axes === 1)
    throw new DataError(
      `${images.file}: offset 3: expected images with 2 to 4 axes, got 1 axis of ${images.shape[0]}: these are labels. Check the files' names.`,
    );
  const option = transpose ? 'transpose' : meaning.images ? 'images' : undefined;
  if (option && axes === 2)
    throw new DataError(
      `${images.file}: offset 3: expected images with 3 or 4 axes${transpose ? ' to transpose' : ''}, got ${images.shape.join(' x ')}. Leave ${option} out.`,
    );
  const [size, width = 1] = labels.shape;
  if (targets !== 'values') {
    const got = `${labels.file}: offset 3: expected labels with 1 axis, got ${labels.shape.join(' x ')}`;
    if (labels.shape.length > 2) throw new DataError(`${got}: these are images. Check the files' names.`);
    if (width !== 1 && !isQmnist(labels))
      throw new DataError(
        `${got}. Give one class index per example (or QMNIST's eight 32-bit integers), or pass targets: 'values'.`,
      );
  }
  if (size !== images.shape[0])
    throw new DataError(
      `${labels.file}: offset 4: expected ${images.shape[0]} labels for the images of ${images.file}, got ${size}. Take both files from one set.`,
    );
}

/** Labels (n, 8) of 32-bit integers: the class, then who wrote the digit, when and where. */
function isQmnist({ shape, type }: NamedIdx): boolean {
  return shape.length === 2 && shape[1] === 8 && type.bytes === 4 && !type.float;
}

/** The numbers as f32. @throws DataError if one is not finite in f32. */
function floatsOf(array: NamedIdx): Float32Array {
  const at = numberIn(array);
  const floats = new Float32Array(sizeOf(array.shape));
  for (let i = 0; i < floats.length; i++) {
    floats[i] = at(i);
    if (Number.isFinite(floats[i])) continue;
    const example = Math.floor(i / sizeOf(array.shape.slice(1)));
    throw new DataError(
      `${array.file}: offset ${offsetIn(array, i)}: ${at(i)} in example ${example} is not a finite f32. Remove or replace it.`,
    );
  }
  return floats;
}

function picturesOf(images: NamedIdx, transpose: boolean): Uint8Array | Float32Array {
  const data = isU8(images) ? images.data : floatsOf(images);
  if (!transpose) return data;
  const [N, H, W, C = 1] = images.shape as [number, number, number, number?];
  const turned = isU8(images) ? new Uint8Array(data.length) : new Float32Array(data.length);
  let to = 0;
  for (let n = 0; n < N; n++)
    for (let w = 0; w < W; w++)
      for (let h = 0; h < H; h++) for (let c = 0; c < C; c++) turned[to++] = data[((n * H + h) * W + w) * C + c]!;
  return turned;
}

interface Targets {
  /** The labels of each set. */
  readonly all: readonly Values<Uint8Array | Uint32Array | Float32Array>[];
  readonly classes: number | undefined;
  readonly note?: string;
}

function valuesOf(sets: readonly IdxFiles[]): Targets {
  const all = sets.map(({ labels }) => {
    const [size, ...row] = labels.shape;
    return { shape: [size!, sizeOf(row)], data: floatsOf(labels) };
  });
  return { all, classes: undefined };
}

/** Labels that imply more classes than this, and more than there are examples, are damaged. */
const FEW_CLASSES = 256;

function indicesOf(sets: readonly IdxFiles[], meaning: IdxMeaning): Targets {
  const { name, classes: given, targets, transpose } = meaning;
  const files = sets.map(({ labels }) => labels);
  const labels = files.map((file) => labelsOf(file, targets));
  const seen = new Set<number>();
  for (const part of labels) for (const label of part) seen.add(label);
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const label of seen) [least, most] = [Math.min(least, label), Math.max(most, label)];
  const classes = given ?? Math.max(2, most + 1);
  // EMNIST's letters are 1 to 26.
  const first = given !== undefined && most === given && least > 0 ? 1 : 0;
  const examples = labels.reduce((sum, { length }) => sum + length, 0);
  const limit = given === undefined ? Math.max(FEW_CLASSES, examples) : given + first;
  for (const [k, file] of files.entries())
    checkLabels(file.file, labels[k]!, limit, { offsetOf: (i) => labelOffset(file, i) });
  const notes: string[] = files.some(isQmnist) ? ["the first of a label's eight numbers is the class"] : [];
  const absent = classes - seen.size;
  if (first > 0) notes.push(`labels 1 to ${classes} are read as classes 0 to ${classes - 1}`);
  else if (given === undefined && least === 1 && absent === 1)
    notes.push(
      `labels begin at 1, so class 0 of ${classes} has no examples; with { classes: ${most} } they are shifted to begin at 0`,
    );
  else if (given === undefined && absent > 0) notes.push(`${absent} of ${classes} classes have no examples`);
  if (!transpose && /^emnist\b/i.test(name))
    notes.push("EMNIST's images are stored transposed; with { transpose: true } they are upright");
  return {
    all: labels.map((data) => ({ shape: [data.length], data: first > 0 ? data.map((label) => label - first) : data })),
    classes,
    ...(notes.length > 0 && { note: `${name}: ${notes.join('; ')}.` }),
  };
}

function labelOffset(file: NamedIdx, example: number): number {
  return offsetIn(file, example * (file.shape[1] ?? 1));
}

/** The labels as whole numbers from 0; bytes unchanged. */
function labelsOf(file: NamedIdx, targets: IdxMeaning['targets']): Uint8Array | Uint32Array {
  const { shape, type, data } = file;
  if (type.float && targets === undefined)
    throw new DataError(
      `${file.file}: offset 2: expected integers as labels, got ${type.name}. Convert them to integers, or pass targets: 'classes', or 'values' to regress on them.`,
    );
  const [size, width = 1] = shape;
  if (isU8(file)) return data;
  const at = numberIn(file);
  const labels = new Uint32Array(size!);
  for (let i = 0; i < labels.length; i++) {
    const label = at(i * width);
    if (!(Number.isInteger(label) && label >= 0 && label <= 0xffffffff))
      throw new DataError(
        `${file.file}: label of example ${i} (offset ${labelOffset(file, i)}): expected a whole number from 0, got ${label}. Repair the labels.`,
      );
    labels[i] = label;
  }
  return labels;
}
