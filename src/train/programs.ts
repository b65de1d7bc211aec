// The programs of a trainer: one per mode and shapes, compiled at first use (or ahead) and cached while used, and for a while afterwards.
import type { HostArray } from '../graph/dtype.ts';
import type { Executor, Program } from '../graph/executor.ts';
import { compiledFor } from '../graph/memory-error.ts';
import { checkOptions } from '../graph/options.ts';
import { Recent } from '../graph/recent.ts';
import { checkExamples, type Examples, namedParts } from './batch.ts';
import { EVALUATE, type EvaluateOptions, Evaluator, traceEvaluation } from './evaluation.ts';
import { orderOf, type Run, shortRows, stepsPerEpoch } from './run.ts';
import type { State } from './state.ts';
import { type TrainingStep, traceStep } from './step.ts';
import type { Task } from './task.ts';

/** A compiled training step and what it was traced from. */
export interface StepProgram {
  readonly program: Program;
  readonly traced: TrainingStep;
}

/** The number of unused programs to keep: those that hold a data set on the device, and those with inputs. */
const [IDLE_OF_DATA, IDLE_OF_INPUTS] = [6, 12];

interface Disposable {
  dispose(): void;
}

const drop = (made: Disposable) => made.dispose();

/** An `owner` keeps its programs until {@link Programs.release}. */
export class Programs {
  readonly #executor: Executor;
  readonly #state: State;
  readonly #task: Task;
  readonly #check: () => void;
  readonly #ofData = new Recent<Disposable>(IDLE_OF_DATA, drop);
  readonly #ofInputs = new Recent<Disposable>(IDLE_OF_INPUTS, drop);
  readonly #ids = new WeakMap<HostArray, number>();
  #nextId = 0;

  /** `check` may throw before a program is compiled or returned. */
  constructor(executor: Executor, state: State, task: Task, check: () => void) {
    this.#executor = executor;
    this.#state = state;
    this.#task = task;
    this.#check = check;
  }

  /** The program that trains on batches of `rows` rows of a run's data. */
  async step(data: Examples, run: Run, rows: number, owner?: object): Promise<StepProgram> {
    const { batchSize, shuffle } = run;
    const key = `train ${this.#idOf(data)} ${rows} of ${batchSize} ${stepsPerEpoch(run)} ${shuffle}`;
    const make = async () => {
      const traced = traceStep(this.#state, this.#task, data, orderOf(run), rows);
      const options = { storages: [this.#state.storage], label: `train [${rows}]` };
      const program = await compiledFor(rows, this.#executor.compile(traced.recipe, options));
      return { traced, program, dispose: () => program.dispose() };
    };
    return this.#get(this.#ofData, key, make, owner);
  }

  /** @throws what a run on `data` with `validation` would throw later. */
  check(data: Examples, run: Run, validation: Examples | undefined): void {
    const rest = shortRows(run);
    if (rest > 0) traceStep(this.#state, this.#task, data, orderOf(run), rest);
    if (!validation) return;
    checkExamples(validation);
    traceEvaluation(this.#task, validation, { confusion: false }, this.#executor.maxBindingBytes);
  }

  /** The evaluator of a data set. */
  async evaluator(data: Examples, options: EvaluateOptions = {}, owner?: object): Promise<Evaluator> {
    checkExamples(data);
    const checked = checkOptions('evaluate', options, EVALUATE);
    const key = `evaluate ${this.#idOf(data)} ${checked.batchSize} ${checked.confusion}`;
    const make = () => Evaluator.compile(this.#executor, this.#state, this.#task, data, checked);
    return this.#get(this.#ofData, key, make, owner);
  }

  /** The cached program of `key`, which `make` compiles. */
  async ofInputs<P extends Disposable>(key: string, make: () => Promise<P>, owner: object): Promise<P> {
    return this.#get(this.#ofInputs, key, make, owner);
  }

  #get<P extends Disposable>(kept: Recent<Disposable>, key: string, make: () => Promise<P>, owner?: object) {
    this.#check();
    return kept.get(key, make, owner) as Promise<P>;
  }

  release(owner: object): void {
    this.#ofData.release(owner);
    this.#ofInputs.release(owner);
  }

  /** A cache key of the data set's arrays and how they are read. */
  #idOf({ x, y, sampleWeights, scale, targetScale }: Examples): string {
    const weights = sampleWeights && this.#id(sampleWeights.data);
    const parts = namedParts({ x, y }).map(([part, values]) => {
      return [part, this.#id(values.data), values.shape, values.scale, values.targets, values.augmentation];
    });
    return JSON.stringify([parts, weights, scale, targetScale]);
  }

  #id(data: HostArray): number {
    const known = this.#ids.get(data) ?? this.#nextId++;
    this.#ids.set(data, known);
    return known;
  }

  dispose(): void {
    this.#ofData.clear();
    this.#ofInputs.clear();
  }
}
