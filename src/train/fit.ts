// The loop of a run: submits steps a few hundred milliseconds at a time, turns the rows of the ring into events, and evaluates at the
// end of each epoch, then stops or continues. It reads back late and waits only when three submits are in flight.

import { DivergenceError, OptionError } from '../graph/errors.ts';
import type { Executor } from '../graph/executor.ts';
import { checkOptions, type WithDefaults } from '../graph/options.ts';
import type { Examples } from './batch.ts';
import { type BatchWeight, batchWeights } from './batch-weights.ts';
import { bestConstantLoss, noBetter } from './constant-loss.ts';
import { explain, LossWatch } from './divergence.ts';
import { Stopper } from './early-stopping.ts';
import { EpochMeans } from './epoch-means.ts';
import type {
  Callbacks,
  EpochEvent,
  FitEvent,
  History,
  StepEvent,
  StopReason,
  Validation,
  WarningEvent,
} from './events.ts';
import type { Gate } from './gate.ts';
import type { Lifetime } from './lifetime.ts';
import { IdleWatch, isCheckStep } from './not-learning.ts';
import { Pacer } from './pacer.ts';
import type { ModelScale } from './part-scales.ts';
import type { Programs, StepProgram } from './programs.ts';
import type { Rates, StepRates } from './rates.ts';
import type { Recorder } from './recorder.ts';
import { endsEpoch, FIT, type FitOptions, placeOf, type Run, shortRows, stepsPerEpoch } from './run.ts';
import type { State } from './state.ts';
import { eventOf } from './step-event.ts';
import type { Task } from './task.ts';

/** What a run needs of its trainer. */
export interface Running {
  readonly executor: Executor;
  readonly state: State;
  readonly task: Task;
  readonly programs: Programs;
  readonly rates: Rates;
  readonly life: Lifetime;
  readonly history: History;
  readonly recorder: Recorder;
  readonly submitMs: number;
  /** The State's step count. */
  step: number;
  /** The State's current or last run; undefined after a step of trainOnBatch. */
  run: Run | undefined;
  /** Whether trainOnBatch made steps after a run, which then cannot be resumed. */
  orderShifted: boolean;
  /** How bytes become inputs; undefined if unknown. */
  scale: ModelScale | undefined;
}

/** What the host knows about a submit in flight. */
interface Sent {
  readonly first: number;
  readonly rates: readonly StepRates[];
  readonly traced: StepProgram['traced'];
}

export class Fit {
  readonly #trainer: Running;
  readonly #data: Examples;
  readonly #run: Run;
  readonly #options: WithDefaults<FitOptions, typeof FIT>;
  readonly #gate: Gate;
  readonly #callbacks: readonly Callbacks[];
  readonly #pacer: Pacer<Sent>;
  readonly #stopper: Stopper | undefined;
  readonly #constantLoss: number | undefined;
  readonly #watch: LossWatch;
  readonly #means: EpochMeans;
  #countsOf: BatchWeight = () => ({ examples: 0, metrics: new Map() });
  /** Compiled programs by the number of rows: of the full and of the short batch. */
  readonly #programs = new Map<number, StepProgram>();
  #idle: IdleWatch | undefined;
  /** Completed steps, and the event of the last one. */
  #completed = 0;
  #last: StepEvent | undefined;
  #reason: StopReason | undefined;
  /** Each warning is given once per run. */
  readonly #warned = new Set<WarningEvent['code']>();

  constructor(trainer: Running, data: Examples, run: Run, options: FitOptions, gate: Gate) {
    this.#trainer = trainer;
    this.#data = data;
    this.#run = run;
    this.#options = checkOptions('fit', options, FIT);
    this.#gate = gate;
    this.#callbacks = [options, options.callbacks ?? []].flat();
    this.#pacer = new Pacer({ submitMs: trainer.submitMs });
    this.#stopper = options.earlyStopping ? new Stopper(options.earlyStopping) : undefined;
    this.#means = new EpochMeans(trainer.task);
    this.#constantLoss = bestConstantLoss(trainer.task, data, run.batchSize);
    this.#watch = new LossWatch(stepsPerEpoch(run), this.#constantLoss);
  }

