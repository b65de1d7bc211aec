// Evaluation: a model over a whole data set, summed on the device in a separate storage and read once at the end. The trainer's State
// is only read, and the trace is in evaluation mode. Correct rows are counted in integers.

import { weightOf } from '../data/sample-weights.ts';
import { hostArray } from '../graph/dtype.ts';
import { DeviceError, OptionError } from '../graph/errors.ts';
import type { Executor, Program, Storage } from '../graph/executor.ts';
import { compiledFor, MemoryError } from '../graph/memory-error.ts';
import { type Nested, partAt } from '../graph/nested.ts';
import { BOOLEAN, COUNT, type Schema, type WithDefaults } from '../graph/options.ts';
import type { Tensor, Variable } from '../graph/tensor.ts';
import { type Assignment, traceWith } from '../graph/trace.ts';
import { areClasses, countedRows, isIgnored, withoutIgnored } from '../loss/targets.ts';
import { add, equal, mul } from '../ops/binary.ts';
import { cast } from '../ops/cast.ts';
import { iota } from '../ops/counter.ts';
import { oneHot } from '../ops/gather.ts';
import { matmul } from '../ops/matmul.ts';
import { argmax } from '../ops/reduce.ts';
import { reshape } from '../ops/reshape.ts';
import { where } from '../ops/select.ts';
import { type Examples, rowsAt } from './batch.ts';
import { judge } from './judge.ts';
import { drive } from './pacer.ts';
import { type State, zeros } from './state.ts';
import { checkTargets } from './target-range.ts';
import { allCounts, allLabels, targetsOf } from './targets.ts';
import { metricOf, outputsOf, reported, summedLosses, type Task, widthOf } from './task.ts';

/** A model's results on a data set: means over all examples; weights count only in the loss. */
export interface Evaluation {
  /** The mean loss; with sample weights Σ w·l / Σ w. Rows that the loss ignores do not count. The sum, if the loss is a sum. */
  readonly loss: number;
  /** The fraction of correct rows among those not ignored, or the user's metric of that name. Absent if the loss scores no classes. */
  readonly accuracy?: number;
  /** The user's metrics by name. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The number of examples. */
  readonly size: number;
  /** Rows: actual class; columns: predicted class. Present if requested. */
  readonly confusion?: readonly (readonly number[])[];
}

/** Options of {@link Trainer.evaluate}. */
export interface EvaluateOptions {
  /** Examples per batch. Default: chosen to divide the data set. */
  readonly batchSize?: number | undefined;
  /** Whether to compute the confusion matrix. Default false. */
  readonly confusion?: boolean | undefined;
}

export const EVALUATE = { batchSize: COUNT, confusion: [BOOLEAN, false] } satisfies Schema<EvaluateOptions>;
type CheckedOptions = WithDefaults<EvaluateOptions, typeof EVALUATE>;

const LARGEST_BATCH = 1000;
const SMALLEST_BATCH = 250;

/** A batch size for a set of `size`: the largest in 250 … 1000 that leaves no remainder, else 500. */
export function evaluationBatch(size: number): number {
  if (size <= LARGEST_BATCH) return size;
  for (let B = LARGEST_BATCH; B >= SMALLEST_BATCH; B--) if (size % B === 0) return B;
  return LARGEST_BATCH / 2;
}

