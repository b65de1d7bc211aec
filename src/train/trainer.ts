// The Trainer: a model, a loss and an optimizer on a backend, with everything users do with them. It holds the State and the programs
// over it; the loop of a run is in fit.ts, a step in step.ts, saving and loading in files.ts. Long, since it is one class with one method
// per task.
import type { Backend } from '../backend.ts';
import { type ByteScale, isBytes, type Values } from '../data/dataset.ts';
import type { DType } from '../graph/dtype.ts';
import { OptionError } from '../graph/errors.ts';
import { INSPECT } from '../graph/inspect.ts';
import { isShapes, mapShapes, type Nested } from '../graph/nested.ts';
import type { NdArray } from '../graph/op.ts';
import { checkExtra, checkOptions, MILLISECONDS, OBJECT, POSITIVE, type Schema, SEED, show } from '../graph/options.ts';
import type { PathMatch } from '../graph/path-match.ts';
import { NOT_OF_A_MODEL } from '../graph/paths.ts';
import type { Shape } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { type Summary, summaryOf } from '../nn/summary.ts';
import { checkOptimizer, type Optimizer } from '../optim/optimizer.ts';
import { type Examples, inputDtypesOf, namedParts } from './batch.ts';
import { type Batch, fitting, shapesOf, valuesOf } from './batch-values.ts';
import { classesOf, ofOutputs, probabilitiesOf } from './classify.ts';
import { checkMonitor } from './early-stopping.ts';
import type { EvaluateOptions, Evaluation } from './evaluation.ts';
import { type EpochEvent, type FitEvent, type History, newHistory } from './events.ts';
import { Fit, type Running } from './fit.ts';
import { farFromBytes } from './float-range.ts';
import { changedFreezing } from './freezing.ts';
import { Gate } from './gate.ts';
import { shareInside } from './inside.ts';
import { type Inspection, inspect, type Looked, predict, rowCount } from './inspection.ts';
import type { Freezing } from './layout.ts';
import { disposedError, Lifetime } from './lifetime.ts';
import { isPartScales } from './part-scales.ts';
import { Programs } from './programs.ts';
import { Rates } from './rates.ts';
import { Recorder } from './recorder.ts';
import { endsEpoch, type FitOptions, placeOf, planRun, type Run, shortRows } from './run.ts';
import { asJudged, asTrained, learntScale, scaledBatch, scaledForTraining } from './scale.ts';
import { type ParameterInfo, State } from './state.ts';
import type { BatchEvent } from './step-event.ts';
import {
  type LossOf,
  type LossWeights,
  type MetricsOf,
  type ModelOf,
  type Task,
  type TaskOptions,
  taskOf,
  widthOf,
} from './task.ts';
import { type Targets, targetsGiven, trainOnBatch } from './train-on-batch.ts';
import { TrainingRun } from './training-run.ts';
import { splitOff } from './validation-split.ts';
import { floatsOf, readAll } from './weights.ts';

/** `Y` and `X` are what the model gives and takes: a Tensor, or several by name or in order. */
export interface TrainerOptions<Y extends object = Tensor, X extends object = Tensor> {
  /** Any object with layers or variables in it and a forward: of one tensor, or of several by name or in order, to one or several. */
  readonly model: ModelOf<X, Y>;
  /**
   * One of `losses`, or a function from predictions and targets to one number. With several outputs, one for each by name, as `{ price:
   * losses.meanSquaredError, kind: losses.softmaxCrossEntropy }`, whose weighted sum is minimized, or one function of all of them.
   */
  readonly loss: LossOf<Y>;
  /** The weight of each output's loss in their sum, by name. Default: 1 for each. As Keras' `loss_weights`. */
  readonly lossWeights?: LossWeights | undefined;
  /** One of `optim`, such as `optim.adam(1e-3)`. */
  readonly optimizer: Optimizer;
  /** The seed of initial values, shuffles and dropout, a whole number. Default 0. */
  readonly seed?: number | undefined;
  /**
   * Scalars to report beside loss and accuracy, averages over the batch. One named `accuracy` replaces the loss's. With several outputs
   * each is a function of all of them, or, under an output's name, of that one: `{ kind: { f1 } }` is `kind.f1`.
   */
  readonly metrics?: MetricsOf<Y> | undefined;
  /** The shape of one example, or one for each input: for `summary()` before any data was seen. */
  readonly inputShape?: Nested<Shape> | undefined;
  /**
   * The dtype of the model's input, or of each input, before any data was seen: `u32` or `i32` if it begins with an `Embedding`. Default
   * `f32`.
   */
  readonly inputDtype?: Nested<'f32' | 'u32' | 'i32'> | undefined;
  /** The target duration of a submit in milliseconds; a page that draws between submits needs 8 to 50. Default 200. */
  readonly submitMs?: number | undefined;
  /** The maximum bytes of parameters in one buffer. Default: 128 MiB, or what a binding holds if that is less. */
  readonly maxArenaBytes?: number | undefined;
}

