// --data: auto, mnist, digits or a folder of IDX files, and one line that says what it came to.
import type { DataPair } from '../data/dataset.ts';
import { digits } from '../data/digits.ts';
import { DataError } from '../graph/errors.ts';
import { mnist, mnistIfQuick } from '../node/mnist.ts';
import type { Preset } from '../train/presets.ts';
import type { DataChoice } from './options.ts';
import type { Output } from './output.ts';
import { formatBytes, formatInteger } from './table.ts';

/** Data, and what to ask for to get the same again. */
export interface LoadedData extends DataPair {
  readonly choice: DataChoice;
}

interface Surroundings {
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Begins to load: to be given to {@link loadData}, which tells what becomes of it. */
export function beginLoading(choice: DataChoice, surroundings: Surroundings): Promise<LoadedData> {
  const begun = load(choice, surroundings);
  begun.catch(() => {});
  return begun;
}

/** Training and test examples; what takes time is told of on standard error, and so is where they came from. */
export async function loadData(
  choice: DataChoice,
  surroundings: Surroundings,
  begun = load(choice, surroundings),
): Promise<LoadedData> {
  const loaded = await begun;
  const { output } = surroundings;
  const { train, test, source } = loaded;
  output.log(`Data: ${source} ${formatInteger(train.size)} to train on, ${formatInteger(test.size)} to test with.`);
  return loaded;
}

async function load(choice: DataChoice, { output, signal }: Surroundings): Promise<LoadedData> {
  const onProgress = downloadLog(output);
  if (choice.kind === 'folder') return { ...(await mnist({ folder: choice.path, signal })), choice };
  if (choice.kind === 'mnist') return { ...(await mnist({ signal, onProgress })), choice };
  if (choice.kind === 'digits') return { ...(await digits({ signal })), choice };
  const { data } = await mnistIfQuick({ signal, onProgress });
  if (data) return { ...data, choice: { kind: 'mnist' } };
  const made = await digits({ signal });
  const why = 'MNIST is not cached and could not be had within seconds; --data mnist says why';
  return { ...made, source: `${made.source.replace(/\.$/, '')}: ${why}.`, choice: { kind: 'digits' } };
}

/** A line for each quarter of a download. */
function downloadLog(output: Output): (done: number, total: number) => void {
  let quarter = -1;
  return (done, total) => {
    const now = Math.floor((4 * done) / total);
    if (now === quarter) return;
    quarter = now;
    output.log(`Downloading MNIST: ${formatBytes(done)} of ${formatBytes(total)}`);
  };
}

/** Refuses images that the network's first layer cannot take. */
export function checkFits({ train, test }: DataPair, preset: Pick<Preset, 'name' | 'inputShape'>): void {
  const wanted = preset.inputShape.reduce((a, b) => a * b, 1);
  for (const { x, name, size } of [train, test]) {
    const got = x.data.length / size;
    if (got === wanted) continue;
    throw new DataError(
      `${name}: its images have ${got} pixels, and the first layer of ${preset.name} takes ${preset.inputShape.join(' x ')} = ${wanted}. Use images of that size.`,
    );
  }
}

/** A few examples, made at once: what gradients are checked on unless data is named. */
export async function fewDigits(rows: number): Promise<DataPair> {
  return digits({ train: rows, test: rows });
}
