// The Trainer: a model, a loss and an optimizer on a backend, with everything people do with them. It holds the State and the
// programs over it; how a run goes is in fit.ts, what a step does in step.ts. Long, since it is one class: a method for each thing.
import type { Backend } from '../backend.ts';
import type { Scale } from '../data/dataset.ts';
import type { Bytes, FileBytes } from '../graph/dtype.ts';
import { OptionError } from '../graph/errors.ts';
import type { NdArray } from '../graph/op.ts';
import {
  COUNT,
  checkExtra,
  checkOptions,
  checkValue,
  MILLISECONDS,
  type Names,
  NUMBERS,
  OBJECT,
  POSITIVE,
  SEED,
  STRING,
  show,
} from '../graph/options.ts';
import { NOT_OF_A_MODEL } from '../graph/paths.ts';
import type { Shape } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { asLoss, type Loss, type LossFunction } from '../loss/loss.ts';
import { type Summary, summary } from '../nn/summary.ts';
import { checkOptimizer, type Optimizer } from '../optim/optimizer.ts';
import { type Batch, type Examples, type Values, valuesOf } from './batch.ts';
import { loadState, loadWeights, type Saved, saveState, saveWeights } from './checkpoint.ts';
import type { EvaluateOptions, Evaluation } from './evaluation.ts';
import { type EpochEvent, type FitEvent, type History, newHistory, type StepEvent } from './events.ts';
import { Fit, type Running } from './fit.ts';
import { Gate } from './gate.ts';
import { GRADCHECK, type GradcheckOptions, type GradcheckReport, gradcheck } from './gradcheck.ts';
import { type Inspection, inspect, predict, rowsOf } from './inspection.ts';
import { type Landscape, type LandscapeOptions, landscape, snapshotWeights } from './landscape.ts';
import { disposedError, Lifetime } from './lifetime.ts';
import { type LrFind, type LrFindOptions, lrFind } from './lr-find.ts';
import { descriptionOf } from './network.ts';
import { networkMetadata } from './network-metadata.ts';
import { type Perturbation, perturb } from './perturb.ts';
import { Programs } from './programs.ts';
import { Rates } from './rates.ts';
import { Recorder } from './recorder.ts';
import { endsEpoch, type FitOptions, placeOf, planRun, type Run, shortRows } from './run.ts';
import { asJudged, asTrained, hasBytes, scaleMetadata, scaleOfBatch } from './scale.ts';
import { type ParameterInfo, State } from './state.ts';
import type { Metric, Task } from './step.ts';

export interface TrainerOptions {
  /** Any object with layers or variables in it and a forward. */
  readonly model: { forward(x: Tensor): Tensor };
  /** One of `losses`, or a function of predictions and targets to one number. */
  readonly loss: Loss | LossFunction;
  readonly optimizer: Optimizer;
  /** A whole number: initial values, shuffles and dropout are functions of it. 0 unless said. */
  readonly seed?: number;
  /** Scalars to report beside loss and accuracy, averages over the batch. */
  readonly metrics?: Readonly<Record<string, Metric>>;
  /** The shape of one example: for `summary()` before any data was seen. */
  readonly inputShape?: Shape;
  /** How long one submit may take, in milliseconds: 200; a page that draws between submits wants 8 to 50. */
  readonly submitMs?: number;
  /** The most bytes of parameters in one buffer: 128 MiB. */
  readonly maxArenaBytes?: number;
}

const RESERVED = ['loss', 'accuracy'];
const NAMES: Names<TrainerOptions> = {
  model: true,
  loss: true,
  optimizer: true,
  seed: SEED,
  metrics: OBJECT,
  inputShape: NUMBERS,
  submitMs: MILLISECONDS,
  maxArenaBytes: POSITIVE,
};

