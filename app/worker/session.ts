// The worker's side of the protocol: one device, one data set, one run, and every call of the page. Its dependencies (devices, storage,
// clock, data) are passed in, so that tests drive it in Node.
import {
  type Backend,
  DeviceError,
  type DivergenceError,
  loadCheckpoint,
  OptionError,
  saveCheckpoint,
  saveWeights,
} from '../../src/index.ts';
import { type Config, changesOf, PRESET_CONFIGS } from '../config.ts';
import type {
  CallName,
  DeviceFacts,
  Landscape,
  Loaded,
  Made,
  Params,
  RangeTest,
  Result,
  RunState,
  WorkerEvent,
} from '../protocol.ts';
import { Autosave, type SnapshotStore } from './autosave.ts';
import { CompileWatch } from './compiling.ts';
import { type DataSource, type LoadedData, loadData } from './data.ts';
import { descend, valleyGrid } from './descend.ts';
import { deviceFacts } from './device.ts';
import { openFile } from './files.ts';
import { landscapeOf, rangeTestOf } from './landscape.ts';
import { confusionOf, examplesOf, lookInside, predictDigit } from './look.ts';
import { checkFits, describe, trainerOf } from './network.ts';
import { divergedNotice, isOutOfMemory, outOfMemoryNotice } from './notices.ts';
import { race } from './race.ts';
import { isSound, Run, type RunHooks, type RunSnapshot } from './run.ts';
import { Turns } from './turns.ts';

/** The dependencies of a session. */
export interface Surroundings {
  post(event: WorkerEvent): void;
  createBackend(options: { device: Config['device'] }): Promise<Backend>;
  readonly store: SnapshotStore;
  readonly data: DataSource;
  /** Milliseconds, monotonic. */
  now(): number;
  /** Milliseconds since 1970. */
  date(): number;
}

/** The answers to all calls. */
type Answers = { readonly [K in CallName]: (params: Params<K>) => Promise<Result<K>> | Result<K> };

/** The duration of a submit: predictions and evaluations wait for it. */
const SUBMIT_MS = 50;
/** The maximum number of devices lost within a window of milliseconds. */
const [LOSS_WINDOW, MOST_LOSSES] = [60_000, 3];

/** A device, and the request for it. */
interface Opened {
  readonly backend: Backend;
  readonly asked: Config['device'];
  lost: boolean;
}

/** The data, and the request for them. */
interface Pictures {
  readonly data: LoadedData;
  readonly choice: Config['data'];
}

export class Session {
  readonly #outside: Surroundings;
  readonly #autosave: Autosave;
  readonly #compiling: CompileWatch;
  #device: Opened | undefined;
  #pictures: Pictures | undefined;
  #run: Run | undefined;
  #snapshot: RunSnapshot | undefined;
  /** The last snapshot of a run whose device was lost for good. */
  #stranded: RunSnapshot | undefined;
  #losses: number[] = [];
  readonly #turns = new Turns();

  constructor(outside: Surroundings) {
    this.#outside = outside;
    this.#autosave = new Autosave(outside.store, (notice) => outside.post({ type: 'notice', notice }));
    const counters = () => this.#device?.backend.executor.counters;
    this.#compiling = new CompileWatch(outside, counters, () => this.#run?.going ?? false);
  }

