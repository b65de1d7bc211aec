// The output of --out: config.json, metrics.jsonl, checkpoint.safetensors, weights.safetensors, loss.svg and accuracy.svg. Each file is
// complete or absent, and the folder is proved writable before training.
import { existsSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { OptionError } from '../graph/errors.ts';
import { prepareFolder, removeTemporaries, writeAtomic } from '../node/files.ts';
import { lockFolder } from '../node/folder-lock.ts';
import { appendLines, type LineWriter } from '../node/lines.ts';
import { refuseIrregular } from '../node/read-file.ts';
import { saveCheckpoint, saveWeights } from '../train/files.ts';
import { readSafetensors, type StoredTensor } from '../train/safetensors.ts';
import type { Trainer } from '../train/trainer.ts';
import { accuracyPlot, lossPlot, type PlotPoint } from './plot.ts';
import { FILES, linesUpTo, readWeights } from './run-files.ts';

/** The curves of a run, as plotted. */
interface Curves {
  readonly loss: PlotPoint[];
  readonly accuracy: PlotPoint[];
  readonly validationLoss: PlotPoint[];
  readonly validationAccuracy: PlotPoint[];
}

const noCurves = (): Curves => ({ loss: [], accuracy: [], validationLoss: [], validationAccuracy: [] });

interface RunFolderOptions {
  /** What the weights say of their network. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly overwrite: boolean;
  readonly resuming?: string | undefined;
  /** Called if it takes seconds to find out whether another process writes there. */
  onWait?(text: string): void;
  /** Aborts the wait. */
  readonly signal?: AbortSignal;
}

/** The output folder of a run. */
export class RunFolder {
  /** Its path as given. */
  readonly path: string;
  /** Whether it is the folder of the run to resume. */
  readonly resumed: boolean;
  readonly #folder: string;
  readonly #metadata: Readonly<Record<string, string>>;
  #curves = noCurves();
  #saved = false;
  readonly #unlock: () => void;
  #metrics: LineWriter | undefined;
  /** A checkpoint, and the step whose line must be in metrics.jsonl before the checkpoint is written. */
  #due: { readonly step: number; readonly bytes: Uint8Array } | undefined;

  private constructor(
    path: string,
    folder: string,
    metadata: Readonly<Record<string, string>>,
    resumed: boolean,
    unlock: () => void,
  ) {
    this.path = path;
    this.resumed = resumed;
    this.#folder = folder;
    this.#metadata = metadata;
    this.#unlock = unlock;
  }

  /**
   * Creates the folder, proves that it is writable and locks it until {@link close}. One that holds another run's
   * checkpoint is refused unless `overwrite` is true or `resuming`, the folder of the run to resume, is this one.
   * @throws FileError, OptionError
   */
  static async open(
    path: string,
    { metadata, overwrite, resuming, onWait, signal }: RunFolderOptions,
  ): Promise<RunFolder> {
    const folder = await prepareFolder(path);
    for (const name of Object.values(FILES)) {
      const file = join(path, name);
      const found = statSync(file, { throwIfNoEntry: false });
      if (found) refuseIrregular('write', file, found);
    }
    const unlock = await lockFolder(path, { onWait, signal });
    const resumed = resuming !== undefined && folder === resolve(resuming);
    const run = new RunFolder(path, folder, metadata, resumed, unlock);
    if (!resumed && !overwrite && existsSync(run.#file('checkpoint'))) {
      unlock();
      throw new OptionError(
        `--out: ${path} already holds a run (${FILES.checkpoint}). Choose another folder, continue the run with --resume ${path}, or replace it with --overwrite.`,
      );
    }
    removeTemporaries(folder, { alone: true });
    return run;
  }

  #file(which: keyof typeof FILES): string {
    return join(this.#folder, FILES[which]);
  }

  /** Starts or restarts: removes old files, writes config.json, and starts the curves with those of `from` up to `step`. */
  async begin(config: Readonly<Record<string, unknown>>, from?: { folder: string; step: number }): Promise<void> {
    this.#metrics?.close();
    this.#due = undefined;
    const kept = from ? linesUpTo(join(from.folder, FILES.metrics), from.step) : [];
    if (!from) {
      // The checkpoint first: without it, nobody resumes a run whose other files are gone.
      const { checkpoint, ...others } = FILES;
      for (const name of [checkpoint, ...Object.values(others)]) await rm(join(this.#folder, name), { force: true });
    }
    await this.describe(config);
    await writeAtomic(this.#file('metrics'), kept.map((line) => `${line}\n`).join(''));
    this.#curves = noCurves();
    for (const line of kept) this.#draw(JSON.parse(line));
    this.#metrics = await appendLines(this.#file('metrics'), { keep: true });
  }

  /** Writes config.json, again whenever it changes. */
  async describe(config: Readonly<Record<string, unknown>>): Promise<void> {
    await writeAtomic(this.#file('config'), `${JSON.stringify(config, undefined, 2)}\n`);
  }

  /** Adds an event's line to metrics.jsonl. */
  line(line: string, event: Readonly<Record<string, unknown>>): void {
    this.#metrics?.write(line);
    this.#draw(event);
  }

  #draw(event: Readonly<Record<string, unknown>>): void {
    const { loss, accuracy, validationLoss, validationAccuracy } = this.#curves;
    const onto = (
      values: Readonly<Record<string, unknown>>,
      curves: { readonly loss: PlotPoint[]; readonly accuracy: PlotPoint[] },
    ) => {
      const step = Number(event['step']);
      for (const name of ['loss', 'accuracy'] as const)
        if (values[name] !== undefined) curves[name].push([step, Number(values[name])]);
    };
    if (event['type'] === 'step') onto(event, { loss, accuracy });
    const validation = event['type'] === 'epoch' ? event['validation'] : undefined;
    if (typeof validation === 'object' && validation !== null)
      onto(validation as Readonly<Record<string, unknown>>, { loss: validationLoss, accuracy: validationAccuracy });
  }

  /**
   * Captures the current State. Training is ahead of its reported steps, so {@link writeDue} writes it once metrics.jsonl has their lines:
   * a run resumed from it misses none.
   */
  async checkpoint(trainer: Trainer, configuration: unknown): Promise<void> {
    const bytes = await saveCheckpoint(trainer, configuration);
    this.#due = { step: trainer.stepsMade, bytes };
  }

  /** Writes the pending checkpoint, if the lines up to `step` are all it needs. */
  async writeDue(step: number): Promise<void> {
    const due = this.#due;
    if (!due || due.step > step) return;
    this.#due = undefined;
    this.#metrics?.sync();
    await writeAtomic(this.#file('checkpoint'), due.bytes);
    this.#saved = true;
  }

  /** Whether a checkpoint of this run was written. */
  get saved(): boolean {
    return this.#saved;
  }

  /** Writes the current State, the plots and, last, the weights. */
  async finish(trainer: Trainer, configuration: unknown, caption: string): Promise<void> {
    await this.checkpoint(trainer, configuration);
    await this.writeDue(Number.POSITIVE_INFINITY);
    const { loss, accuracy, validationLoss, validationAccuracy } = this.#curves;
    await writeAtomic(this.#file('loss'), lossPlot({ train: loss, validation: validationLoss, caption }));
    if (accuracy.length + validationAccuracy.length > 0)
      await writeAtomic(
        this.#file('accuracy'),
        accuracyPlot({ train: accuracy, validation: validationAccuracy, caption }),
      );
    await writeAtomic(this.#file('weights'), await saveWeights(trainer, this.#metadata));
  }

  /** Whether the weights, which a run writes last, are those of its checkpoint. */
  isFinished(checkpoint: Uint8Array): boolean {
    const file = this.#file('weights');
    const saved = readSafetensors(checkpoint, FILES.checkpoint).tensors;
    try {
      const { tensors } = readSafetensors(readWeights(file), file);
      const bytes = (tensor?: StoredTensor) => Buffer.from(tensor?.data.buffer ?? new ArrayBuffer(0));
      return [...tensors].every(([name, tensor]) => bytes(tensor).equals(bytes(saved.get(name))));
    } catch {
      return false; // not there, or damaged
    }
  }

  /** Flushes metrics.jsonl to disk and unlocks the folder. A second call does nothing. */
  close(): void {
    try {
      this.#metrics?.close();
    } finally {
      this.#unlock();
    }
  }
}