/** Refuses what is no backend, model, loss, optimizer or metric. */
function checkTask(backend: Backend, options: TrainerOptions): void {
  if (typeof backend?.executor?.compile !== 'function')
    throw new OptionError(`trainer: the backend is ${show(backend)}. Give what \`await createBackend()\` gave.`);
  checkOptions('trainer', options, NAMES);
  const { model, loss, optimizer, metrics = {} } = options;
  if (typeof model?.forward !== 'function')
    throw new OptionError(`trainer: the model is ${show(model)}. Give an object with a forward method.`);
  if (typeof loss !== 'function') {
    const advice =
      'Give one of losses, such as losses.softmaxCrossEntropy, or a function (prediction, target) => Tensor';
    throw new OptionError(`trainer: the loss is ${show(loss)}. ${advice}.`);
  }
  checkOptimizer('trainer', optimizer);
  for (const [name, metric] of Object.entries(metrics)) {
    if (typeof metric !== 'function')
      throw new OptionError(
        `trainer: the metric ${name} is ${show(metric)}. Give a function (prediction, target) => Tensor.`,
      );
  }
  const taken = RESERVED.find((name) => Object.hasOwn(metrics, name));
  if (taken) throw new OptionError(`trainer: a metric cannot be named ${taken}. Choose another name.`);
}

export class Trainer {
  readonly [NOT_OF_A_MODEL] = true;
  readonly backend: Backend;
  readonly state: State;
  /** What happened in all runs so far; of very long ones every second, fourth … step and epoch. */
  readonly history: History = newHistory();
  readonly #task: Task;
  /** Another State of the same model and optimizer, at its initial values. */
  readonly #newState: () => State;
  readonly #running: Running;
  #run: Run | undefined;
  #scale: Scale | undefined;
  #data: Examples | undefined;
  #inputShape: Shape | undefined;
  #busy = false;
  readonly #life: Lifetime;
  #dispatches: number | undefined;

