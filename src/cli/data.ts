// --data: auto, mnist, digits or a folder of IDX files, with --classes and --transpose, and one line about the data loaded.
import { arrayDataset, type DataPair, type DataSet } from '../data/dataset.ts';
import { digits, MNIST_SCALE } from '../data/digits.ts';
import { Random } from '../data/random.ts';
import { DataError, OptionError } from '../graph/errors.ts';
import { type FolderSets, pairOf, readFolder } from '../node/idx-folder.ts';
import { setAt } from '../node/idx-names.ts';
import { mnist, mnistIfQuick } from '../node/mnist.ts';
import type { NetworkDescription } from '../train/network-description.ts';
import type { Preset } from '../train/presets.ts';
import type { Output } from './output.ts';
import type { DataChoice } from './parsers.ts';
import { formatBytes, formatInteger } from './table.ts';

/** Which data, and how to read it. */
export interface Wanted {
  readonly data: DataChoice;
  /** --classes */
  readonly classes?: number | undefined;
  /** --transpose */
  readonly transpose?: boolean | undefined;
  /** The outputs of trained weights: the number of classes, if not given. */
  readonly outputs?: number | undefined;
}

/** Data, and the choice that loads it again. */
export interface LoadedData extends DataPair {
  readonly choice: DataChoice;
}

interface Surroundings {
  readonly output: Output;
  readonly signal: AbortSignal;
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
  const { train, test, source } = loaded;
  tell(
    surroundings.output,
    `${source} ${formatInteger(train.size)} training and ${formatInteger(test.size)} test examples.`,
    train,
  );
  return loaded;
}

/** Test examples only; a folder may hold them without training examples. */
export async function loadTest(wanted: Wanted, surroundings: Surroundings): Promise<DataSet> {
  if (wanted.data.kind !== 'folder') return (await loadData(wanted, surroundings)).test;
  const found = await readSets(wanted.data.path, wanted);
  if (found.train) return (await loadData(wanted, surroundings, toPair(found, wanted))).test;
  const test = found.test!;
  tell(surroundings.output, `${found.source}. ${formatInteger(test.size)} test examples.`, test);
  return test;
}

function tell(output: Output, text: string, { note }: DataSet): void {
  output.log(`Data: ${text}`);
  if (note !== undefined) output.log(`Data: ${asFlags(note)}`);
}

async function load(wanted: Wanted, { output, signal }: Surroundings): Promise<LoadedData> {
  const onProgress = downloadLog(output);
  const { data: choice, classes, transpose } = wanted;
  if (choice.kind === 'folder') return toPair(await readSets(choice.path, wanted), wanted);
  const lone = classes !== undefined ? '--classes' : transpose ? '--transpose' : undefined;
  if (lone)
    throw new OptionError(`${lone}: applies only to a folder of IDX files. Add --data DIR, or leave ${lone} out.`);
  if (choice.kind === 'mnist') return { ...(await mnist({ signal, onProgress })), choice };
  if (choice.kind === 'digits') return { ...(await digits({ signal })), choice };
  const { data } = await mnistIfQuick({ signal, onProgress });
  if (data) return { ...data, choice: { kind: 'mnist' } };
  const made = await digits({ signal });
  const why = 'MNIST is not cached and could not be downloaded within seconds; --data mnist says why';
  return { ...made, source: `${made.source.replace(/\.$/, '')}: ${why}.`, choice: { kind: 'digits' } };
}

/** The sets of a folder, or those with one prefix in it: DIR/PREFIX. */
function readSets(path: string, { classes, outputs, transpose }: Wanted): Promise<FolderSets> {
  const { folder, set } = setAt(path) ?? { folder: path, set: undefined };
  const advice: Translation[] = [[/as \{ set: '(.*?)' \}/, `as --data ${folder.replaceAll('$', '$$$$')}/$1`]];
  if (outputs !== undefined && (classes ?? outputs) === outputs)
    advice.push([/Repair the labels, .*\}/, `The network has ${outputs} outputs: use the data it was trained on`]);
  return inFlags(() => readFolder(folder, { set, transpose, classes: classes ?? outputs }), advice);
}

function toPair(found: FolderSets, { data: choice }: Wanted): Promise<LoadedData> {
  return inFlags(() => ({ ...pairOf(found), choice }));
}

type Translation = readonly [from: RegExp, to: string];

/** The library's options as flags. */
const FLAGS: readonly Translation[] = [
  [/with \{ classes \}/, 'with --classes'],
  [/with \{ classes: (\d+) \}/, 'with --classes $1'],
  [/with \{ transpose: true \}/, 'with --transpose'],
  [/Leave transpose out/, 'Leave --transpose out'],
  [/, or pass targets: [^.]*/, ''],
  [/missing\. Put them there/, 'missing. Put them there; thalweg eval needs none'],
];

function asFlags(text: string, more: readonly Translation[] = []): string {
  return [...more, ...FLAGS].reduce((all, [from, to]) => all.replace(from, to), text);
}

async function inFlags<T>(work: () => T | Promise<T>, more?: readonly Translation[]): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw new DataError(asFlags(error.message, more), { cause: error });
  }
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

/** The sizes of a network for these examples. */
export function sizesOf({ x, size, classes }: DataSet): Pick<NetworkDescription, 'inputs' | 'outputs'> {
  return { inputs: x.data.length / size, outputs: classes! };
}

/** Refuses examples that do not match trained weights. */
export function checkFits(
  data: DataSet,
  { name, inputShape, network: { inputs, outputs } }: Pick<Preset, 'name' | 'inputShape' | 'network'>,
): void {
  const got = sizesOf(data);
  if (got.inputs !== inputs) {
    const wanted = inputShape.length > 1 ? `${inputShape.join(' x ')} = ${inputs}` : `${inputs}`;
    throw new DataError(
      `${data.name}: its images have ${got.inputs} pixels, but the first layer of ${name} takes ${wanted}. Use images of that size.`,
    );
  }
  if (got.outputs !== outputs)
    throw new DataError(
      `${data.name}: its labels have ${got.outputs} classes, but the last layer of ${name} has ${outputs} outputs. Use the data it was trained on.`,
    );
}

/** A few generated examples: the default data for gradient checks. */
export async function fewExamples(rows: number, { inputs, outputs }: NetworkDescription): Promise<DataPair> {
  const made = await digits({ train: rows, test: rows });
  const sizes = sizesOf(made.train);
  if (sizes.inputs === inputs && sizes.outputs === outputs) return made;
  const random = new Random(0);
  const draw = (n: number, below: number) => Uint8Array.from({ length: n }, () => random.below(below));
  const x = { shape: [rows, inputs], data: draw(rows * inputs, 256) };
  const options = { name: 'random', classes: Math.max(2, outputs), scale: MNIST_SCALE };
  const train = arrayDataset(x, draw(rows, Math.min(256, outputs)), options);
  return { train, test: train, source: 'Random images.' };
}
