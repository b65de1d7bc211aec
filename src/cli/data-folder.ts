// --data DIR: a folder of data, read as the flags and the network ask, with the library's messages in terms of flags.
import type { DataPair } from '../data/dataset.ts';
import type { ImagesOptions } from '../data/image-options.ts';
import type { Channels } from '../data/raster.ts';
import { DataError, OptionError } from '../graph/errors.ts';
import type { Shape } from '../graph/shape.ts';
import { type FolderKind, kindOfFolder, readDataFolder } from '../node/data-folder.ts';
import { type FolderSets, pairOf } from '../node/idx-folder.ts';
import { setAt } from '../node/idx-names.ts';
import type { Settings } from './options.ts';
import type { Output } from './output.ts';
import type { DataChoice } from './parsers.ts';
import { formatInteger } from './table.ts';
import { arePictures, type Sizes, shapeText } from './trainable.ts';

/** The flags that say how a folder is read. */
export const READING = ['classes', 'transpose', 'size', 'channels', 'skipBad'] as const;
export type Reading = Pick<Settings, (typeof READING)[number]>;

/** What the files of a run say of its data, so that others are prepared alike. */
export interface DataFacts extends Sizes {
  readonly classNames?: readonly string[] | undefined;
}

/** Which data, and how to read it. */
export interface Wanted extends Reading {
  readonly data: DataChoice;
  /** Whether examples are pictures [H, W, C]; else they are rows of numbers where files do not decide. */
  readonly pictures: boolean;
  /** The only sizes that the network takes. */
  readonly sizes?: Sizes | undefined;
  /** The outputs of trained weights: the number of classes, if not given. */
  readonly outputs?: number | undefined;
  /** The data that weights were trained on. */
  readonly facts?: DataFacts | undefined;
}

export interface Surroundings {
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** What each flag applies to. */
const APPLIES: Readonly<Record<keyof Reading, FolderKind>> = {
  classes: 'idx',
  transpose: 'idx',
  size: 'images',
  channels: 'images',
  skipBad: 'images',
};
const HOLDING: Readonly<Record<FolderKind, string>> = {
  idx: 'IDX files',
  cifar: "CIFAR's files",
  images: 'pictures',
};

/** A flag that does not apply to what a folder holds, if it is one, and what it applies to. */
export function loneFlag(wanted: Reading, kind?: FolderKind): { flag: string; holding: string } | undefined {
  for (const name of READING) {
    const value = wanted[name];
    if (value === undefined || value === false) continue;
    const for_ = Array.isArray(value) && name === 'classes' ? 'images' : APPLIES[name];
    const flag = name === 'skipBad' ? '--skip-bad' : `--${name}`;
    if (for_ !== kind) return { flag, holding: HOLDING[for_] };
  }
  return undefined;
}

/** The sets of a folder, or those with one prefix in it: DIR/PREFIX. */
export async function readSets(path: string, wanted: Wanted, { output, signal }: Surroundings): Promise<FolderSets> {
  const { folder, set } = setAt(path) ?? { folder: path, set: undefined };
  const { classes, outputs, transpose, pictures } = wanted;
  const advice: Translation[] = [[/as \{ set: '(.*?)' \}/, `as --data ${folder.replaceAll('$', '$$$$')}/$1`]];
  if (outputs !== undefined && (classes ?? outputs) === outputs)
    advice.push([/Repair the labels, .*\}/, `The network has ${outputs} outputs: use the data it was trained on`]);
  if (wanted.sizes && arePictures(wanted.sizes.inputShape)) {
    const flags = `Add ${preparing(wanted.sizes.inputShape)}`;
    advice.push([/Pass a size for all, .*\}/, flags], [/Pass \{ channels: 3 \} .*\}/, flags]);
  }
  return inFlags(async () => {
    const kind = await kindOfFolder(folder, set);
    const lone = loneFlag(wanted, kind);
    if (lone)
      throw new OptionError(
        `${lone.flag}: applies only to a folder of ${lone.holding}, but ${folder} holds ${HOLDING[kind]}. Leave ${lone.flag} out${lone.flag === '--classes' && kind === 'images' ? ', or name the folders to read: --classes cat,dog' : ''}.`,
      );
    const count = typeof classes === 'number' ? classes : outputs;
    const found = await readDataFolder(folder, {
      idx: { set, transpose, classes: count, images: pictures },
      images: { ...imagesOptions(wanted), signal, onProgress: readingStatus(output) },
    });
    output.progress.stop();
    return found;
  }, advice);
}

/** How pictures are read: as flags say, else as those that the weights were trained on. */
function imagesOptions({ classes, size, channels, skipBad, facts }: Wanted): ImagesOptions {
  const [H, W, C] = facts && arePictures(facts.inputShape) ? facts.inputShape : [];
  return {
    size: size ?? (H === undefined ? undefined : [H, W!]),
    channels: channels ?? (C as Channels | undefined),
    classes: (classes as readonly string[] | undefined) ?? facts?.classNames,
    skipBad: skipBad ?? false,
  };
}

/** The flags that make pictures fit: `--size 28 --channels 1`. */
export function preparing([H, W, C]: Shape): string {
  return `--size ${H === W ? H : shapeText([H!, W!])} --channels ${C}`;
}

function readingStatus({ progress }: Output): (done: number, total: number) => void {
  return (done, total) => progress.status(`Reading pictures: ${formatInteger(done)} of ${formatInteger(total)}`);
}

/** Both sets of a folder. */
export function toPair(
  found: FolderSets,
  { data: choice }: Wanted,
): Promise<DataPair & { choice: DataChoice; skipped?: readonly string[] | undefined }> {
  return inFlags(() => ({ ...pairOf(found), choice, skipped: found.skipped }));
}

type Translation = readonly [from: RegExp, to: string];

/** The library's options as flags. */
const FLAGS: readonly Translation[] = [
  [/with \{ classes \}/, 'with --classes'],
  [/with \{ classes: (\d+) \}/, 'with --classes $1'],
  [/with \{ transpose: true \}/, 'with --transpose'],
  [/Leave transpose out/, 'Leave --transpose out'],
  [/Leave images out/, 'Use a network of rows of numbers, such as --preset mlp'],
  [/or pass \{ skipBad: true \} to/, 'or add --skip-bad to'],
  [/Pass a size for all, such as \{ size: (\d+) \}/, 'Add a size for all, such as --size $1'],
  [/Pass \{ channels: 3 \} or \{ channels: 1 \}/, 'Add --channels 3 or --channels 1'],
  [/Pass a smaller size, or a limit/, 'Add a smaller --size'],
  [/, or pass targets: [^.]*/, ''],
  [/missing\. Put (them|it) there/, 'missing. Put $1 there; thalweg eval needs none'],
];

/** A message of the library in terms of flags. */
export function asFlags(text: string, more: readonly Translation[] = []): string {
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