const SCHEMA = {
  model: true,
  loss: true,
  lossWeights: true,
  optimizer: true,
  seed: [SEED, 0],
  metrics: OBJECT,
  inputShape: { advice: 'Give an array of numbers, or one for each input.', fits: isShapes },
  inputDtype: [{ advice: "Give 'f32', 'u32' or 'i32', or one for each input.", fits: isInputDtypes }, 'f32'],
  submitMs: [MILLISECONDS, 200],
  maxArenaBytes: POSITIVE,
} satisfies Schema<TrainerOptions>;

const ONE_SET = 'Give one data set and options: fit(datasets.array(x, y), { epochs: 5 }).';

function isInputDtypes(value: unknown): boolean {
  const dtypes: unknown[] = typeof value === 'object' && value !== null ? Object.values(value) : [value];
  return dtypes.length > 0 && dtypes.every((dtype) => dtype === 'f32' || dtype === 'u32' || dtype === 'i32');
}

function checkBackend(backend: Backend): void {
  if (typeof backend?.executor?.compile !== 'function')
    throw new OptionError(`trainer: the backend is ${show(backend)}. Pass a backend: await createBackend().`);
}

/** Arrays in the structure of the model's outputs; for classes and probabilities, only those whose loss defines them. */
export type ArraysOf<Y> = [Y] extends [Tensor] ? NdArray : { readonly [K in keyof Y]: NdArray };
type SomeArraysOf<Y> = [Y] extends [Tensor] ? NdArray : { readonly [K in keyof Y]?: NdArray };
type ShapesOf<X> = [X] extends [Tensor] ? Shape : { readonly [K in keyof X]: Shape };

/** Any trainer, whatever the inputs and outputs of its model. */
export type AnyTrainer = Trainer<object, object>;

/**
 * A model with its loss, optimizer and State: trains (`fit`, `trainOnBatch`), evaluates, predicts, saves and loads. Call `dispose()` to
 * free its memory.
 */
export class Trainer<Y extends object = Tensor, X extends object = Tensor> {
  readonly [NOT_OF_A_MODEL] = true;
  /** The backend that it trains on. */
  readonly backend: Backend;
  /** @internal */
  readonly state: State;
  /** The history of all runs so far; of very long runs every second, fourth … step and epoch. */
  readonly history: History = newHistory();
  readonly #task: Task;
  readonly #running: Running;
  #data: Examples | undefined;
  #inputShape: Nested<Shape> | undefined;
  #inputDtype: Nested<DType>;
  /** The last run's. */
  #gate: Gate | undefined;
  #busy: 'run' | 'batch' | undefined;
  /** Whether `fit` returned a run that has not started. */
  #waiting = false;
  /** Whether floats of any size are expected, or were warned of. */
  #rangeIsKnown = false;
  readonly #life: Lifetime;
  #dispatches: number | undefined;