  /** The run's events as they occur. Leaving the stream ends the run after the steps in flight. */
  async *events(): AsyncGenerator<FitEvent, void, undefined> {
    const wake = () => this.#gate.wake();
    this.#options.signal?.addEventListener('abort', wake);
    try {
      yield* this.#loop();
      this.#reason ??= 'done';
    } catch (error) {
      this.#reason ??= 'failed';
      throw error;
    } finally {
      this.#options.signal?.removeEventListener('abort', wake);
      await this.#finish();
    }
  }

  /** Waits for the submits in flight. */
  drain(): Promise<void> {
    return this.#pacer.drain();
  }

  async *#loop(): AsyncGenerator<FitEvent, void, undefined> {
    const { life, programs, state, task } = this.#trainer;
    this.#countsOf = await batchWeights(task, this.#data, this.#run, state);
    this.#means.start();
    while (this.#reason === undefined && !this.#over()) {
      life.check();
      if (this.#options.signal?.aborted) this.#reason = 'aborted';
      else if (this.#gate.stopped) this.#reason = 'stopped';
      else if (this.#gate.shut) {
        yield* this.#drainTo(0);
        if (this.#gate.shut) await this.#pause();
      } else {
        const { rows } = placeOf(this.#run, this.#trainer.step);
        const program = this.#programs.get(rows);
        if (program) yield* this.#advance(program);
        // The run may be paused or stopped during compilation, so the loop checks again.
        else {
          const made = await programs.step(this.#data, this.#run, rows, this);
          this.#programs.set(rows, made);
          if (made.traced.squashed && !this.#warned.has('notLogits'))
            yield* this.#warn('notLogits', this.#trainer.step, made.traced.squashed);
        }
      }
    }
    yield* this.#drainTo(0);
    if (this.#reason === 'aborted' || this.#reason === 'stopped') return;
    if (this.#means.steps > 0) yield* this.#endEpoch(false);
    if (this.#reason !== 'targetAccuracy') yield* this.#lookForDivergence(true);
  }

  #over(): boolean {
    const { start, total } = this.#run;
    return total !== undefined && this.#trainer.step - start >= total;
  }

  async #pause(): Promise<void> {
    const began = performance.now();
    const { executor } = this.#trainer;
    if (!this.#options.signal?.aborted) await executor.orLost(this.#gate.wait());
    this.#means.pause(performance.now() - began);
  }

  /** One submit, and the work before the next. */
  async *#advance(program: StepProgram): AsyncGenerator<FitEvent, void, undefined> {
    const single = this.#gate.allowance === 1;
    this.#submit(program, this.#gate.allowance);
    const epochEnds = placeOf(this.#run, this.#trainer.step).index === 0;
    yield* this.#drainTo(single || epochEnds ? 0 : undefined);
    if (epochEnds) yield* this.#endEpoch(true);
  }

  /** Submits as many steps as one submit may hold. */
  #submit({ program, traced }: StepProgram, allowance: number): void {
    const { state, rates, step } = this.#trainer;
    const { index, rows } = placeOf(this.#run, step);
    const last = rows < this.#run.batchSize;
    const inEpoch = last ? 1 : stepsPerEpoch(this.#run) - (shortRows(this.#run) > 0 ? 1 : 0) - index;
    const left = (this.#run.total ?? Number.POSITIVE_INFINITY) - (step - this.#run.start);
    const n = this.#pacer.size(program, Math.min(inEpoch, left, allowance));
    const sent = { first: step, rates: rates.write(state, step, n, this.#run), traced };
    this.#pacer.submit(program, n, [state.ring, state.status], sent);
    this.#trainer.step += n;
  }

  /** Emits the events of submits until at most `max` are in flight. Default: as many as the pacer allows. */
  async *#drainTo(max: number | undefined): AsyncGenerator<FitEvent, void, undefined> {
    while (this.#pacer.inFlight > 0 && (max === undefined ? this.#pacer.full : this.#pacer.inFlight > max)) {
      const { tag, steps, values } = await this.#pacer.next();
      const first = this.#completed === 0;
      const [ring, status] = values;
      const good = status![0] === 0 ? steps : Math.max(0, Math.min(steps, status![0]! - 1 - tag.first));
      for (let k = 0; k < good; k++) {
        yield* this.#made(this.#eventOf(tag, k, ring!));
        this.#trainer.life.check();
      }
      if (first) this.#compileAhead();
      if (status![0] !== 0) await this.#diverged(status![0]! - 1, tag);
    }
  }

  /** Called after the first steps: compiles the programs needed later while the run continues. */
  #compileAhead(): void {
    const { programs, step } = this.#trainer;
    const { validation } = this.#options;
    const rest = endsEpoch(this.#run, step) ? shortRows(this.#run) : 0;
    const later = [
      rest > 0 && programs.step(this.#data, this.#run, rest, this),
      validation && programs.evaluator(validation, {}, this),
    ];
    // A failure is reported where the program is used.
    for (const made of later) if (made) made.catch(() => {});
  }

  #eventOf({ first, rates, traced }: Sent, k: number, ring: ArrayLike<number>): StepEvent {
    const epoch = placeOf(this.#run, first + k).epoch + 1;
    const place = { step: first + k, epoch, ...rates[k]! };
    return { ...eventOf(this.#trainer, ring, traced, place), epoch };
  }

  /** A step is done: history, callbacks, watches. */
  async *#made(event: StepEvent): AsyncGenerator<FitEvent, void, undefined> {
    const { recorder } = this.#trainer;
    this.#completed++;
    this.#last = event;
    recorder.step(event);
    this.#means.add(event, this.#countsOf(event.step - 1));
    this.#watch.see(event.loss);
    await this.#call((callback) => callback.onStep?.(event));
    this.#gate.made(event);
    if (this.#options.events === 'step') yield event;
    yield* this.#lookForDivergence(false);
    if (isCheckStep(this.#completed)) yield* this.#lookForIdleUnits(event.step);
  }

  async *#lookForDivergence(ended: boolean): AsyncGenerator<FitEvent, void, undefined> {
    const { divergence } = this.#options;
    if (divergence === 'off' || this.#warned.has('diverged') || !this.#watch.diverged(ended)) return;
    const { step, learningRate } = this.#last!;
    const message = this.#watch.message(step, learningRate);
    if (divergence === 'warn') return yield* this.#warn('diverged', step, message);
    this.#reason = 'diverged';
    throw new DivergenceError(message, step - 1);
  }

  async *#lookForIdleUnits(step: number): AsyncGenerator<FitEvent, void, undefined> {
    const { mean } = this.#watch;
    if (this.#warned.has('notLearning') || !noBetter(mean, this.#constantLoss)) return;
    const { executor, state, task } = this.#trainer;
    this.#idle ??= await IdleWatch.compile(executor, state, task, this.#data);
    const idle = await this.#idle.look();
    if (idle.length === 0) return;
    const units = idle.map(({ name, idle: n, units: of }) => `${n} of ${of} units after ${name}`).join(', ');
    const [now, constant] = [mean, this.#constantLoss!].map((v) => v.toPrecision(4));
    const message = `not learning: after ${this.#completed} steps the loss is ${now}, no better than the best constant prediction's ${constant}; saturated or dead: ${units}. Lower the learning rate, or scale the inputs and initial weights down.`;
    yield* this.#warn('notLearning', step, message);
  }

  async *#warn(code: WarningEvent['code'], step: number, message: string): AsyncGenerator<FitEvent, void, undefined> {
    this.#warned.add(code);
    const event: WarningEvent = { type: 'warning', code, step, message };
    this.#trainer.recorder.warning(event);
    await this.#call((callback) => callback.onWarning?.(event));
    if (this.#options.events === 'step') yield event;
  }

  /** A step's values were not finite: it and all later steps changed nothing. */
  async #diverged(step: number, { first, rates, traced }: Sent): Promise<never> {
    const { executor, state, rates: table } = this.#trainer;
    this.#reason = 'diverged';
    while (this.#pacer.inFlight > 0) await this.#pacer.next();
    const own = rates[step - first]!;
    const { learningRate } = own;
    table.rewrite(state, step, own);
    throw await explain(executor, state, { step, learningRate, traced });
  }

  async *#endEpoch(complete: boolean): AsyncGenerator<FitEvent, void, undefined> {
    const { state, recorder } = this.#trainer;
    const trained = this.#means.finish();
    const event = this.#epochEvent(trained, await this.#validate(), complete);
    recorder.epoch(event);
    if (this.#stopper && complete && (await this.#stopper.see(event, state))) this.#reason ??= 'earlyStopping';
    if (this.#reached(event)) this.#reason ??= 'targetAccuracy';
    await this.#call((callback) => callback.onEpoch?.(event));
    yield event;
    this.#means.start();
  }

  async #validate(): Promise<Validation | undefined> {
    const { validation } = this.#options;
    const { programs, life } = this.#trainer;
    if (!validation) return undefined;
    const began = performance.now();
    const evaluator = await programs.evaluator(validation, {}, this);
    const evaluation = await evaluator.run(() => life.check());
    return { ...evaluation, seconds: (performance.now() - began) / 1000 };
  }

  #epochEvent(
    trained: ReturnType<EpochMeans['finish']>,
    validation: Validation | undefined,
    complete: boolean,
  ): EpochEvent {
    const { total } = this.#run;
    const { loss, accuracy, metrics, steps, examples, seconds, rates } = trained;
    return {
      type: 'epoch',
      epoch: placeOf(this.#run, this.#trainer.step - 1).epoch + 1,
      ...(total !== undefined && { epochs: Math.ceil(total / stepsPerEpoch(this.#run)) }),
      step: this.#trainer.step,
      complete,
      loss,
      ...(accuracy !== undefined && { accuracy }),
      metrics,
      ...(validation && { validation }),
      ...rates,
      seconds,
      stepsPerSecond: steps / seconds,
      examplesPerSecond: examples / seconds,
    };
  }

  #reached({ accuracy, validation }: EpochEvent): boolean {
    const { targetAccuracy } = this.#options;
    if (targetAccuracy === undefined) return false;
    const got = validation ? validation.accuracy : accuracy;
    if (got === undefined)
      throw new OptionError(
        'fit: targetAccuracy is given, but there is no accuracy. Use a classification loss, or give the trainer metrics: { accuracy }.',
      );
    return got >= targetAccuracy;
  }

  /** Waits for the submits in flight, however the run ended. */
  async #finish(): Promise<void> {
    const { history } = this.#trainer;
    history.stopped = this.#reason ?? 'stopped';
    this.#idle?.dispose();
    try {
      await this.#comeToRest();
    } catch (error) {
      history.stopped = 'failed'; // the device was lost
      throw error;
    } finally {
      const reason = history.stopped;
      await this.#call((callback) => callback.onEnd?.(reason));
    }
  }

  async #comeToRest(): Promise<void> {
    const { state, life } = this.#trainer;
    try {
      while (this.#pacer.inFlight > 0) await this.#pacer.next();
      if (!life.over) this.#stopper?.restore(state, this.#trainer.step);
    } finally {
      if (!life.over) await this.#settle();
    }
  }

  async #call(one: (callback: Callbacks) => void | Promise<void>): Promise<void> {
    this.#gate.calling = true;
    try {
      for (const callback of this.#callbacks) await one(callback);
    } finally {
      this.#gate.calling = false;
    }
  }

  /** Reads back the number of steps actually made. */
  async #settle(): Promise<void> {
    const { state } = this.#trainer;
    const [step, status] = await state.storage.read([state.step, state.status]);
    this.#trainer.step = step![0]!;
    // The failed step changed nothing, so the next run may continue from there.
    if (status![0] !== 0) state.storage.write(state.status, new Uint32Array(1));
  }
}
