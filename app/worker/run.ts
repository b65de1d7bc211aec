// One run of one network: it consumes the trainer's events, keeps the record, evaluates on the test images periodically, and updates the
// page at most five times a second. Nothing here depends on the page being visible.
import { rescaled } from '../../src/data/dataset.ts';
import {
  type DataPair,
  DeviceError,
  DivergenceError,
  type FitEvent,
  loadWeights,
  type StepEvent,
  saveCheckpoint,
  type Trainer,
  type TrainingRun,
} from '../../src/index.ts';
import type { Config } from '../config.ts';
import type { RunFacts, RunState, TestPoint, WorkerEvent } from '../protocol.ts';
import { Meter } from './meter.ts';
import { isOutOfMemory, warningNotice } from './notices.ts';
import { RunRecord, type SavedRecord } from './record.ts';
import { WeightPath } from './weight-path.ts';

/** The callbacks of a run. */
export interface RunHooks {
  post(event: WorkerEvent): void;
  now(): number;
  /** A consistent copy of everything, every few seconds and at pauses. */
  onSnapshot(snapshot: RunSnapshot): void;
  /** The run diverged: its weights are those before the first non-finite value, which may already be damaged. */
  onDivergence(error: DivergenceError, run: Run): void;
  /** The run ended by an error other than divergence: a lost device, lack of memory, or a bug. */
  onFailure(error: unknown): void;
}

/** Everything needed to resume: the State as a checkpoint, and the page's record. */
export interface RunSnapshot {
  readonly config: Config;
  readonly step: number;
  readonly bytes: Uint8Array;
  readonly record: SavedRecord;
  readonly elapsedMs: number;
}

/** Milliseconds between progress events. */
const TELL_EVERY = 200;
/** Milliseconds of training between evaluations within an epoch, the first one sooner. */
const [FIRST_LOOK, LOOK_EVERY] = [1500, 4000];
/** The maximum ratio of a loss to the first one. */
const SOUND_RATIO = 3;
/** Milliseconds of training between snapshots, the first one sooner. */
const [FIRST_SNAPSHOT, SNAPSHOT_EVERY] = [1000, 5000];

/** A loss that is finite and not far above the first one. */
export function isSound(loss: number, first: number): boolean {
  return Number.isFinite(loss) && loss <= SOUND_RATIO * first;
}

/** Clears the trainer's history, which would grow during the run; the page's record replaces it. */
function forget({ history: { steps } }: Trainer): void {
  for (const list of [steps.step, steps.loss, steps.accuracy]) list.length = 0;
}

function scaledAs({ scale }: Trainer, data: DataPair): DataPair {
  return { ...data, train: rescaled(data.train, scale), test: rescaled(data.test, scale) };
}

export class Run {
  readonly trainer: Trainer;
  /** Its pictures, with the scale of the weights if they came from a file. */
  data: DataPair;
  readonly record: RunRecord;
  readonly path: WeightPath;
  readonly #hooks: RunHooks;
  #config: Config;
  #loaded = false;
  #disposed = false;
  /** A rate set by hand in this run. */
  #rate: number | undefined;
  /** Whether its State cannot be copied for lack of memory. */
  #uncopied = false;
  readonly #meter: Meter;
  #state: RunState = 'idle';
  /** Whether the user's last request is to train: a pause takes effect after the steps in flight. */
  #wanted = false;
  #training: TrainingRun | undefined;
  #loop: Promise<void> | undefined;
  #abort = new AbortController();
  #told = Number.NEGATIVE_INFINITY;
  #lookAt = FIRST_LOOK;
  #snapshotAt = FIRST_SNAPSHOT;
  /** A saved State with steps still in flight, whose losses are not known yet. */
  #unfinished: { bytes: Uint8Array; step: number; elapsedMs: number } | undefined;
  #fresh = true;

  constructor(parts: {
    config: Config;
    trainer: Trainer;
    data: DataPair;
    hooks: RunHooks;
    from?: RunSnapshot;
    state?: RunState;
  }) {
    const { config, trainer, data, hooks, from } = parts;
    this.#config = config;
    this.#loaded = from !== undefined;
    this.trainer = trainer;
    this.data = scaledAs(trainer, data);
    this.#hooks = hooks;
    this.record = new RunRecord(from?.record, from?.step);
    this.path = new WeightPath(trainer);
    this.#meter = new Meter(hooks.now, from?.elapsedMs ?? 0);
    this.#lookAt += this.#meter.elapsedMs;
    this.#snapshotAt += this.#meter.elapsedMs;
    this.#state = parts.state ?? (from ? 'paused' : 'idle');
  }