  /**
   * A trainer with its own State, with all variables at their initial values.
   * @throws OptionError; with `inputShape` also what the model's forward throws for an example of that shape.
   */
  constructor(backend: Backend, options: TrainerOptions<Y, X>, ...extra: never[]) {
    checkExtra('trainer', extra);
    checkBackend(backend);
    const checked = checkOptions('trainer', options, SCHEMA);
    const { model, optimizer, seed, submitMs, maxArenaBytes } = checked;
    this.#task = taskOf('trainer', options as TaskOptions);
    checkOptimizer('trainer', optimizer);
    const { executor } = backend;
    this.backend = backend;
    this.#inputShape = checked.inputShape;
    this.#inputDtype = checked.inputDtype;
    const metrics = widthOf(this.#task);
    const newState = (freezing?: Freezing) =>
      new State(executor, { model, optimizer, seed, metrics, maxArenaBytes, freezing });
    this.state = newState();
    this.#life = new Lifetime(() => {
      this.#running.programs.dispose();
      this.state.dispose();
    });
    this.#running = {
      executor,
      state: this.state,
      task: this.#task,
      programs: new Programs(executor, this.state, this.#task, () => this.#life.check()),
      rates: new Rates(optimizer),
      life: this.#life,
      history: this.history,
      recorder: new Recorder(this.history),
      submitMs,
      step: 0,
      run: undefined,
      scale: undefined,
      orderShifted: false,
    };
    shareInside(this, {
      running: this.#running,
      idle: (what) => this.#idle(what),
      dropPrograms: (what) => this.#dropPrograms(what),
      lastData: () => this.#data,
      newState: () => newState(this.state.freezing),
      warnOfUnstartedRun: (what) => this.#warnOfUnstartedRun(what),
      asJudged: (data) => asJudged(data, this.#running.scale),
      asTrained: (data) => asTrained(data, {}, this.#running.scale, this.#task.loss).data,
    });
    const dispose: unknown = (Symbol as { dispose?: unknown }).dispose;
    if (dispose) Object.defineProperty(this, dispose as symbol, { value: () => this.dispose() });
    if (options.inputShape) this.#tryForward();
  }

  /** @internal */
  [INSPECT](): string {
    const { loss, model } = this.#task;
    const parameters = this.parameters().reduce((total, { size }) => total + size, 0);
    return `Trainer(${model.constructor?.name || 'model'}, ${loss.lossName}, ${parameters} parameters, ${this.stepsMade} steps)`;
  }

  #tryForward(): void {
    try {
      this.summary();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Total steps over all runs, including those in flight. */
  get stepsMade(): number {
    return this.#running.step;
  }

  /** The State's current or last run; undefined after {@link trainOnBatch}. */
  get run(): Run | undefined {
    return this.#running.run;
  }

  /** Dispatches per training step on the GPU, once a run has begun; 0 on the CPU. */
  get dispatchesPerStep(): number | undefined {
    return this.#dispatches;
  }

  /**
   * How bytes become inputs: the scale of its training data, or of its weights file; false: they are not scaled; undefined if there were
   * none. For several tensors see {@link scales}.
   */
  get scale(): ByteScale | undefined {
    return isPartScales(this.#running.scale) ? undefined : this.#running.scale;
  }

  /** The scales of several tensors, by their names: `x.pixels`. */
  get scales(): Readonly<Record<string, ByteScale>> | undefined {
    return isPartScales(this.#running.scale) ? this.#running.scale : undefined;
  }

  /** The learning rate of the next step. */
  get learningRate(): number {
    return this.#running.rates.at(this.stepsMade, this.#running.run ?? { start: 0 }).learningRate;
  }

  /**
   * A number replaces the schedule from the next submit on, `'schedule'` restores it at the run's current step; either is recorded in the
   * history with its step. @throws OptionError for any other value, or if the schedule needs a length that the current run does not have.
   */
  set learningRate(rate: number | 'schedule') {
    this.#life.check();
    const { rates, recorder } = this.#running;
    const before = rates.override;
    rates.set(rate);
    try {
      if (this.#busy === 'run' && this.#running.run) rates.at(this.stepsMade, this.#running.run);
    } catch (error) {
      rates.override = before;
      throw error;
    }
    recorder.rate(this.stepsMade, rate);
  }

  /**
   * Trains: `await trainer.fit(data, { epochs: 5 })` to the end, returning the history, or `for await (const e of trainer.fit(…)) …` event
   * by event; leaving the loop stops the run. Nothing happens before the run is awaited or its first event is requested; `evaluate`,
   * `predict` and saving before that warn on the console, once. @throws DivergenceError (from the run) if a value is not finite or the
   * loss diverges; OptionError, DataError, ShapeError.
   */
  fit(data: Examples, options: FitOptions & { readonly events: 'step' }): TrainingRun;
  fit(data: Examples, options?: FitOptions & { readonly events?: 'epoch' | undefined }): TrainingRun<EpochEvent>;
  fit(data: Examples, options?: FitOptions, ...extra: never[]): TrainingRun;
  fit(data: Examples, options: FitOptions = {}, ...extra: never[]): TrainingRun {
    const gate = new Gate();
    this.#waiting = true;
    return new TrainingRun(this.#events(data, options, extra, gate), this.history, gate);
  }

  async *#events(
    data: Examples,
    options: FitOptions,
    extra: readonly unknown[],
    gate: Gate,
  ): AsyncGenerator<FitEvent, void, undefined> {
    this.#waiting = false;
    checkExtra('fit', extra, ONE_SET);
    this.#life.check();
    if (this.#busy === 'batch') this.#idle('fit');
    if (this.#busy)
      throw new OptionError(
        `fit: a run is in progress${this.#gate?.paused ? ', and paused' : ''}. Wait for its end, leave its loop, or call its stop().`,
      );
    this.#busy = 'run';
    const { programs } = this.#running;
    this.#gate = gate;
    let fit: Fit | undefined;
    try {
      fit = await this.#life.during(() => this.#begin(data, options, gate));
      yield* this.#life.stream(fit.events(), () => fit!.drain());
    } finally {
      this.#busy = undefined;
      if (fit) programs.release(fit);
    }
  }

  #plan(data: Examples, options: FitOptions): Run {
    if (this.#running.orderShifted && options?.resume === true)
      throw new OptionError(
        'fit: resume is true, but trainOnBatch made steps since the run, which shifted its data order. Leave out resume, or load an earlier checkpoint.',
      );
    return planRun(data, options, this.stepsMade, this.#running.run);
  }

  async #begin(set: Examples, wanted: FitOptions, gate: Gate): Promise<Fit> {
    const { given, asked } = splitOff(set, wanted, this.state.seedNumber);
    const { rates, step, programs } = this.#running;
    const run = this.#plan(given, asked);
    const { data, options } = asTrained(given, asked, this.#running.scale, this.#task.loss);
    rates.at(step, run); // throws now if a schedule needs the run's length
    const fit = new Fit(this.#running, data, run, options, gate);
    const first = await programs.step(data, run, placeOf(run, step).rows, fit);
    try {
      checkMonitor(options.earlyStopping, first.traced.metrics);
      programs.check(data, run, options.validation);
    } catch (error) {
      programs.release(fit);
      throw error;
    }
    if (!options.resume) this.state.beginOrder(run.start);
    this.#running.run = run;
    this.#running.orderShifted = false;
    this.#data = data;
    this.#learnFrom(data, first.program.dispatches);
    if (options.validation) this.#warnOfRange('fit: validation', options.validation.x);
    return fit;
  }

  /** Remembers what the training data says about the model. */
  #learnFrom(data: Examples, dispatches: number): void {
    this.#running.scale = learntScale(data) ?? this.#running.scale;
    this.#rangeIsKnown ||= !namedParts({ x: data.x }).some(([, values]) => isBytes(values));
    this.#inputShape = shapesOf(data.x);
    this.#inputDtype = inputDtypesOf(data.x, data.scale);
    this.#dispatches = dispatches;
  }

  /**
   * Compiles everything that `fit` with the same arguments will need, so that it starts at once. `fit` by itself compiles what its first
   * step needs, and the rest (a short last batch, the validation) while it trains.
   */
  async warmUp(set: Examples, wanted: FitOptions = {}, ...extra: never[]): Promise<void> {
    checkExtra('warmUp', extra, ONE_SET);
    this.#life.check();
    const { given, asked } = splitOff(set, wanted, this.state.seedNumber);
    const step = this.stepsMade;
    const run = this.#plan(given, asked);
    const { data, options } = asTrained(given, asked, this.#running.scale, this.#task.loss);
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

  /**
   * Makes one training step on a batch as it is given, not augmented, as Keras' `train_on_batch`: `x` [B, ...example] as {@link predict} takes it, `y`
   * class indices [B] or [B, ...] or numbers [B, ...], as `{ shape, data }`, lists (whole numbers one an example are class indices) or
   * typed arrays (floats are numbers, others class indices). Returns the step's event; the arrays may be reused then. The loss is that of
   * these examples before the step. Schedules count all steps of the trainer, and need their own `total` if they have an end. A run cannot
   * be resumed afterwards: data orders count steps. @throws DivergenceError if a value is not finite (nothing has changed then);
   * OptionError during a run or another call; DataError, ShapeError.
   */
  async trainOnBatch(x: Batch, y: Targets, ...extra: never[]): Promise<BatchEvent> {
    checkExtra('trainOnBatch', extra);
    this.#idle('trainOnBatch');
    const xs = valuesOf('x', x, this.#inputShape, this.#inputDtype);
    const size = rowCount({ x: xs });
    const given = { name: 'batch', size, x: xs, y: targetsGiven(y, size, this.#task) };
    const batch = scaledForTraining<Examples>(given, this.#running.scale);
    this.#busy = 'batch';
    try {
      const { event, dispatches } = await this.#life.during(() =>
        fitting(xs, this.#inputShape, () => trainOnBatch(this.#running, batch)),
      );
      this.#running.orderShifted ||= this.#running.run !== undefined;
      this.#running.run = undefined;
      this.#learnFrom(batch, dispatches);
      return event;
    } finally {
      this.#busy = undefined;
    }
  }

  /** Loss, accuracy and metrics on a whole data set. */
  async evaluate(data: Examples, options: EvaluateOptions = {}, ...extra: never[]): Promise<Evaluation> {
    checkExtra('evaluate', extra);
    this.#warnOfUnstartedRun('evaluate');
    return this.#life.during(async () => {
      const { programs } = this.#running;
      const owner = {};
      try {
        const judged = asJudged(data, this.#running.scale);
        this.#warnOfRange('evaluate', judged.x);
        const evaluator = await fitting(judged.x, this.#inputShape, () => programs.evaluator(judged, options, owner));
        return await evaluator.run(() => this.#life.check());
      } finally {
        programs.release(owner);
      }
    });
  }

  /**
   * The model's outputs for x [N, ...example]: `{ shape, data }`, a data set (its x), nested lists, or a typed array of whole examples.
   * Floats are used unscaled; bytes are scaled like the training data (see {@link scale}), or by the scale of the data set whose `x` they
   * are.
   * @throws OptionError for bytes whose scale is not known, or not the model's.
   */
  async predict(batch: Batch, ...extra: never[]): Promise<ArraysOf<Y>> {
    checkExtra('predict', extra);
    this.#warnOfUnstartedRun('predict');
    return this.#life.during(async () => {
      const x = valuesOf('x', batch, this.#inputShape, this.#inputDtype);
      const looked = scaledBatch<Looked>({ x }, this.#running.scale);
      this.#warnOfRange('predict', x);
      return (await fitting(x, this.#inputShape, () => predict(this.#running, looked))) as ArraysOf<Y>;
    });
  }

  /**
   * The model's outputs for x (as {@link predict} takes it) as probabilities, in an array of their shape: softmax over the
   * last axis for `softmaxCrossEntropy`, sigmoid for `binaryCrossEntropyWithLogits`, else the loss's own. As scikit-learn's `predict_proba`.
   * With several outputs, only those whose losses define probabilities. @throws OptionError for a loss without probabilities, such as
   * `meanSquaredError`.
   */
  async predictProbabilities(batch: Batch, ...extra: never[]): Promise<SomeArraysOf<Y>> {
    checkExtra('predictProbabilities', extra);
    const convert = ofOutputs(this.#task, 'predictProbabilities', probabilitiesOf);
    return convert(await this.predict(batch)) as SomeArraysOf<Y>;
  }

  /**
   * The predicted classes of x (as {@link predict} takes it): the index of the largest output along the last axis, u32 [N], or, for
   * `binaryCrossEntropyWithLogits`, 0 or 1 for each output, 1 if it is above 0. With several outputs, only those whose losses score
   * classes.
   * @throws OptionError for a loss that scores no classes.
   */
  async predictClasses(batch: Batch, ...extra: never[]): Promise<SomeArraysOf<Y>> {
    checkExtra('predictClasses', extra);
    const convert = ofOutputs(this.#task, 'predictClasses', classesOf);
    return convert(await this.predict(batch)) as SomeArraysOf<Y>;
  }

  /** Prediction and inner outputs for a batch and, given its targets, the loss and the gradients by path. Not training. */
  async inspect(batch: Batch, y?: Nested<Values>, ...extra: never[]): Promise<Inspection<ArraysOf<Y>>> {
    checkExtra('inspect', extra);
    return this.#life.during(async () => {
      const x = valuesOf('x', batch, this.#inputShape, this.#inputDtype);
      const looked = scaledBatch<Looked>({ x, y }, this.#running.scale);
      const look = () => inspect(this.#running, looked, { outputs: true });
      return (await fitting(x, this.#inputShape, look)) as Inspection<ArraysOf<Y>>;
    });
  }

  /**
   * Freezes parameters from now on: a path or path prefix (`'encoder'`), a RegExp, a function of path and variable, or an array of these.
   * They keep their bits, their moments are dropped, and no gradients are computed for them. @throws OptionError if nothing matches, if
   * nothing would be trained, and during a run or another call.
   */
  freeze(match: PathMatch, ...extra: never[]): void {
    this.#setFrozen('freeze', match, extra);
  }

  /**
   * Unfreezes parameters that were frozen, by this trainer or before its creation. Their moments start over, and with them the steps that
   * bias corrections count, as for parameters added to a PyTorch optimizer.
   * @throws OptionError as {@link freeze}.
   */
  unfreeze(match: PathMatch, ...extra: never[]): void {
    this.#setFrozen('unfreeze', match, extra);
  }

  #setFrozen(what: 'freeze' | 'unfreeze', match: PathMatch, extra: readonly unknown[]): void {
    this.#idle(what);
    const freezing = changedFreezing(what, this.state, match, this.stepsMade, extra);
    if (!freezing) return;
    const layout = this.state.layoutWith(freezing);
    this.#dropPrograms(what);
    this.state.rearrange(layout);
  }

  /** Called before variables move. */
  #dropPrograms(what: string): void {
    this.#life.alone(what);
    this.#running.programs.dispose();
    this.#dispatches = undefined;
  }

  /** Layers, output shapes and parameters. Needs `inputShape`, or data seen before. */
  summary(): Summary<ShapesOf<X>, ShapesOf<Y>> {
    if (!this.#inputShape)
      throw new OptionError('summary: the shape of an example is not known yet. Give inputShape to the Trainer.');
    const trained = new Set(this.state.trained.map(({ variable }) => variable));
    const batch = mapShapes<Shape>(this.#inputShape, (shape) => [1, ...shape]);
    const made = summaryOf(this.#task.model, batch, this.#inputDtype, (variable) => trained.has(variable));
    return made as Summary<unknown, unknown> as Summary<ShapesOf<X>, ShapesOf<Y>>;
  }

  /** The model's variables: path, shape, size. */
  parameters(): ParameterInfo[] {
    return this.state.parameters();
  }

  /** A copy of the weights by path, after the steps in flight; for the path of a {@link landscape}. */
  async snapshotWeights(): Promise<Map<string, Float32Array>> {
    return this.#life.during(async () => floatsOf(this.state.variables, await readAll(this.state)));
  }

  /** Warns once of floats that are not scaled like the bytes the model was trained on, unless it was last trained on floats. */
  #warnOfRange(what: string, x: Nested<Values>): void {
    const message = this.#rangeIsKnown ? undefined : farFromBytes(x, this.#running.scale);
    if (message === undefined) return;
    this.#rangeIsKnown = true;
    console.warn(`${what}: ${message}`);
  }

  /** Warns once of a run that has not started: using a model before its run is fine, a forgotten `await` is not. */
  #warnOfUnstartedRun(what: string): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    console.warn(`${what}: the run returned by fit has not started. Await it: await trainer.fit(…).`);
  }

  #idle(what: string): void {
    this.#life.check();
    if (this.#busy === 'batch') throw new OptionError(`${what}: trainOnBatch is in progress. Await it first.`);
    if (this.#busy) throw new OptionError(`${what}: a run is in progress. Leave its loop first.`);
  }

  /**
   * Ends pending work, which rejects with a DeviceError like every later call, and releases the State and all programs: at once, or when
   * submitted work is complete. The backend stays open.
   */
  dispose(): void {
    this.#life.end();
    this.#gate?.close(disposedError());
  }
}
