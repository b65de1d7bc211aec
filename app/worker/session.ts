// The worker's side of the protocol: one device, one data set, one run, and everything the page may ask of them. What it needs
// from outside (devices, storage, clock, data) is given to it, so that tests drive it in Node.
import { type Backend, DeviceError, type DivergenceError, OptionError } from '../../src/index.ts';
import { type Config, PRESET_CONFIGS } from '../config.ts';
import type {
  CallName,
  DeviceFacts,
  Landscape,
  Loaded,
  Params,
  RangeTest,
  Result,
  RunState,
  WorkerEvent,
} from '../protocol.ts';
import { Autosave, type SnapshotStore } from './autosave.ts';
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

/** What a session needs from outside. */
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

/** How long one submit may take: predictions and looks wait for it. */
const SUBMIT_MS = 50;
/** Devices lost within this many milliseconds, and how many of them are too many. */
const [LOSS_WINDOW, MOST_LOSSES] = [60_000, 3];

export class Session {
  readonly #outside: Surroundings;
  readonly #autosave: Autosave;
  #backend: Backend | undefined;
  /** The device that was asked for. */
  #asked: Config['device'] = 'auto';
  #data: LoadedData | undefined;
  #dataChoice: Config['data'] = 'auto';
  #run: Run | undefined;
  #snapshot: RunSnapshot | undefined;
  #losses: number[] = [];
  /** Ends the race, the range test or the survey that has the device to itself. */
  #occupant: AbortController | undefined;
  /** Whether the run goes on when the occupant is done. */
  #goesOn = false;
  /** Calls that change things or want the device to themselves wait for each other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(outside: Surroundings) {
    this.#outside = outside;
    this.#autosave = new Autosave(outside.store, (notice) => outside.post({ type: 'notice', notice }));
  }

  /** Answers a call, or rejects with an error whose message is for people. */
  async call<K extends CallName>(name: K, params: Params<K>): Promise<Result<K>> {
    if (!Object.hasOwn(this.#answers, name))
      throw new OptionError(`protocol: there is no call ${name}. Reload the page.`);
    return this.#answers[name](params);
  }

  readonly #answers: Answers = {
    open: ({ config }) => this.#alone(() => this.#open(config)),
    configure: ({ config }) => this.#instead(() => this.#configure(config)),
    describe: ({ config }) => {
      const { backend, data } = this.#ready();
      checkFits(config, backend, data.train.size);
      return describe(config);
    },
    train: () => {
      const run = this.#current();
      if (run.state === 'done')
        throw new OptionError(`train: all ${run.config.epochs} epochs are made. Reset to begin again.`);
      if (this.#occupant) this.#goesOn = true;
      else run.start();
    },
    pause: () => {
      this.#goesOn = false;
      return this.#current().pause();
    },
    step: () => this.#current().step(),
    setLearningRate: ({ rate }) => this.#current().setLearningRate(rate),
    predict: ({ pixels }) => predictDigit(this.#current(), pixels),
    inside: ({ pixels }) => lookInside(this.#current(), pixels),
    confusion: () => confusionOf(this.#current()),
    examples: (wanted) => examplesOf(this.#current(), wanted),
    descend: (params) => descend(params),
    valley: (params) => valleyGrid(params),
    landscape: (params) => this.#resting((run, signal): Promise<Landscape> => landscapeOf(run, params, signal)),
    rangeTest: () => this.#resting((run, signal): Promise<RangeTest> => rangeTestOf(run, signal)),
    race: ({ steps }) => this.#resting((run, signal) => this.#race(run, steps, signal)),
    cancel: () => this.#occupant?.abort(),
    saveWeights: async () => {
      const run = this.#current();
      const bytes = await run.trainer.saveWeights();
      return { name: `thalweg-${run.config.preset}-step-${run.record.last}.safetensors`, bytes };
    },
    saveCheckpoint: () =>
      this.#resting(async (run) => {
        const bytes = await run.trainer.save({ page: run.config, record: run.record.save() });
        return { name: `thalweg-${run.config.preset}-step-${run.record.last}-checkpoint.safetensors`, bytes };
      }),
    load: ({ name, bytes }) => this.#instead(() => this.#load(name, bytes)),
    metrics: () => ({ curve: this.#current().record.curve(), tests: [...this.#current().record.tests] }),
    savedSession: () => this.#autosave.summary(),
    resumeSession: () => this.#instead(() => this.#resumeSession()),
    forgetSession: ({ which }) => this.#autosave.forget(which),
    counters: () => ({ ...this.#ready().backend.executor.counters }),
  };

  /** Runs `work` when what was asked for before is done. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  /** The same for what takes the run's place: nobody waits any more for what the device is occupied with. */
  #instead<T>(work: () => Promise<T>): Promise<T> {
    this.#occupant?.abort();
    return this.#alone(work);
  }

  /** Runs `work` while the run rests, which then goes on if it went. Rejects with an AbortError where it is cancelled. */
  #resting<T>(work: (run: Run, signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#alone(async () => {
      const run = this.#current();
      this.#goesOn = run.wanted;
      this.#occupant = new AbortController();
      const { signal } = this.#occupant;
      await run.pause();
      try {
        const result = await work(run, signal);
        signal.throwIfAborted();
        return result;
      } finally {
        this.#occupant = undefined;
        if (this.#goesOn && this.#run === run) run.start();
      }
    });
  }

  #ready(): { backend: Backend; data: LoadedData } {
    if (!this.#backend || !this.#data)
      throw new OptionError('session: nothing is open yet. Wait until the data are there.');
    return { backend: this.#backend, data: this.#data };
  }

  #current(): Run {
    if (!this.#run) throw new OptionError('session: there is no network yet. Wait until the data are there.');
    return this.#run;
  }

  async #open(config: Config): Promise<Result<'open'>> {
    const device = await this.#openDevice(config.device);
    const data = await this.#openData(config.data);
    return { device, data: data.facts };
  }

  async #openDevice(asked: Config['device']): Promise<DeviceFacts> {
    const { post, createBackend } = this.#outside;
    post({ type: 'loading', what: 'device', done: 0, total: 1, text: 'Opening the device' });
    const backend = await createBackend({ device: asked });
    this.#backend = backend;
    this.#asked = asked;
    backend.executor.lost.catch((error: Error) => {
      if (this.#backend === backend) void this.#alone(() => this.#recover(backend, error.message));
    });
    const facts = deviceFacts(backend, asked);
    post({ type: 'device', device: facts });
    return facts;
  }

  async #openData(choice: Config['data']): Promise<LoadedData> {
    if (this.#data && this.#dataChoice === choice) return this.#data;
    const data = await loadData(choice, this.#outside.data, this.#outside.post);
    this.#dataChoice = choice;
    this.#data = data;
    return data;
  }

  /** Makes the network afresh. What is refused leaves the run as it was. */
  async #configure(config: Config, from?: RunSnapshot): Promise<Result<'configure'>> {
    const before = this.#backend;
    const data = await this.#openData(config.data);
    if (!before || config.device !== this.#asked) await this.#changeDevice(config, before);
    const backend = this.#backend!;
    const run = await this.#make(config, backend, data, from);
    await this.#replace(run);
    if (before && before !== backend) before.dispose();
    if (!from) run.tell(); // What was loaded is told with the answer.
    return { config, network: describe(config), device: deviceFacts(backend, this.#asked), data: data.facts };
  }

  /** Another device; the one before stays in use where this one cannot be had. */
  async #changeDevice({ device }: Config, before: Backend | undefined): Promise<void> {
    const asked = this.#asked;
    try {
      await this.#openDevice(device);
    } catch (error) {
      this.#backend = before;
      this.#asked = asked;
      throw error;
    }
  }

  async #make(
    config: Config,
    backend: Backend,
    data: LoadedData,
    from: RunSnapshot | undefined,
    state?: RunState,
  ): Promise<Run> {
    checkFits(config, backend, data.train.size);
    const trainer = await trainerOf(backend, config, { submitMs: SUBMIT_MS });
    try {
      if (from) await trainer.load(from.bytes, 'the last snapshot');
      return new Run({ config, trainer, data, hooks: this.#hooks(), from, ...(state && { state }) });
    } catch (error) {
      trainer.dispose();
      throw error;
    }
  }

  async #replace(run: Run): Promise<void> {
    const old = this.#run;
    this.#run = run;
    this.#snapshot = undefined;
    await old?.dispose();
  }

  #hooks(): RunHooks {
    const { post, now } = this.#outside;
    return {
      post,
      now: () => now(),
      onSnapshot: (snapshot) => void this.#keep(snapshot),
      onDivergence: (error, run) => void this.#alone(() => this.#diverged(error, run)),
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
   * Tells of a divergence. The weights before the first value that was not finite are finite, but may be beyond use: a step at
   * a huge rate overflows only in the next one. Then the last sound snapshot takes their place, or the beginning.
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
    back.trainer.learningRate = rate;
    await this.#replace(back);
    this.#snapshot = snapshot;
    this.#outside.post({ type: 'restored', ...back.record.take() });
    say(snapshot?.step ?? 0);
    back.tell();
  }

  #failed(error: unknown): void {
    const backend = this.#backend;
    if (error instanceof DeviceError && !isOutOfMemory(error) && backend) {
      void this.#alone(() => this.#recover(backend, error.message, true));
      return;
    }
    const { post } = this.#outside;
    if (isOutOfMemory(error))
      post({ type: 'notice', notice: outOfMemoryNotice(error as Error, this.#current().config) });
    else
      post({
        type: 'notice',
        notice: { code: 'failed', level: 'error', text: String((error as Error)?.message ?? error) },
      });
  }

  /** A device that is gone: another one is opened, and the run goes on from its last snapshot. */
  async #recover(lost: Backend, reason: string, went = this.#run?.wanted ?? false): Promise<void> {
    if (this.#backend !== lost || !this.#run) return;
    const { config } = this.#run;
    const snapshot = this.#snapshot;
    this.#run.lose();
    const { post, now } = this.#outside;
    const since = now() - LOSS_WINDOW;
    this.#losses = [...this.#losses.filter((at) => at > since), now()];
    if (this.#losses.length > MOST_LOSSES) return this.#giveUp(reason);
    post({
      type: 'notice',
      notice: { code: 'device-lost', level: 'warning', text: `The device was lost: ${reason} Opening another.` },
    });
    try {
      await this.#openDevice(this.#asked);
      const run = await this.#make(config, this.#backend!, this.#ready().data, snapshot);
      await this.#replace(run);
      this.#snapshot = snapshot;
      const { curve, tests } = run.record.take();
      post({ type: 'restored', curve, tests });
      const from = snapshot ? `from step ${snapshot.step}, the last one that was saved` : 'from the beginning';
      post({
        type: 'notice',
        notice: {
          code: 'device-lost',
          level: 'warning',
          text: `The device was lost: ${reason} Training goes on ${from}.`,
        },
      });
      if (went) run.start();
      else run.tell();
    } catch (error) {
      this.#giveUp((error as Error).message);
    }
  }

  #giveUp(reason: string): void {
    const text = `The device was lost again: ${reason} Choose the CPU as the device to go on; the last session is saved.`;
    this.#outside.post({ type: 'notice', notice: { code: 'device-lost', level: 'error', text } });
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
    await run.look();
    return this.#answerOf('weights', run);
  }

  async #loaded(kind: Loaded['kind'], config: Config, from: RunSnapshot): Promise<Loaded> {
    await this.#configure(config, from);
    return this.#answerOf(kind, this.#current());
  }

  #answerOf(kind: Loaded['kind'], run: Run): Loaded {
    const { curve, tests } = run.record.take();
    run.tell();
    const { backend, data } = this.#ready();
    return {
      kind,
      config: run.config,
      network: describe(run.config),
      device: deviceFacts(backend, this.#asked),
      data: data.facts,
      step: run.record.last,
      curve,
      tests,
    };
  }

  async #resumeSession(): Promise<Loaded> {
    const saved = await this.#autosave.read();
    if (!saved) throw new OptionError('session: there is none to resume. It may have been cleared by the browser.');
    return this.#loaded('checkpoint', saved.config, saved);
  }
}