  /** Its settings, with the current learning rate. */
  get config(): Config {
    return this.#config;
  }

  get state(): RunState {
    return this.#state;
  }

  /** Whether its loss is not far above the first one: only such a State is worth restoring. */
  get sound(): boolean {
    return this.record.length === 0 || isSound(this.record.lastLoss, this.record.firstLoss);
  }

  /** Whether steps are being made, or are about to. */
  get going(): boolean {
    return this.#state === 'running' || this.#state === 'compiling';
  }

  /** Whether it should continue; false if it is about to pause. */
  get wanted(): boolean {
    return this.going && this.#wanted;
  }

  /** Sets the rate from the next submit on, after saving the State, to restore it if the rate is too large. */
  async setLearningRate(rate: number): Promise<void> {
    await this.snapshot();
    this.#setRate(rate);
    if (!this.going) await this.snapshot();
    this.tell();
  }

  /** Keeps the rate set by hand in the run that it replaces. */
  keepRate(before: Run): void {
    if (before.#rate !== undefined) this.#setRate(before.#rate);
  }

  #setRate(rate: number): void {
    this.trainer.learningRate = rate;
    this.#rate = rate;
    this.#config = { ...this.#config, lr: rate };
  }

  /** Loads weights from a file. */
  async loadWeights(bytes: Uint8Array, name: string): Promise<void> {
    await loadWeights(this.trainer, bytes, name);
    this.data = scaledAs(this.trainer, this.data);
    this.#loaded = true;
  }

