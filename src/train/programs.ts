// The programs of a trainer: one per mode and shapes, compiled at first use (or ahead) and kept until the trainer is disposed.
import type { HostArray } from '../graph/dtype.ts';
import type { Executor, Program } from '../graph/executor.ts';
import { checkOptions } from '../graph/options.ts';
import { checkExamples, type Examples } from './batch.ts';
import { EVALUATE, type EvaluateOptions, Evaluator, traceEvaluation } from './evaluation.ts';
import { orderOf, type Run, shortRows, stepsPerEpoch } from './run.ts';
import type { State } from './state.ts';
import { type Task, type TrainingStep, traceStep } from './step.ts';

/** A compiled training step and what it was traced from. */
export interface StepProgram {
  readonly program: Program;
  readonly traced: TrainingStep;
}

export class Programs {
  readonly #executor: Executor;
  readonly #state: State;
  readonly #task: Task;
  readonly #check: () => void;
  readonly #kept = new Map<string, Promise<{ dispose(): void }>>();
  readonly #ids = new WeakMap<HostArray, number>();
  #nextId = 0;

  /** `check` may throw before anything is compiled or given again. */
  constructor(executor: Executor, state: State, task: Task, check: () => void) {
    this.#executor = executor;
    this.#state = state;
    this.#task = task;
    this.#check = check;
  }

  /** What trains on batches of `rows` rows of a run's data. */
  async step(data: Examples, run: Run, rows: number): Promise<StepProgram> {
    const { batchSize, shuffle } = run;
    const key = `train ${this.#idOf(data)} ${rows} of ${batchSize} ${stepsPerEpoch(run)} ${shuffle}`;
    return this.keep(key, async () => {
      const traced = traceStep(this.#state, this.#task, data, orderOf(run), rows);
      const options = { storages: [this.#state.storage], label: `train [${rows}]` };
      const program = await this.#executor.compile(traced.recipe, options);
      return { traced, program, dispose: () => program.dispose() };
    });
  }

  /** @throws what would keep a run from being made on `data` or judged on `validation`. */
  check(data: Examples, run: Run, validation: Examples | undefined): void {
    const rest = shortRows(run);
    if (rest > 0) traceStep(this.#state, this.#task, data, orderOf(run), rest);
    if (!validation) return;
    checkExamples(validation);
    traceEvaluation(this.#task, validation, {}, this.#executor.maxBindingBytes);
  }

  /** What evaluates a data set. */
  async evaluator(data: Examples, options: EvaluateOptions = {}): Promise<Evaluator> {
    checkExamples(data);
    checkOptions('evaluate', options, EVALUATE);
    const key = `evaluate ${this.#idOf(data)} ${options.batchSize} ${options.confusion ?? false}`;
    return this.keep(key, () => Evaluator.compile(this.#executor, this.#state, this.#task, data, options));
  }

  /** What `make` made the first time that `key` was asked for; what failed is forgotten. */
  async keep<P extends { dispose(): void }>(key: string, make: () => Promise<P>): Promise<P> {
    this.#check();
    const known = this.#kept.get(key);
    if (known) return known as Promise<P>;
    const made = make();
    this.#kept.set(key, made);
    made.catch(() => this.#kept.delete(key));
    return made;
  }

  /** A name for the data set's arrays and what they are read with. */
  #idOf({ x, y, scale }: Examples): string {
    return `${this.#id(x.data)}/${this.#id(y.data)}/${x.shape}/${y.shape}/${scale?.mean}/${scale?.std}`;
  }

  #id(data: HostArray): number {
    const known = this.#ids.get(data) ?? this.#nextId++;
    this.#ids.set(data, known);
    return known;
  }

  dispose(): void {
    for (const made of this.#kept.values()) {
      made.then(
        (program) => program.dispose(),
        () => {},
      );
    }
    this.#kept.clear();
  }
}
