// What --out writes: config.json, metrics.jsonl, checkpoint.safetensors, weights.safetensors, loss.svg and accuracy.svg. Each
// file is whole or absent, and the folder is proved writable before anything is trained.
import { existsSync } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OptionError } from '../graph/errors.ts';
import { appendLines, fileError, type LineWriter, prepareFolder, writeAtomic } from '../node/files.ts';
import type { Trainer } from '../train/trainer.ts';
import { accuracyPlot, lossPlot, type PlotPoint } from './plot.ts';

/** The files of a run. */
export const FILES = {
  config: 'config.json',
  metrics: 'metrics.jsonl',
  checkpoint: 'checkpoint.safetensors',
  weights: 'weights.safetensors',
  loss: 'loss.svg',
  accuracy: 'accuracy.svg',
} as const;

/** The curves of a run, as they are drawn. */
interface Curves {
  readonly loss: PlotPoint[];
  readonly accuracy: PlotPoint[];
  readonly testLoss: PlotPoint[];
  readonly testAccuracy: PlotPoint[];
}

/** A checkpoint that a run goes on from. */
export interface Resumed {
  readonly file: string;
  readonly bytes: Uint8Array;
  /** The run's folder, where a folder was named. */
  readonly folder: string | undefined;
}

/** Reads what --resume names: a run's folder or a checkpoint. @throws FileError */
export async function readResumed(path: string): Promise<Resumed> {
  const folder = await isFolder(path);
  const file = folder ? join(path, FILES.checkpoint) : path;
  return { file, bytes: await readBytes(file), folder: folder ? path : undefined };
}

/** What decides a run's bits beside its settings. */
export interface RanOn {
  readonly adapter: string;
  /** The digest of its tuning; undefined where the default kernels were used. */
  readonly tuning: string | undefined;
}

/** What the config.json beside a run's checkpoint says it ran on; undefined where there is none to read. */
export async function ranOnBeside(checkpoint: string): Promise<RanOn | undefined> {
  try {
    const config: unknown = JSON.parse(await readFile(join(dirname(checkpoint), FILES.config), 'utf8'));
    const { adapterName: adapter, tuning } = config as { adapterName?: unknown; tuning?: { digest?: unknown } | null };
    return typeof adapter === 'string' ? { adapter, tuning: tuning ? String(tuning.digest) : undefined } : undefined;
  } catch {
    return undefined;
  }
}

export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

export async function readBytes(file: string): Promise<Uint8Array> {
  return readFile(file).catch((error) => {
    throw fileError('read', file, error);
  });
}

/** A folder that a run writes to. */
export class RunFolder {
  /** As it was named. */
  readonly path: string;
  readonly #folder: string;
  readonly #preset: string;
  readonly #curves: Curves = { loss: [], accuracy: [], testLoss: [], testAccuracy: [] };
  #metrics: LineWriter | undefined;
  #saved = false;

  private constructor(path: string, folder: string, preset: string) {
    this.path = path;
    this.#folder = folder;
    this.#preset = preset;
  }

  /**
   * Makes the folder and proves that it can be written to. One that holds another run's checkpoint is refused unless
   * `overwrite` is true or `resuming`, the folder that is gone on with, is this one.
   * @throws FileError, OptionError
   */
  static async open(
    path: string,
    { preset, overwrite, resuming }: { preset: string; overwrite: boolean; resuming?: string },
  ): Promise<RunFolder> {
    const folder = await prepareFolder(path);
    const run = new RunFolder(path, folder, preset);
    if (resuming !== undefined && folder === (await prepareFolder(resuming))) return run;
    if (!overwrite && existsSync(run.#file('checkpoint'))) {
      throw new OptionError(
        `--out: ${path} holds a run already (${FILES.checkpoint}). Choose another folder, go on with it by --resume ${path}, or replace it by --overwrite.`,
      );
    }
    return run;
  }

  #file(which: keyof typeof FILES): string {
    return join(this.#folder, FILES[which]);
  }

  /** Begins: old files go, config.json is written, and what `from` has up to `step` is where the curves begin. */
  async begin(config: Readonly<Record<string, unknown>>, from?: { folder: string; step: number }): Promise<void> {
    const kept = from ? await linesUpTo(join(from.folder, FILES.metrics), from.step) : [];
    if (!from) await Promise.all(Object.values(FILES).map((name) => rm(join(this.#folder, name), { force: true })));
    await this.describe(config);
    await writeAtomic(this.#file('metrics'), kept.map((line) => `${line}\n`).join(''));
    for (const line of kept) this.#draw(JSON.parse(line));
    this.#metrics = await appendLines(this.#file('metrics'), { keep: true });
  }

  /** Writes config.json, again as often as there is more to say in it. */
  async describe(config: Readonly<Record<string, unknown>>): Promise<void> {
    await writeAtomic(this.#file('config'), `${JSON.stringify(config, undefined, 2)}\n`);
  }

  /** Whether a checkpoint was written. */
  get saved(): boolean {
    return this.#saved;
  }

  /** Adds an event's line to metrics.jsonl. */
  line(line: string, event: Readonly<Record<string, unknown>>): void {
    this.#metrics?.write(line);
    this.#draw(event);
  }

  #draw(event: Readonly<Record<string, unknown>>): void {
    const { loss, accuracy, testLoss, testAccuracy } = this.#curves;
    const [onLoss, onAccuracy] =
      event['type'] === 'step' ? [loss, accuracy] : event['type'] === 'epoch' ? [testLoss, testAccuracy] : [];
    const step = Number(event['step']);
    if (onLoss && event['loss'] !== undefined) onLoss.push([step, Number(event['loss'])]);
    if (onAccuracy && event['accuracy'] !== undefined) onAccuracy.push([step, Number(event['accuracy'])]);
  }

  /** Writes the whole State. */
  async checkpoint(trainer: Trainer, configuration: unknown): Promise<void> {
    await writeAtomic(this.#file('checkpoint'), await trainer.save(configuration));
    this.#saved = true;
  }

  /** Writes State, weights and pictures as they are now. */
  async finish(trainer: Trainer, configuration: unknown, caption: string): Promise<void> {
    await this.checkpoint(trainer, configuration);
    await writeAtomic(this.#file('weights'), await trainer.saveWeights({ preset: this.#preset }));
    const { loss, accuracy, testLoss, testAccuracy } = this.#curves;
    await writeAtomic(this.#file('loss'), lossPlot({ train: loss, validation: testLoss, caption }));
    if (accuracy.length + testAccuracy.length > 0)
      await writeAtomic(this.#file('accuracy'), accuracyPlot({ train: accuracy, validation: testAccuracy, caption }));
  }

  /** Puts metrics.jsonl on the disk. A second call does nothing. */
  close(): void {
    this.#metrics?.close();
  }
}

/** The lines of a metrics.jsonl whose step was made by then; none where there is no such file. */
async function linesUpTo(path: string, step: number): Promise<string[]> {
  if (!existsSync(path)) return [];
  const text = await readFile(path, 'utf8').catch((error) => {
    throw fileError('read', path, error);
  });
  return text.split('\n').filter((line) => {
    try {
      return JSON.parse(line).step <= step;
    } catch {
      return false; // half a line, left by a crash
    }
  });
}
