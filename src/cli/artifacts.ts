// What --out writes: config.json, metrics.jsonl, checkpoint.safetensors, weights.safetensors, loss.svg and accuracy.svg. Each
// file is whole or absent, and the folder is proved writable before anything is trained.
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

/** The curves of a run, as they are drawn. */
interface Curves {
  readonly loss: PlotPoint[];
  readonly accuracy: PlotPoint[];
  readonly testLoss: PlotPoint[];
  readonly testAccuracy: PlotPoint[];
}

const noCurves = (): Curves => ({ loss: [], accuracy: [], testLoss: [], testAccuracy: [] });

interface RunFolderOptions {
  readonly preset: string;
  readonly overwrite: boolean;
  readonly resuming?: string | undefined;
  /** Called where it takes some seconds to see whether another process writes there. */
  onWait?(text: string): void;
  /** Ends that wait. */
  readonly signal?: AbortSignal;
}

/** A folder that a run writes to. */
export class RunFolder {
  /** As it was named. */
  readonly path: string;
  /** It is the folder of the run to resume. */
  readonly resumed: boolean;
  readonly #folder: string;
  readonly #preset: string;
  #curves = noCurves();
  #saved = false;
  readonly #unlock: () => void;
  #metrics: LineWriter | undefined;
  /** A checkpoint, and the step whose line must be in metrics.jsonl before it is written. */
  #due: { readonly step: number; readonly bytes: Uint8Array } | undefined;

  private constructor(path: string, folder: string, preset: string, resumed: boolean, unlock: () => void) {
    this.path = path;
    this.resumed = resumed;
    this.#folder = folder;
    this.#preset = preset;
    this.#unlock = unlock;
  }

  /**
   * Makes the folder, proves that it can be written to and locks it until {@link close}. One that holds another run's
   * checkpoint is refused unless `overwrite` is true or `resuming`, the folder of the run to resume, is this one.
   * @throws FileError, OptionError
   */
  static async open(
    path: string,
    { preset, overwrite, resuming, onWait, signal }: RunFolderOptions,
  ): Promise<RunFolder> {
    const folder = await prepareFolder(path);
    for (const name of Object.values(FILES)) {
      const file = join(path, name);
      const found = statSync(file, { throwIfNoEntry: false });
      if (found) refuseIrregular('write', file, found);
    }
    const unlock = await lockFolder(path, { onWait, signal });
    const resumed = resuming !== undefined && folder === resolve(resuming);
    const run = new RunFolder(path, folder, preset, resumed, unlock);
    if (!resumed && !overwrite && existsSync(run.#file('checkpoint'))) {
      unlock();
      throw new OptionError(
        `--out: ${path} holds a run already (${FILES.checkpoint}). Choose another folder, go on with it by --resume ${path}, or replace it by --overwrite.`,
      );
    }
    removeTemporaries(folder, { alone: true });
    return run;
  }

  #file(which: keyof typeof FILES): string {
    return join(this.#folder, FILES[which]);
  }

  /** Begins, or begins again: old files go, config.json is written, and the curves begin with what `from` has up to `step`. */
  async begin(config: Readonly<Record<string, unknown>>, from?: { folder: string; step: number }): Promise<void> {
    this.#metrics?.close();
    this.#due = undefined;
    const kept = from ? linesUpTo(join(from.folder, FILES.metrics), from.step) : [];
    if (!from) {
      // The checkpoint first: without it, nobody resumes a run of which the rest is gone.
      const { checkpoint, ...others } = FILES;
      for (const name of [checkpoint, ...Object.values(others)]) await rm(join(this.#folder, name), { force: true });
    }
    await this.describe(config);
    await writeAtomic(this.#file('metrics'), kept.map((line) => `${line}\n`).join(''));
    this.#curves = noCurves();
    for (const line of kept) this.#draw(JSON.parse(line));
    this.#metrics = await appendLines(this.#file('metrics'), { keep: true });
  }

  /** Writes config.json, again as often as there is more to say in it. */
  async describe(config: Readonly<Record<string, unknown>>): Promise<void> {
    await writeAtomic(this.#file('config'), `${JSON.stringify(config, undefined, 2)}\n`);
  }

  /** Adds an event's line to metrics.jsonl. */
  line(line: string, event: Readonly<Record<string, unknown>>): void {
    this.#metrics?.write(line);
    this.#draw(event);
  }

  #draw(event: Readonly<Record<string, unknown>>): void {
    const { loss, accuracy, testLoss, testAccuracy } = this.#curves;
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
      onto(validation as Readonly<Record<string, unknown>>, { loss: testLoss, accuracy: testAccuracy });
  }

  /**
   * Takes the whole State as it is now. Steps are made ahead of what was told, so it is written by {@link writeDue} once
   * metrics.jsonl has their lines: a run that is resumed from it lacks none.
   */
  async checkpoint(trainer: Trainer, configuration: unknown): Promise<void> {
    const bytes = await saveCheckpoint(trainer, configuration);
    this.#due = { step: trainer.stepsMade, bytes };
  }

  /** Writes the checkpoint that waits, if the lines up to `step` are all that it needs. */
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

  /** Writes State, pictures and, last, weights as they are now. */
  async finish(trainer: Trainer, configuration: unknown, caption: string): Promise<void> {
    await this.checkpoint(trainer, configuration);
    await this.writeDue(Number.POSITIVE_INFINITY);
    const { loss, accuracy, testLoss, testAccuracy } = this.#curves;
    await writeAtomic(this.#file('loss'), lossPlot({ train: loss, validation: testLoss, caption }));
    if (accuracy.length + testAccuracy.length > 0)
      await writeAtomic(this.#file('accuracy'), accuracyPlot({ train: accuracy, validation: testAccuracy, caption }));
    await writeAtomic(this.#file('weights'), await saveWeights(trainer, { preset: this.#preset }));
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

  /** Puts metrics.jsonl on the disk and gives the folder back. A second call does nothing. */
  close(): void {
    try {
      this.#metrics?.close();
    } finally {
      this.#unlock();
    }
  }
}