  /** Starts or continues; cancels a pending pause. */
  start(): void {
    if (this.#state === 'done') return;
    this.#wanted = true;
    this.#training?.resume();
    if (!this.going) this.#enter();
  }

  /** One step, and a pause. */
  async step(): Promise<void> {
    if (this.#state === 'done') return;
    this.#wanted = false;
    this.#enter();
    const made = await this.#training!.step().catch(() => undefined); // the loop reports failures
    await this.#settle(made?.step);
    if (!this.#disposed) this.#rest();
  }

  /** Pauses the run after the steps in flight, when their losses are known. */
  async pause(): Promise<void> {
    this.#wanted = false;
    if (!this.going) return;
    this.#training?.pause();
    await this.#settle();
    if (!this.going || this.#wanted || this.#disposed) return;
    this.#rest();
    await this.snapshot();
  }

  #enter(): void {
    const first = this.#loop === undefined;
    this.#fresh ||= first;
    this.#set(first ? 'compiling' : 'running');
    this.#meter.start();
    if (first) this.#loop = this.#go().finally(() => this.#left());
  }

  #left(): void {
    this.#loop = undefined;
  }

  #rest(): void {
    if (!this.going) return;
    this.#meter.stop();
    this.#set('paused');
  }

  async #go(): Promise<void> {
    const { trainer, data, config } = this;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    try {
      const options = { epochs: config.epochs, batchSize: config.batch, validation: data.test, signal };
      const resume = trainer.run !== undefined;
      this.#training = trainer.fit(data.train, { ...options, resume, events: 'step' });
      for await (const event of this.#training) await this.#see(event);
      if (signal.aborted) return;
      this.#meter.stop();
      this.#set('done');
      await this.snapshot();
    } catch (error) {
      this.#meter.stop();
      if (signal.aborted) return;
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (error instanceof DivergenceError) {
      this.#set('diverged');
      this.#hooks.onDivergence(error, this);
      return;
    }
    this.#set('failed');
    this.#hooks.onFailure(error);
  }

  async #see(event: FitEvent): Promise<void> {
    if (event.type === 'step') return this.#seeStep(event);
    if (event.type === 'warning') {
      this.#hooks.post({ type: 'notice', notice: warningNotice(event, this.config) });
      return;
    }
    this.#meter.made(event.step, 1000 * (event.validation?.seconds ?? 0));
    const { step, epoch } = event;
    const { loss = Number.NaN, accuracy = Number.NaN } = event.validation ?? {};
    this.record.tests.push({ step, epoch: event.complete ? epoch : 0, loss, accuracy });
    this.#lookAt = this.#meter.elapsedMs + LOOK_EVERY;
    this.tell();
  }

  async #seeStep({ step, loss, accuracy = Number.NaN }: StepEvent): Promise<void> {
    if (this.#fresh) {
      this.#fresh = false;
      this.#meter.compiled();
      if (this.#state === 'compiling') this.#set('running');
    }
    this.#meter.made(step);
    this.record.add(step, loss, accuracy);
    forget(this.trainer);
    this.#finishSnapshot();
    if (this.#meter.elapsedMs >= this.#lookAt) await this.look();
    if (this.#meter.elapsedMs >= this.#snapshotAt) await this.snapshot();
    await this.path.see(this.trainer.stepsMade);
    if (this.#hooks.now() - this.#told >= TELL_EVERY) this.tell();
  }

  /** Evaluates on the test images, with the training clock stopped. */
  async look(): Promise<TestPoint> {
    const { going } = this;
    this.#meter.stop();
    const step = this.trainer.stepsMade;
    const { loss, accuracy = Number.NaN } = await this.trainer.evaluate(this.data.test);
    const point = { step, epoch: 0, loss, accuracy };
    this.record.tests.push(point);
    this.#lookAt = this.#meter.elapsedMs + LOOK_EVERY;
    if (going && this.going) this.#meter.start();
    return point;
  }

  /** Saves the State; the snapshot is reported when the losses of its last steps are known. */
  async snapshot(): Promise<void> {
    if (this.#uncopied || (this.trainer.stepsMade === 0 && !this.#loaded)) return;
    this.#snapshotAt = this.#meter.elapsedMs + SNAPSHOT_EVERY;
    const step = this.trainer.stepsMade;
    const bytes = await this.#copy();
    if (!bytes) return;
    this.#unfinished = { bytes, step, elapsedMs: this.#meter.elapsedMs };
    this.#finishSnapshot();
  }

  /** The State as a checkpoint; undefined if that fails, which does not end the training. */
  async #copy(): Promise<Uint8Array | undefined> {
    try {
      return await saveCheckpoint(this.trainer, { page: this.config });
    } catch (error) {
      // A lost device is reported by the steps.
      if (this.#disposed || (error instanceof DeviceError && !isOutOfMemory(error))) return undefined;
      this.#uncopied = true;
      const text = `This run is not saved automatically, since there is no room for a copy of it: ${(error as Error).message} Training continues.`;
      this.#hooks.post({ type: 'notice', notice: { code: 'storage', level: 'warning', text } });
      return undefined;
    }
  }

  #finishSnapshot(): void {
    const held = this.#unfinished;
    if (!held || this.record.last < held.step) return;
    this.#unfinished = undefined;
    if (!this.sound) return;
    this.#hooks.onSnapshot({ ...held, config: this.config, record: this.record.save() });
  }

  /** Waits until the losses of all steps handed to the device, and of step `upTo`, have come back. */
  async #settle(upTo = 0): Promise<void> {
    const behind = () => this.record.last < Math.max(upTo, this.trainer.stepsMade);
    while (this.going && !this.#wanted && this.#loop && behind())
      await new Promise((resolve) => setTimeout(resolve, 5));
  }

  #set(state: RunState): void {
    this.#state = state;
    this.tell();
  }

  /** Sends the state of the run to the page. */
  tell(): void {
    if (this.#disposed) return;
    this.#told = this.#hooks.now();
    const { curve, tests } = this.record.take();
    this.#hooks.post({ type: 'progress', run: this.facts(), curve, tests });
  }

  facts(): RunFacts {
    const { config, record, trainer, data } = this;
    const stepsPerEpoch = Math.ceil(data.train.size / config.batch);
    const [step, totalSteps] = [record.last, stepsPerEpoch * config.epochs];
    const { stepsPerSecond, elapsedMs, compileMs } = this.#meter;
    const validation = record.tests.at(-1);
    return {
      state: this.#state,
      step,
      totalSteps,
      epoch: Math.min(config.epochs, 1 + Math.floor(step / stepsPerEpoch)),
      epochs: config.epochs,
      stepsPerEpoch,
      stepsPerSecond,
      imagesPerSecond: stepsPerSecond && stepsPerSecond * config.batch,
      elapsedMs,
      etaMs: stepsPerSecond && (1000 * (totalSteps - step)) / stepsPerSecond,
      compileMs,
      loss: record.smoothLoss.value,
      accuracy: record.smoothAccuracy.value,
      validation,
      fresh: step === 0 && !this.#loaded,
      learningRate: this.#learningRate(),
      dispatchesPerStep: trainer.dispatchesPerStep,
    };
  }

  /** Before a run, a schedule has no rate yet: it begins with the configured one. */
  #learningRate(): number {
    return this.trainer.run === undefined ? this.config.lr : this.trainer.learningRate;
  }

  /** No other device is available. */
  giveUp(): void {
    this.#set('failed');
  }

  /** The device was lost: this run cannot be used any more. */
  lose(): void {
    this.#abort.abort();
    this.#meter.stop();
    this.#set('lost');
  }

  /** Ends the run and releases its memory. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#abort.abort();
    this.trainer.dispose();
    await this.#loop;
  }
}