/** The programs that evaluate one data set, and their sums. */
export class Evaluator {
  readonly #storage: Storage;
  readonly #parts: readonly { readonly program: Program; readonly steps: number }[];
  readonly #size: number;
  readonly #task: Task;
  readonly #traced: TracedEvaluation;
  /** The last requested evaluation: evaluations share their sums, so each waits for the one before. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(fields: {
    storage: Storage;
    parts: readonly { program: Program; steps: number }[];
    size: number;
    task: Task;
    traced: TracedEvaluation;
  }) {
    this.#storage = fields.storage;
    this.#parts = fields.parts;
    this.#size = fields.size;
    this.#task = fields.task;
    this.#traced = fields.traced;
  }

  /**
   * Compiles the evaluation of `task` on `data`: full batches, and the short one left at the end. If the memory does not suffice for the
   * default batch, smaller ones are taken.
   */
  static async compile(
    executor: Executor,
    state: State,
    task: Task,
    data: Examples,
    options: CheckedOptions,
  ): Promise<Evaluator> {
    const { batchSize } = options;
    for (let rows = batchSize ?? evaluationBatch(data.size); ; rows = Math.ceil(rows / 2)) {
      try {
        return await Evaluator.#compile(executor, state, task, data, { ...options, batchSize: rows });
      } catch (error) {
        const tooLarge = error instanceof DeviceError && error.cause instanceof MemoryError;
        if (!tooLarge || batchSize !== undefined || rows === 1) throw error;
      }
    }
  }