  private constructor(backend: Backend, options: TrainerOptions, ...extra: never[]) {
    checkExtra('trainer', extra);
    checkTask(backend, options);
    const { model, optimizer, seed = 0, metrics = {}, submitMs = 200, maxArenaBytes } = options;
    const { executor } = backend;
    this.backend = backend;
    this.#task = { model, loss: asLoss(options.loss), metrics };
    this.#inputShape = options.inputShape;
    const rows = 2 + Object.keys(metrics).length;
    this.#newState = () => new State(executor, { model, optimizer, seed, metrics: rows, maxArenaBytes });
    this.state = this.#newState();
    this.#life = new Lifetime(() => {
      this.#running.programs.dispose();
      this.state.dispose();
    });
    this.#running = {
      executor,
      state: this.state,
      task: this.#task,
      programs: new Programs(executor, this.state, this.#task, () => this.#life.check()),
      rates: new Rates(optimizer.lr),
      gate: new Gate(),
      life: this.#life,
      history: this.history,
      recorder: new Recorder(this.history),
      submitMs,
      step: 0,
    };
    const dispose: unknown = (Symbol as { dispose?: unknown }).dispose;
    if (dispose) Object.defineProperty(this, dispose as symbol, { value: () => this.dispose() });
  }

  /** A trainer with a State of its own, its variables at their initial values. */
  static async create(backend: Backend, options: TrainerOptions, ...extra: never[]): Promise<Trainer> {
    const trainer = new Trainer(backend, options, ...extra);
    if (options.inputShape) {
      try {
        trainer.summary();
      } catch (error) {
        trainer.dispose();
        throw error;
      }
    }
    return trainer;
  }

  /** Steps made, all runs together, those under way included. */
  get stepsMade(): number {
    return this.#running.step;
  }

  /** The run that the State is in, or was in last. */
  get run(): Run | undefined {
    return this.#run;
  }

  /** Dispatches a training step takes on the GPU, once a run has begun; 0 on the CPU. */
  get dispatchesPerStep(): number | undefined {
    return this.#dispatches;
  }

  /** How bytes become inputs: as in the data it was trained on, or as the file of its weights states. */
  get scale(): Scale | undefined {
    return this.#scale;
  }

  /** The learning rate of the next step. */
  get learningRate(): number {
    return this.#running.rates.at(this.stepsMade, this.#run ?? { start: this.stepsMade });
  }

  /** Takes the schedule's place from the next submit on; noted in the history with its step. */
  set learningRate(rate: number) {
    this.#life.check();
    this.#running.rates.set(rate);
    this.#running.recorder.rate(this.stepsMade, rate);
  }

  /**
   * Trains, and tells as it goes: `for await (const e of trainer.fit(data, { epochs: 5 })) …`. Leaving the loop stops the run;
   * nothing happens before the first event is asked for.
   * @throws DivergenceError (from the stream) when a value is not finite or the loss runs away; OptionError, DataError, ShapeError.
   */
  fit(data: Examples, options: FitOptions & { readonly events: 'step' }): AsyncGenerator<FitEvent, void, undefined>;
  fit(data: Examples, options?: FitOptions, ...extra: never[]): AsyncGenerator<EpochEvent, void, undefined>;
  async *fit(data: Examples, options: FitOptions = {}, ...extra: never[]): AsyncGenerator<FitEvent, void, undefined> {
    checkExtra('fit', extra);
    this.#life.check();
    if (this.#busy) throw new OptionError('fit: a run is under way. Leave its loop first, or wait for its end.');
    this.#busy = true;
    const { programs, gate } = this.#running;
    let fit: Fit | undefined;
    try {
      fit = await this.#life.during(() => this.#begin(data, options));
      yield* this.#life.stream(fit.events(), () => fit!.drain());
    } finally {
      this.#busy = false;
      gate.close(); // A run that never began answers step() too.
      if (fit) programs.release(fit);
    }
  }

  /** {@link fit} to its end; gives the history. */
  async train(data: Examples, options: FitOptions = {}, ...extra: never[]): Promise<History> {
    checkExtra('train', extra);
    for await (const _ of this.fit(data, options));
    return this.history;
  }

  async #begin(given: Examples, asked: FitOptions): Promise<Fit> {
    const { rates, step, programs } = this.#running;
    const run = planRun(given, asked, step, this.#run);
    const { data, options } = asTrained(given, asked, this.#scale);
    rates.at(step, run); // A schedule that needs the run's length says so now.
    const fit = new Fit(this.#running, data, run, options);
    const first = await programs.step(data, run, placeOf(run, step).rows, fit);
    try {
      programs.check(data, run, options.validation);
    } catch (error) {
      programs.release(fit);
      throw error;
    }
    if (!options.resume) this.state.beginOrder(run.start);
    this.#run = run;
    this.#data = data;
    if (hasBytes(data.x, data.y)) this.#scale = data.scale;
    this.#inputShape = data.x.shape.slice(1);
    this.#dispatches = first.program.dispatches;
    return fit;
  }

  /**
   * Compiles all that a run will need. `fit` compiles what its first step needs, and the rest (a short last batch, the
   * validation) while it trains.
   */
  async compile(given: Examples, asked: FitOptions = {}, ...extra: never[]): Promise<void> {
    checkExtra('compile', extra);
    this.#life.check();
    const step = this.stepsMade;
    const run = planRun(given, asked, step, this.#run);
    const { data, options } = asTrained(given, asked, this.#scale);
    const { programs } = this.#running;
    const rest = endsEpoch(run, step) ? shortRows(run) : 0;
    const [first] = await this.#life.during(() =>
      Promise.all([
        programs.step(data, run, placeOf(run, step).rows),
        rest > 0 && programs.step(data, run, rest),
        options.validation && programs.evaluator(options.validation),
      ]),
    );
    this.#dispatches = first.program.dispatches;
  }

  /** Holds the run after the steps under way. */
  pause(): void {
    this.#running.gate.pause();
  }

  get paused(): boolean {
    return this.#running.gate.paused;
  }

  /** Lets a paused run go on. */
  resume(): void {
    this.#running.gate.resume();
  }

  /**
   * Makes one step of the run, which is then paused; gives the step, or undefined where the run ended before. What the run waits
   * for, a callback or the body of its loop, must not await it.
   */
  async step(): Promise<StepEvent | undefined> {
    this.#life.check();
    if (!this.#busy) throw new OptionError('step: no run is under way. Begin one with fit.');
    return this.#running.gate.step();
  }

  /** Loss, accuracy and metrics on a whole data set. */
  async evaluate(data: Examples, options: EvaluateOptions = {}, ...extra: never[]): Promise<Evaluation> {
    checkExtra('evaluate', extra);
    return this.#life.during(async () => {
      const { programs } = this.#running;
      const owner = {};
      try {
        const evaluator = await programs.evaluator(asJudged(data, this.#scale), options, owner);
        return await evaluator.run(() => this.#life.check());
      } finally {
        programs.release(owner);
      }
    });
  }

  /**
   * The model's outputs for x [N, ...example]: `{ shape, data }`, a data set (its x), nested lists, or a typed array of whole examples. Floats are taken as they are; bytes are scaled as those that the model learnt from
   * (see {@link scale}), or by the scale of the data set whose `x` they are.
   * @throws OptionError for bytes whose scale is not known, or not the model's.
   */
  async predict(batch: Batch, ...extra: never[]): Promise<NdArray> {
    checkExtra('predict', extra);
    return this.#life.during(async () => {
      const x = valuesOf('x', batch, this.#inputShape);
      return predict(this.#running, x, scaleOfBatch(x, undefined, this.#scale));
    });
  }

  /** Prediction and inner outputs for a batch and, given its targets, the loss and the gradients by path. Not training. */
  async inspect(batch: Batch, y?: Values, ...extra: never[]): Promise<Inspection> {
    checkExtra('inspect', extra);
    return this.#life.during(async () => {
      const x = valuesOf('x', batch, this.#inputShape);
      return inspect(this.#running, x, scaleOfBatch(x, y, this.#scale), { outputs: true, y });
    });
  }

  /** Layers, output shapes and parameters. Needs `inputShape`, or data seen before. */
  summary(): Summary {
    if (!this.#inputShape)
      throw new OptionError('summary: the shape of an example is not known yet. Give inputShape to Trainer.create.');
    return summary(this.#task.model, [1, ...this.#inputShape]);
  }

  /** The model's variables: path, shape, size. */
  parameters(): ParameterInfo[] {
    return this.state.parameters();
  }

  /**
   * Proves the gradients on the first examples of `data` (those of the last run unless given): the CPU in doubles against
   * finite differences, and this backend against the CPU.
   */
  async gradcheck(data?: Examples, options: GradcheckOptions = {}, ...extra: never[]): Promise<GradcheckReport> {
    checkOptions('gradcheck', options, GRADCHECK, extra);
    const { x, y, scale } = this.#firstOf('gradcheck', data, options.rows);
    return this.#life.during(() => gradcheck(this.#running, x, y, scale, options));
  }

  /** Whether the loss of the first examples of `data` goes up or down if one weight increases slightly, and by how much. */
  async perturb(
    path: string,
    index: readonly number[],
    data?: Examples,
    options: { readonly delta?: number; readonly rows?: number } = {},
    ...extra: never[]
  ): Promise<Perturbation> {
    checkValue('perturb', 'the path', path, STRING);
    checkValue('perturb', 'the index', index, NUMBERS);
    checkOptions('perturb', options, { delta: POSITIVE, rows: COUNT }, extra);
    const { x, y, scale } = this.#firstOf('perturb', data, options.rows);
    return this.#life.during(() => perturb(this.#running, path, index, x, y, scale, options.delta));
  }

  /**
   * The loss of the first examples of `data` on a grid in the plane of two random, filter-normalised directions through the
   * weights as they are now. Nothing changes; a run may go on meanwhile, and shares the device.
   */
  async landscape(data: Examples, options: LandscapeOptions = {}, ...extra: never[]): Promise<Landscape> {
    checkExtra('landscape', extra);
    return this.#life.during(async () =>
      landscape(this.#running, asJudged(data, this.#scale), options, () => this.#life.check()),
    );
  }

  /** A copy of the weights by path, as they are after the steps under way; for the path of a {@link landscape}. */
  async snapshotWeights(): Promise<Map<string, Float32Array>> {
    return this.#life.during(() => snapshotWeights(this.state));
  }

  /**
   * Looks for a learning rate: a short run from where the trainer is, with rates that grow from `from` to `to` until the loss
   * runs away. It has a State of its own: weights, moments, step, data order and history stay as they are.
   */
  async lrFind(data: Examples, options: LrFindOptions = {}, ...extra: never[]): Promise<LrFind> {
    checkExtra('lrFind', extra);
    return this.#life.during(async () => {
      const set = asTrained(data, {}, this.#scale).data; // refused before a State is made
      return lrFind(this.#running, this.#newState(), set, options, () => this.#life.check());
    });
  }

  #firstOf(what: string, data: Examples | undefined, rows = 8): Pick<Examples, 'x' | 'y' | 'scale'> {
    this.#life.check();
    const given = data === undefined ? this.#data : data;
    if (!given) throw new OptionError(`${what}: no data was seen yet. Give it a data set.`);
    const set = asJudged(given, this.#scale);
    const n = Math.min(rows, set.size);
    return { x: rowsOf(set.x, 0, n), y: rowsOf(set.y, 0, n), scale: set.scale };
  }

  /** The whole State as the bytes of a safetensors file; `configuration` is kept beside it. */
  async save(configuration?: unknown, ...extra: never[]): Promise<Bytes> {
    checkExtra('save', extra);
    const saved = {
      loss: this.#task.loss.lossName,
      ...(this.#run && { run: this.#run }),
      ...(this.#running.rates.override !== undefined && { learningRate: this.#running.rates.override }),
      ...(this.#scale && { scale: this.#scale }),
      ...(configuration !== undefined && { configuration }),
    };
    const metadata = networkMetadata(descriptionOf(this.#task.model));
    return this.#life.during(() => saveState(this.state, saved, metadata));
  }

  /**
   * The weights alone, under their paths, as PyTorch names and lays them out; `metadata` goes into the file's own, and so do the
   * scale of the bytes they were learnt from and the description of a model that `network()` made, which `networkOf` reads.
   */
  async saveWeights(metadata: Readonly<Record<string, string>> = {}, ...extra: never[]): Promise<Bytes> {
    checkValue('saveWeights', 'the metadata', metadata, OBJECT);
    for (const [key, value] of Object.entries(metadata)) checkValue('saveWeights', `metadata ${key}`, value, STRING);
    checkExtra('saveWeights', extra);
    const described = networkMetadata(descriptionOf(this.#task.model));
    const all = { ...described, ...scaleMetadata(this.#scale), ...metadata };
    return this.#life.during(() => saveWeights(this.state, all));
  }

  /**
   * Puts a whole saved State back. `fit(data, { …, resume: true })` then goes on with its run, bit for bit, where it stopped.
   * @throws CheckpointError, naming `file`; the trainer is then as it was.
   */
  async load(bytes: FileBytes, file = 'checkpoint', ...extra: never[]): Promise<Saved> {
    checkExtra('load', extra);
    this.#idle('load');
    // At once, so that whatever is called next, awaited or not, finds it done.
    const fits = { loss: this.#task.loss.lossName, network: descriptionOf(this.#task.model) };
    const { step, ...saved } = loadState(this.state, bytes, file, fits);
    this.#running.step = step;
    this.#running.rates.override = saved.learningRate;
    this.#run = saved.run;
    this.#scale = saved.scale;
    return saved;
  }

  /** Takes weights, and the scale of bytes, from a file of weights or a checkpoint; moments and counters stay. @throws CheckpointError */
  async loadWeights(bytes: FileBytes, file = 'weights', ...extra: never[]): Promise<void> {
    checkExtra('loadWeights', extra);
    this.#idle('loadWeights');
    this.#scale = loadWeights(this.state, bytes, file);
  }

  #idle(what: string): void {
    this.#life.check();
    if (this.#busy) throw new OptionError(`${what}: a run is under way. Leave its loop first.`);
  }

  /**
   * Ends what is under way, which rejects with a DeviceError as everything later does, and releases the State and all
   * programs: at once, or when what the device was given is done. The backend stays.
   */
  dispose(): void {
    this.#life.end();
    this.#running.gate.close(disposedError());
  }
}
