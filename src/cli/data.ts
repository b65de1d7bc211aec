// --data: auto, mnist, digits or a folder of IDX files, of CIFAR's files or of pictures, and one line about the data loaded.
import { augment } from '../data/augment.ts';
import type { AugmentOptions } from '../data/augmentation.ts';
import { arrayDataset, type DataPair, type DataSet } from '../data/dataset.ts';
import { digits, MNIST_SCALE } from '../data/digits.ts';
import { Random } from '../data/random.ts';
import { DataError, OptionError } from '../graph/errors.ts';
import { sizeOf } from '../graph/shape.ts';
import { mnist, mnistIfQuick } from '../node/mnist.ts';
import { asFlags, loneFlag, preparing, readSets, type Surroundings, toPair, type Wanted } from './data-folder.ts';
import type { Output } from './output.ts';
import type { DataChoice } from './parsers.ts';
import { formatBytes, formatInteger } from './table.ts';
import { arePictures, type Sizes, shapeText, sizesOf, type Trainable } from './trainable.ts';

/** Data, and the choice that loads it again. */
export interface LoadedData extends DataPair {
  readonly choice: DataChoice;
  /** Files of pictures that were left out, each with the reason. */
  readonly skipped?: readonly string[] | undefined;
}

/** Starts loading; pass the result to {@link loadData}, which reports on it. */
export function beginLoading(wanted: Wanted, surroundings: Surroundings): Promise<LoadedData> {
  const begun = load(wanted, surroundings);
  begun.catch(() => {});
  return begun;
}

/** Training and test examples; progress and their source are reported on standard error. */
export async function loadData(
  wanted: Wanted,
  surroundings: Surroundings,
  begun = load(wanted, surroundings),
): Promise<LoadedData> {
  const loaded = await begun;
  const { train, test, source, skipped } = loaded;
  const { output } = surroundings;
  tell(output, `${source} ${formatInteger(train.size)} training and ${formatInteger(test.size)} test examples.`, train);
  tellSkipped(output, skipped);
  return loaded;
}

/** Test examples only; a folder may hold them without training examples. */
export async function loadTest(wanted: Wanted, surroundings: Surroundings): Promise<DataSet> {
  const { output } = surroundings;
  if (wanted.data.kind !== 'folder') return (await loadData(wanted, surroundings)).test;
  const found = await readSets(wanted.data.path, wanted, surroundings);
  if (found.train) return (await loadData(wanted, surroundings, toPair(found, wanted))).test;
  const test = found.test!;
  tell(output, `${found.source}. ${formatInteger(test.size)} test examples.`, test);
  tellSkipped(output, found.skipped);
  return test;
}

function tell(output: Output, text: string, { note }: DataSet): void {
  output.log(`Data: ${text}`);
  if (note !== undefined) output.log(`Data: ${asFlags(note)}`);
}

/** Files named one by one; of more, the rest is counted. */
const MOST_NAMED = 20;

function tellSkipped(output: Output, skipped: readonly string[] = []): void {
  for (const file of skipped.slice(0, MOST_NAMED)) output.warn(`left out: ${file}`);
  const more = skipped.length - MOST_NAMED;
  if (more > 0) output.warn(`left out: ${formatInteger(more)} more files.`);
}

async function load(wanted: Wanted, surroundings: Surroundings): Promise<LoadedData> {
  const { output, signal } = surroundings;
  const onProgress = downloadLog(output);
  const { data: choice, pictures: images } = wanted;
  if (choice.kind === 'folder') return toPair(await readSets(choice.path, wanted, surroundings), wanted);
  const lone = loneFlag(wanted);
  if (lone)
    throw new OptionError(
      `${lone.flag}: applies only to a folder of ${lone.holding}. Add --data DIR, or leave ${lone.flag} out.`,
    );
  if (choice.kind === 'mnist') return { ...(await mnist({ signal, onProgress, images })), choice };
  if (choice.kind === 'digits') return { ...(await digits({ signal, images })), choice };
  const { data } = await mnistIfQuick({ signal, onProgress, images });
  if (data) return { ...data, choice: { kind: 'mnist' } };
  const made = await digits({ signal, images });
  const why = 'MNIST is not cached and could not be downloaded within seconds; --data mnist says why';
  return { ...made, source: `${made.source.replace(/\.$/, '')}: ${why}.`, choice: { kind: 'digits' } };
}

/** Prints a line at each quarter of a download. */
function downloadLog(output: Output): (done: number, total: number) => void {
  let quarter = -1;
  return (done, total) => {
    const now = Math.floor((4 * done) / total);
    if (now === quarter) return;
    quarter = now;
    output.log(`Downloading MNIST: ${formatBytes(done)} of ${formatBytes(total)}`);
  };
}

/** Training examples whose pictures are augmented. @throws OptionError if the network is given rows of numbers */
export function augmented(train: DataSet, options: AugmentOptions, { name }: Pick<Trainable, 'name'>): DataSet {
  if (arePictures(train.x.shape.slice(1))) return augment(train, options);
  throw new OptionError(
    `--augment: ${name} is given rows of numbers and not pictures. Use a folder of pictures, or a network that sees.`,
  );
}

/** Refuses examples that do not match a network. */
export function checkFits(
  data: DataSet,
  { name, sizes, network }: Pick<Trainable, 'name' | 'sizes' | 'network'>,
): void {
  if (!sizes) return;
  const got = sizesOf(data);
  const { inputShape } = sizes;
  const fits = network
    ? sizeOf(got.inputShape) === sizeOf(inputShape)
    : shapeText(got.inputShape) === shapeText(inputShape);
  if (!fits && network)
    throw new DataError(
      `${data.name}: its images have ${sizeOf(got.inputShape)} pixels, but the first layer of ${name} takes ${productText(inputShape)}. Use images of that size.`,
    );
  if (!fits)
    throw new DataError(
      `${data.name}: its examples are ${shapeText(got.inputShape)}, but ${name} takes ${shapeText(inputShape)}. ${fitAdvice(inputShape)}`,
    );
  if (got.classes !== sizes.classes)
    throw new DataError(
      `${data.name}: its labels have ${got.classes} classes, but the last layer of ${name} has ${sizes.classes} outputs. Use the data it was trained on.`,
    );
}

function productText(shape: readonly number[]): string {
  return shape.length > 1 ? `${shapeText(shape)} = ${sizeOf(shape)}` : `${sizeOf(shape)}`;
}

function fitAdvice(shape: readonly number[]): string {
  return arePictures(shape)
    ? `Use pictures of that size; those of a folder are made to fit with ${preparing(shape)}.`
    : 'Use examples of that shape.';
}

/** A few generated examples: the default data for gradient checks. */
export async function fewExamples(rows: number, { inputShape, classes }: Sizes): Promise<DataPair> {
  const made = await digits({ train: rows, test: rows, images: arePictures(inputShape) });
  const sizes = sizesOf(made.train);
  if (sizes.classes === classes && shapeText(sizes.inputShape) === shapeText(inputShape)) return made;
  const random = new Random(0);
  const draw = (n: number, below: number) => Uint8Array.from({ length: n }, () => random.below(below));
  const x = { shape: [rows, ...inputShape], data: draw(rows * sizeOf(inputShape), 256) };
  const options = { name: 'random', classes: Math.max(2, classes), scale: MNIST_SCALE };
  const train = arrayDataset(x, draw(rows, Math.min(256, classes)), options);
  return { train, test: train, source: 'Random images.' };
}