  static async #compile(
    executor: Executor,
    state: State,
    task: Task,
    data: Examples,
    options: CheckedOptions,
  ): Promise<Evaluator> {
    const traced = traceEvaluation(task, data, options, executor.maxBindingBytes);
    const { cursor, read, batches } = traced;
    const storage = executor.allocate([cursor, ...read].map((variable) => ({ variable })));
    const storages = [state.storage, storage];
    const made = await Promise.allSettled(
      batches.map(async ({ assignments, rows, steps }) => {
        const compiling = executor.compile({ assignments }, { storages, label: `evaluate [${rows}]` });
        const program = await compiledFor(rows, compiling);
        return { program, steps };
      }),
    );
    const parts = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const failed = made.find((one) => one.status === 'rejected');
    if (failed) {
      for (const { program } of parts) program.dispose();
      storage.dispose();
      throw failed.reason;
    }
    return new Evaluator({ storage, parts, size: data.size, task, traced });
  }

  /** Evaluates the parameters as they are after everything submitted before. `check` may throw before each submit. */
  run(check?: () => void): Promise<Evaluation> {
    const run = this.#last.then(() => this.#run(check));
    this.#last = run.catch(() => {});
    return run;
  }

  async #run(check: (() => void) | undefined): Promise<Evaluation> {
    check?.();
    const { cursor, read, names, weights, counted } = this.#traced;
    for (const variable of [cursor, ...read]) this.#storage.write(variable, hostArray(variable.dtype, variable.size));
    let values: Awaited<ReturnType<typeof drive>> = [];
    for (const { program, steps } of this.#parts) values = await drive(program, steps, read, { check });
    const [totals, right, confusion] = values;
    const means = names.map((name, k) => [name, totals![k]! / (weights.get(name) ?? this.#size)]);
    // If nothing counts there is no fraction of it.
    const shares = [...counted].flatMap(([name, of], k) => (of > 0 ? [[name, right![k]! / of]] : []));
    return {
      ...reported(this.#task, summedLosses(this.#task, Object.fromEntries([...means, ...shares]))),
      size: this.#size,
      ...(confusion && { confusion: rowsOf(confusion, read[2]!.shape[0]!) }),
    };
  }

  /** The bytes held by the programs and sums. */
  get bytes(): number {
    return this.#parts.reduce((total, { program }) => total + program.bytes, this.#storage.bytes);
  }

  dispose(): void {
    for (const { program } of this.#parts) program.dispose();
    this.#storage.dispose();
  }
}

/** A confusion matrix. */
interface Confusion {
  /** Its output, and that output's loss. */
  readonly name: string | undefined;
  readonly ignoreIndex: number | undefined;
  /** f32 [classes, classes] */
  readonly counts: Variable;
}

interface Sums {
  /** The next batch's first row, u32 [1]. */
  readonly cursor: Variable;
  /** Metrics times rows (the loss times what the rows count), f32 [K]. */
  readonly totals: Variable;
  /** The number of correct rows of each loss with an accuracy, u32 [outputs]. */
  readonly right: Variable;
  readonly confusion: Confusion | undefined;
}

/** An evaluation, not compiled yet, and the divisors of its sums. */
export interface TracedEvaluation {
  readonly cursor: Variable;
  /** Totals, correct rows and, if requested, the confusion matrix. */
  readonly read: readonly Variable[];
  readonly batches: readonly (TracedBatch & { readonly rows: number; readonly steps: number })[];
  /** The metrics in the totals. */
  readonly names: readonly string[];
  /** The divisor of each loss: examples, or Σ of their weights; 1 if it is a sum. */
  readonly weights: ReadonlyMap<string, number>;
  /** The divisors of the losses' accuracies, in the order of the correct rows: examples, or their parts. */
  readonly counted: ReadonlyMap<string, number>;
}

/** Traces the evaluation of `task` on `data`. @throws if the data, options or shapes are wrong. */
export function traceEvaluation(
  task: Task,
  data: Examples,
  options: CheckedOptions,
  maxBytes: number,
): TracedEvaluation {
  const { batchSize = evaluationBatch(data.size), confusion } = options;
  const { size } = data;
  checkTargets(task, data);
  const B = Math.min(batchSize, size);
  const sums: Sums = {
    cursor: zeros([1], 'u32'),
    totals: zeros([widthOf(task)]),
    right: zeros([outputsOf(task).length], 'u32'),
    confusion: confusion ? confusionFor(task, data) : undefined,
  };
  const shapes = [
    { rows: B, steps: Math.floor(size / B) },
    { rows: size % B, steps: 1 },
  ].filter(({ rows }) => rows > 0);
  const batches = shapes.map((shape) => ({ ...shape, ...traceBatch(task, data, sums, shape.rows, maxBytes) }));
  return {
    cursor: sums.cursor,
    read: [sums.totals, sums.right, ...(sums.confusion ? [sums.confusion.counts] : [])],
    batches,
    names: batches[0]!.names,
    ...divisors(task, data, batches),
  };
}

/** The divisors of losses and of their accuracies, over a whole set. */
function divisors(
  task: Task,
  data: Examples,
  batches: TracedEvaluation['batches'],
): Pick<TracedEvaluation, 'weights' | 'counted'> {
  const counts = allCounts(task, data);
  const weights = new Map<string, number>();
  const counted = new Map<string, number>();
  for (const output of outputsOf(task)) {
    const { weights: each, rows } = counts.get(output.name)!;
    const over = output.loss.reduction === 'sum' ? 1 : each ? weightOf({ data: each }) : data.size;
    weights.set(metricOf(output, 'loss'), over || 1);
    const accuracy = metricOf(output, 'accuracy');
    if (!batches[0]!.counted.has(accuracy)) continue;
    const parts = batches.reduce((total, batch) => total + batch.steps * batch.counted.get(accuracy)!, 0);
    counted.set(accuracy, rows ? rows.reduce((a, b) => a + b) : parts);
  }
  return { weights, counted };
}

/** The sums of a confusion matrix. @throws OptionError unless exactly one output has class indices. */
function confusionFor(task: Task, data: Examples): Confusion {
  const targets = targetsOf(data);
  const [one, ...others] = outputsOf(task).filter(({ name }) => targets.get(name)?.classes !== undefined);
  if (!one)
    throw new OptionError('evaluate: a confusion matrix needs class labels. Use data whose targets are class indices.');
  if (others.length > 0)
    throw new OptionError(
      `evaluate: a confusion matrix needs a single output with classes, but ${[one, ...others].map(({ name }) => name).join(', ')} have classes. Compute them from predictClasses.`,
    );
  const classes = targets.get(one.name)!.classes!;
  return { name: one.name, ignoreIndex: one.loss.ignoreIndex, counts: zeros([classes, classes]) };
}

interface TracedBatch {
  readonly assignments: Assignment[];
  readonly names: string[];
  /** The divisors of the losses' accuracies. */
  readonly counted: ReadonlyMap<string, number>;
}

/** One batch of `rows` rows from the cursor on, and what it adds to the sums. */
function traceBatch(task: Task, data: Examples, sums: Sums, rows: number, maxBytes: number): TracedBatch {
  const { cursor, totals, right, confusion } = sums;
  return traceWith({ model: task.model }, () => {
    const { x, y, weights } = rowsAt(data, add(iota(rows), cursor), maxBytes);
    const { prediction, metrics, counts } = judge(task, x, y, allLabels(task, data), weights);
    const found = countedIn(task, metrics, prediction, y);
    const summed = Object.entries(metrics).filter(([name]) => !found.has(name));
    const sumsUp = new Set(outputsOf(task).flatMap((o) => (o.loss.reduction === 'sum' ? metricOf(o, 'loss') : [])));
    const values = summed.map(([name, metric]) =>
      mul(reshape(metric, [1]), sumsUp.has(name) ? 1 : (counts.get(name) ?? rows)),
    );
    const assignments: Assignment[] = [
      [totals, add(totals, side(values, totals.size))],
      [cursor, add(cursor, rows)],
    ];
    if (found.size > 0) {
      const parts = [...found].map(([name, { among }]) => cast(add(mul(metrics[name]!, among), 0.5), 'u32'));
      assignments.push([
        right,
        add(
          right,
          right.size === 1
            ? parts[0]!
            : side(
                parts.map((n) => reshape(n, [1])),
                right.size,
              ),
        ),
      ]);
    }
    if (confusion) assignments.push([confusion.counts, add(confusion.counts, confused(confusion, prediction, y))]);
    return {
      assignments,
      names: summed.map(([name]) => name),
      counted: new Map([...found].map(([name, { of }]) => [name, of])),
    };
  });
}

/** The losses' accuracies: fractions of the rows (or of all outputs), `among` those of a batch that are not ignored. */
function countedIn(
  task: Task,
  metrics: Readonly<Record<string, Tensor>>,
  prediction: Nested<Tensor>,
  y: Nested<Tensor>,
): ReadonlyMap<string, { readonly of: number; readonly among: Tensor | number }> {
  const found = new Map<string, { of: number; among: Tensor | number }>();
  for (const output of outputsOf(task)) {
    const [name, own, target] = [metricOf(output, 'accuracy'), partAt(prediction, output.name), partAt(y, output.name)];
    if (!metrics[name] || Object.hasOwn(task.metrics, name) || !own || !target) continue;
    const { classes, ignoreIndex } = output.loss;
    const of = classes === 'binary' ? own.size : own.size / own.shape.at(-1)!;
    const all = ignoreIndex === undefined || !areClasses(own, target);
    found.set(name, { of, among: all ? of : countedRows(target, ignoreIndex) });
  }
  return found;
}

/** Scalars concatenated, the last one repeated up to `size`. */
function side(values: readonly Tensor[], size: number): Tensor {
  const column = iota(size);
  return values.reduceRight((rest, value, k) => where(equal(column, k), value, rest));
}

/** How often each class (row) was predicted as each class (column), f32 [C, C]; ignored labels are in no row. */
function confused({ name, ignoreIndex, counts }: Confusion, prediction: Nested<Tensor>, y: Nested<Tensor>): Tensor {
  const classes = counts.shape[0]!;
  const [labels, taken] = [partAt(y, name)!, argmax(partAt(prediction, name)!)].map((t) =>
    t.rank === 1 ? t : reshape(t, [t.size]),
  );
  const hot = oneHot(withoutIgnored(labels!, ignoreIndex, 0), classes);
  const counted =
    ignoreIndex === undefined ? hot : where(reshape(isIgnored(labels!, ignoreIndex), [labels!.size, 1]), 0, hot);
  return matmul(counted, oneHot(taken!, classes), { transposeA: true });
}

function rowsOf(data: ArrayLike<number>, C: number): number[][] {
  return Array.from({ length: C }, (_, r) => Array.from({ length: C }, (_, c) => data[r * C + c]!));
}