  /** Answers a call, or rejects with an error whose message is for users. */
  async call<K extends CallName>(name: K, params: Params<K>): Promise<Result<K>> {
    if (!Object.hasOwn(this.#answers, name))
      throw new OptionError(`protocol: call ${name} is unknown. Reload the page.`);
    return this.#compiling.during(() => this.#answers[name](params));
  }

  readonly #answers: Answers = {
    open: ({ config }) => this.#turns.alone(() => this.#open(config)),
    configure: ({ config }) =>
      this.#turns.instead(async () => this.#answer(await this.#configure(config, this.#comeback(config)))),
    describe: ({ config }) => {
      const { backend, data } = this.#ready();
      checkFits(config, backend, data.train.size);
      return describe(config);
    },
    train: () => {
      const run = this.#current();
      if (run.state === 'done')
        throw new OptionError(`train: all ${run.config.epochs} epochs are complete. Reset to start over.`);
      this.#turns.train(run);
    },
    pause: () => this.#turns.pause(this.#current()),
    step: () => this.#current().step(),
    setLearningRate: ({ rate }) => this.#current().setLearningRate(rate),
    predict: ({ pixels }) => predictDigit(this.#current(), pixels),
    inside: ({ pixels }) => lookInside(this.#current(), pixels),
    confusion: () => confusionOf(this.#current()),
    examples: (wanted) => examplesOf(this.#current(), wanted),
    descend: (params) => descend(params),
    valley: (params) => valleyGrid(params),
    landscape: (params) =>
      this.#turns.occupying(
        () => this.#current(),
        (run, signal): Promise<Landscape> => landscapeOf(run, params, signal),
      ),
    rangeTest: () =>
      this.#turns.occupying(
        () => this.#current(),
        (run, signal): Promise<RangeTest> => rangeTestOf(run, signal),
      ),
    race: ({ steps }) =>
      this.#turns.occupying(
        () => this.#current(),
        (run, signal) => this.#race(run, steps, signal),
      ),
    cancel: () => this.#turns.cancel(),
    saveWeights: async () => {
      const run = this.#current();
      const bytes = await saveWeights(run.trainer);
      return { name: `thalweg-${run.config.preset}-step-${run.record.last}.safetensors`, bytes };
    },
    saveCheckpoint: () =>
      this.#turns.resting(
        () => this.#current(),
        async (run) => {
          const bytes = await saveCheckpoint(run.trainer, { page: run.config, record: run.record.save() });
          return { name: `thalweg-${run.config.preset}-step-${run.record.last}-checkpoint.safetensors`, bytes };
        },
      ),
    load: ({ name, bytes }) => this.#turns.instead(() => this.#load(name, bytes)),
    metrics: () => ({ curve: this.#current().record.curve(), tests: [...this.#current().record.tests] }),
    savedSession: () => this.#autosave.summary(),
    resumeSession: () => this.#turns.instead(() => this.#resumeSession()),
    forgetSession: ({ which }) => this.#autosave.forget(which),
    counters: () => ({ ...this.#ready().backend.executor.counters }),
  };

  #ready(): { backend: Backend; data: LoadedData } {
    if (!this.#device || !this.#pictures)
      throw new OptionError('session: nothing is open yet. Wait until the data are there.');
    return { backend: this.#device.backend, data: this.#pictures.data };
  }

  #current(): Run {
    if (!this.#run) throw new OptionError('session: there is no network yet. Wait until the data are there.');
    return this.#run;
  }

  async #open(config: Config): Promise<Result<'open'>> {
    this.#device = await this.#openDevice(config.device);
    this.#tellDevice();
    this.#pictures = await this.#openData(config.data);
    return { device: this.#facts(), data: this.#pictures.data.facts };
  }

  #facts(): DeviceFacts {
    const { backend, asked } = this.#device!;
    return deviceFacts(backend, asked);
  }

  #tellDevice(): void {
    this.#outside.post({ type: 'device', device: this.#facts() });
  }

  async #openDevice(asked: Config['device']): Promise<Opened> {
    const { post, createBackend } = this.#outside;
    post({ type: 'loading', what: 'device', done: 0, total: 1, text: 'Opening the device' });
    const opened: Opened = { backend: await createBackend({ device: asked }), asked, lost: false };
    opened.backend.executor.lost.catch((error: Error) => {
      opened.lost = true;
      const went = this.#run?.wanted ?? false;
      if (this.#device === opened) void this.#turns.alone(() => this.#recover(opened, error.message, went));
    });
    return opened;
  }

  async #openData(choice: Config['data']): Promise<Pictures> {
    if (this.#pictures?.choice === choice) return this.#pictures;
    return { data: await loadData(choice, this.#outside.data, this.#outside.post), choice };
  }

  /** Recreates the network, or restores it from `from`. A failure leaves run, device and data unchanged. */
  async #configure(config: Config, from?: RunSnapshot): Promise<Run> {
    const before = this.#device;
    const pictures = await this.#openData(config.data);
    const same = before && !before.lost && before.asked === config.device;
    const device = same ? before : await this.#openDevice(config.device);
    try {
      const run = await this.#make(config, device.backend, pictures.data, from);
      this.#device = device;
      this.#pictures = pictures;
      await this.#replace(run, from);
      return run;
    } finally {
      for (const other of [before, device]) if (other && other !== this.#device) other.backend.dispose();
    }
  }

  /** The last snapshot of a run that ended with its device, if only the device has changed since. */
  #comeback(config: Config): RunSnapshot | undefined {
    const left = this.#stranded;
    const onlyDevice = left && Object.keys(changesOf(left.config, config)).join() === 'device';
    return onlyDevice ? { ...left, config } : undefined;
  }

  async #make(
    config: Config,
    backend: Backend,
    data: LoadedData,
    from: RunSnapshot | undefined,
    state?: RunState,
  ): Promise<Run> {
    checkFits(config, backend, data.train.size);
    const trainer = trainerOf(backend, config, { submitMs: SUBMIT_MS });
    try {
      if (from) await loadCheckpoint(trainer, from.bytes, 'the last snapshot');
      const { dataName = data.train.name } = trainer.run ?? {};
      if (dataName !== data.train.name) {
        throw new OptionError(
          `session: this run was trained on ${dataName}, but the data here are ${data.train.name}. Choose its data, or open the page where they are available; the file or session is unchanged.`,
        );
      }
      return new Run({ config, trainer, data, hooks: this.#hooks(), from, ...(state && { state }) });
    } catch (error) {
      trainer.dispose();
      throw error;
    }
  }

  async #replace(run: Run, snapshot?: RunSnapshot): Promise<void> {
    const old = this.#run;
    this.#run = run;
    this.#snapshot = snapshot;
    this.#stranded = undefined;
    await old?.dispose();
  }

  #hooks(): RunHooks {
    const { post, now } = this.#outside;
    return {
      post,
      now: () => now(),
      onSnapshot: (snapshot) => void this.#keep(snapshot),
      onDivergence: (error, run) =>
        void this.#turns.alone(() => this.#diverged(error, run)).catch((failure) => this.#failed(failure)),
      onFailure: (error) => this.#failed(error),
    };
  }

  async #keep(snapshot: RunSnapshot): Promise<void> {
    if (snapshot.config !== this.#run?.config) return;
    this.#snapshot = snapshot;
    const savedAt = this.#outside.date();
    if (await this.#autosave.save(snapshot, savedAt)) this.#outside.post({ type: 'saved', savedAt });
  }

  /**
   * Reports a divergence. The weights before the first non-finite value are finite, but may be damaged: a step at a huge rate overflows
   * only in the next one. Then the last sound snapshot replaces them, or the initial weights.
   */
  async #diverged(error: DivergenceError, run: Run): Promise<void> {
    if (this.#run !== run) return;
    const rate = run.trainer.learningRate;
    const { loss } = await run.look();
    const usable = isSound(loss, run.record.firstLoss);
    const say = (backTo?: number) =>
      this.#outside.post({ type: 'notice', notice: divergedNotice(error, rate, backTo) });
    if (usable) return say();
    const snapshot = this.#snapshot;
    const { backend, data } = this.#ready();
    const back = await this.#make(run.config, backend, data, snapshot, 'diverged');
    back.keepRate(run);
    await this.#replace(back, snapshot);
    this.#outside.post({ type: 'restored', ...back.record.take() });
    say(snapshot?.step ?? 0);
    back.tell();
  }

  #failed(error: unknown): void {
    const device = this.#device;
    if (error instanceof DeviceError && !isOutOfMemory(error) && device) {
      void this.#turns.alone(() => this.#recover(device, error.message, true));
      return;
    }
    const text = String((error as Error)?.message ?? error);
    const full = isOutOfMemory(error) && outOfMemoryNotice(error as Error, this.#current().config);
    this.#outside.post({ type: 'notice', notice: full || { code: 'failed', level: 'error', text } });
  }

  /** Handles a lost device: opens another one, on which the run continues from its last snapshot. */
  async #recover(lost: Opened, reason: string, went: boolean): Promise<void> {
    const old = this.#run;
    if (this.#device !== lost || !old) return;
    const snapshot = this.#snapshot;
    old.lose();
    const { post, now } = this.#outside;
    const since = now() - LOSS_WINDOW;
    this.#losses = [...this.#losses.filter((at) => at > since), now()];
    if (this.#losses.length > MOST_LOSSES) return this.#giveUp(reason);
    this.#tellLost('warning', `The device was lost: ${reason} Opening another.`);
    try {
      const device = await this.#openDevice(lost.asked);
      const run = await this.#make(old.config, device.backend, this.#ready().data, snapshot).catch((error) => {
        device.backend.dispose();
        throw error;
      });
      run.keepRate(old);
      this.#device = device;
      await this.#replace(run, snapshot);
      lost.backend.dispose();
      this.#tellDevice();
      post({ type: 'restored', ...run.record.take() });
      const from = snapshot ? `from step ${snapshot.step}, the last one saved` : 'from the beginning';
      this.#tellLost('warning', `The device was lost: ${reason} Training continues ${from}.`);
      if (went) run.start();
      else run.tell();
    } catch (error) {
      this.#giveUp((error as Error).message);
    }
  }

  #tellLost(level: 'warning' | 'error', text: string): void {
    this.#outside.post({ type: 'notice', notice: { code: 'device-lost', level, text } });
  }

  #giveUp(reason: string): void {
    this.#stranded = this.#snapshot;
    const from = this.#stranded ? `continue from step ${this.#stranded.step}` : 'start over';
    this.#tellLost('error', `The device was lost again: ${reason} Choose the CPU as the device to ${from}.`);
    this.#tellDevice();
    this.#run?.giveUp();
  }

  async #race(run: Run, steps: number, signal: AbortSignal): Promise<Result<'race'>> {
    const { backend, data } = this.#ready();
    if (backend.kind !== 'gpu') {
      const why = backend.notes.join(' ') || 'The CPU was chosen as the device.';
      throw new OptionError(`race: there is no GPU to race against. ${why}`);
    }
    if (!(Number.isSafeInteger(steps) && steps >= 2 && steps <= 10_000))
      throw new OptionError(`race: steps is ${steps}. Give a whole number from 2 to 10000.`);
    return race(backend, run.config, data, { steps, post: (event) => this.#outside.post(event), signal });
  }

  async #load(name: string, bytes: Uint8Array): Promise<Loaded> {
    const now = this.#run?.config ?? PRESET_CONFIGS.classic;
    const file = openFile(name, bytes, now);
    const { data, device } = this.#run?.config ?? file.config;
    const config: Config = { ...file.config, data, device };
    if (file.kind === 'checkpoint') return this.#loaded('checkpoint', config, { ...file.snapshot, config });
    const { backend, data: pictures } = this.#ready();
    const run = await this.#make(config, backend, pictures, undefined);
    try {
      await run.loadWeights(bytes, name);
    } catch (error) {
      await run.dispose();
      throw error;
    }
    await this.#replace(run);
    await run.snapshot();
    await run.look().catch((error) => this.#failed(error));
    return { kind: 'weights', ...this.#answer(run) };
  }

  async #loaded(kind: Loaded['kind'], config: Config, from: RunSnapshot): Promise<Loaded> {
    return { kind, ...this.#answer(await this.#configure(config, from)) };
  }

  /** The answer that introduces a run to the page. */
  #answer(run: Run): Made {
    const { curve, tests } = run.record.take();
    run.tell();
    const { config } = run;
    const { facts } = this.#ready().data;
    const step = run.record.last;
    return { config, network: describe(config), device: this.#facts(), data: facts, step, curve, tests };
  }

  async #resumeSession(): Promise<Loaded> {
    const saved = await this.#autosave.read();
    if (!saved) throw new OptionError('session: nothing to resume. The browser may have cleared it.');
    return this.#loaded('checkpoint', saved.config, saved);
  }
}
