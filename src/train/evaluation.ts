// Evaluation: a model over a whole data set, summed up on the device in a storage of its own and read once at the end. The
// trainer's State is only read, and the trace is not for training. What accuracy counts is counted in whole numbers.

import { weightOf } from '../data/sample-weights.ts';
import { hostArray } from '../graph/dtype.ts';
import { OptionError } from '../graph/errors.ts';
import type { Executor, Program, Storage } from '../graph/executor.ts';
import { BOOLEAN, COUNT, type Names } from '../graph/options.ts';
import { withPaths } from '../graph/paths.ts';
import type { Tensor, Variable } from '../graph/tensor.ts';
import { type Assignment, newTrace, withTrace } from '../graph/trace.ts';
import { areClasses, countedRows, isIgnored, withoutIgnored } from '../loss/targets.ts';
import { add, equal, mul } from '../ops/binary.ts';
import { cast } from '../ops/cast.ts';
import { iota } from '../ops/counter.ts';
import { oneHot } from '../ops/gather.ts';
import { matmul } from '../ops/matmul.ts';
import { argmax } from '../ops/reduce.ts';
import { reshape } from '../ops/reshape.ts';
import { where } from '../ops/select.ts';
import { type Examples, labelsOf, rowsAt } from './batch.ts';
import { exampleCounts } from './loss-weights.ts';
import { drive } from './pacer.ts';
import { type State, zeros } from './state.ts';
import { judge, type Task } from './step.ts';

/** How a model does on a data set: means over all examples, of which weights count in the loss alone. */
export interface Evaluation {
  /** Of a set with sample weights Σ w·l / Σ w; rows that the loss ignores do not count. Of a loss that is a sum, the sum. */
  readonly loss: number;
  /** The share that is right of what is not ignored, or the user's metric of that name. Absent where the loss scores no classes. */
  readonly accuracy?: number;
  /** The user's own metrics by name. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Examples. */
  readonly size: number;
  /** Row: the class it is; column: the class it was taken for. Where it was asked for. */
  readonly confusion?: readonly (readonly number[])[];
}

export interface EvaluateOptions {
  /** Examples at a time; chosen to divide the data set unless said. */
  readonly batchSize?: number;
  /** Whether to count which class was taken for which: false. */
  readonly confusion?: boolean;
}

export const EVALUATE: Names<EvaluateOptions> = { batchSize: COUNT, confusion: BOOLEAN };

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
  readonly #traced: TracedEvaluation;
  /** The last evaluation asked for: they share their sums, so one waits for another. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(fields: {
    storage: Storage;
    parts: readonly { program: Program; steps: number }[];
    size: number;
    traced: TracedEvaluation;
  }) {
    this.#storage = fields.storage;
    this.#parts = fields.parts;
    this.#size = fields.size;
    this.#traced = fields.traced;
  }

  /** Compiles the evaluation of `task` on `data`: full batches, and the short one left at the end. */
  static async compile(
    executor: Executor,
    state: State,
    task: Task,
    data: Examples,
    options: EvaluateOptions = {},
  ): Promise<Evaluator> {
    const traced = traceEvaluation(task, data, options, executor.maxBindingBytes);
    const { cursor, read, batches } = traced;
    const storage = executor.allocate([cursor, ...read].map((variable) => ({ variable })));
    const storages = [state.storage, storage];
    const made = await Promise.allSettled(
      batches.map(async ({ assignments, rows, steps }) => {
        const program = await executor.compile({ assignments }, { storages, label: `evaluate [${rows}]` });
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
    return new Evaluator({ storage, parts, size: data.size, traced });
  }

  /** Judges the parameters as they are after everything submitted before. `check` may throw before each submit. */
  run(check?: () => void): Promise<Evaluation> {
    const run = this.#last.then(() => this.#run(check));
    this.#last = run.catch(() => {});
    return run;
  }

  async #run(check: (() => void) | undefined): Promise<Evaluation> {
    check?.();
    const { cursor, read, names, weight, counted } = this.#traced;
    for (const variable of [cursor, ...read]) this.#storage.write(variable, hostArray(variable.dtype, variable.size));
    let values: Awaited<ReturnType<typeof drive>> = [];
    for (const { program, steps } of this.#parts) values = await drive(program, steps, read, { check });
    const [totals, right, confusion] = values;
    const means = names.map((name, k) => [name, totals![k]! / (name === 'loss' ? weight : this.#size)]);
    const { loss, accuracy = counted > 0 ? right![0]! / counted : undefined, ...metrics } = Object.fromEntries(means);
    return {
      loss: loss!,
      ...(accuracy !== undefined && { accuracy }),
      metrics,
      size: this.#size,
      ...(confusion && { confusion: rowsOf(confusion, read[2]!.shape[0]!) }),
    };
  }

  /** Bytes that the programs and sums hold. */
  get bytes(): number {
    return this.#parts.reduce((total, { program }) => total + program.bytes, this.#storage.bytes);
  }

  dispose(): void {
    for (const { program } of this.#parts) program.dispose();
    this.#storage.dispose();
  }
}

interface Sums {
  /** The next batch's first row, u32 [1]. */
  readonly cursor: Variable;
  /** Metrics times rows (the loss times what the rows count), f32 [K]. */
  readonly totals: Variable;
  /** What the loss's accuracy found right, u32 [1]. */
  readonly right: Variable;
  readonly confusion: Variable | undefined;
}

/** An evaluation, not compiled yet, and what its sums are divided by. */
export interface TracedEvaluation {
  readonly cursor: Variable;
  /** Totals, what was right and, where it was asked for, the confusion matrix. */
  readonly read: readonly Variable[];
  readonly batches: readonly (TracedBatch & { readonly rows: number; readonly steps: number })[];
  /** The metrics in the totals. */
  readonly names: readonly string[];
  /** What the loss is a mean over: examples, or Σ of what they count; 1 where it is a sum. */
  readonly weight: number;
  /** What the loss's accuracy is a share of: examples, or their parts; 0 where it is not counted. */
  readonly counted: number;
}

/** What evaluates `task` on `data`. @throws what is wrong with the data, the options or the shapes. */
export function traceEvaluation(
  task: Task,
  data: Examples,
  options: EvaluateOptions,
  maxBytes: number,
): TracedEvaluation {
  const { batchSize = evaluationBatch(data.size), confusion = false } = options;
  const { size, classes } = data;
  if (confusion && classes === undefined)
    throw new OptionError('evaluate: a confusion matrix needs class labels. Use data whose targets are class indices.');
  const B = Math.min(batchSize, size);
  const sums: Sums = {
    cursor: zeros([1], 'u32'),
    totals: zeros([2 + Object.keys(task.metrics).length]),
    right: zeros([1], 'u32'),
    confusion: confusion ? zeros([classes!, classes!]) : undefined,
  };
  const shapes = [
    { rows: B, steps: Math.floor(size / B) },
    { rows: size % B, steps: 1 },
  ].filter(({ rows }) => rows > 0);
  const batches = shapes.map((shape) => ({ ...shape, ...traceBatch(task, data, sums, shape.rows, maxBytes) }));
  const { weights, rows } = exampleCounts(task.loss, data);
  const inAccuracy = batches.reduce((total, { steps, counted }) => total + steps * counted, 0);
  return {
    cursor: sums.cursor,
    read: [sums.totals, sums.right, ...(sums.confusion ? [sums.confusion] : [])],
    batches,
    names: batches[0]!.names,
    weight: (task.loss.reduction === 'sum' ? 1 : weights ? weightOf({ data: weights }) : size) || 1,
    counted: inAccuracy > 0 && rows ? rows.reduce((a, b) => a + b) : inAccuracy,
  };
}

interface TracedBatch {
  readonly assignments: Assignment[];
  readonly names: string[];
  /** What its accuracy is a share of. */
  readonly counted: number;
}

/** One batch of `rows` from the cursor on: what it adds to the sums. */
function traceBatch(task: Task, data: Examples, sums: Sums, rows: number, maxBytes: number): TracedBatch {
  const { cursor, totals, right, confusion } = sums;
  return withPaths(task.model, () =>
    withTrace(newTrace({ training: false }), () => {
      const { x, y, weights } = rowsAt(data, add(iota(rows), cursor), maxBytes);
      const { ignoreIndex, reduction } = task.loss;
      const { prediction, metrics, weight = rows } = judge(task, x, y, labelsOf(data, { ignoreIndex }), weights);
      const lossWeight = reduction === 'sum' ? 1 : weight;
      const { accuracy, ...others } = metrics;
      const counted = accuracy ? countedBy(task, prediction) : 0;
      const summed = Object.entries(counted ? others : metrics);
      const values = summed.map(([name, metric]) => mul(reshape(metric, [1]), name === 'loss' ? lossWeight : rows));
      const assignments: Assignment[] = [
        [totals, add(totals, side(values, totals.size))],
        [cursor, add(cursor, rows)],
      ];
      if (counted) {
        const among = ignoreIndex === undefined || !areClasses(prediction, y) ? counted : countedRows(y, ignoreIndex);
        assignments.push([right, add(right, cast(add(mul(accuracy!, among), 0.5), 'u32'))]);
      }
      if (confusion)
        assignments.push([confusion, add(confusion, confusionOf(prediction, y, data.classes!, ignoreIndex))]);
      return { assignments, names: summed.map(([name]) => name), counted };
    }),
  );
}

/** What the loss's accuracy is a share of: rows, or all outputs; 0 where a metric of the user's stands in its place. */
function countedBy({ loss, metrics }: Task, { size, shape }: Tensor): number {
  if (Object.hasOwn(metrics, 'accuracy')) return 0;
  return loss.classes === 'binary' ? size : size / shape.at(-1)!;
}

/** Scalars side by side, the last one repeated up to `size`. */
function side(values: readonly Tensor[], size: number): Tensor {
  const column = iota(size);
  return values.reduceRight((rest, value, k) => where(equal(column, k), value, rest));
}

/** How often each class (row) was taken for each (column), f32 [C, C]; labels that are ignored are in no row. */
function confusionOf(prediction: Tensor, y: Tensor, classes: number, ignoreIndex: number | undefined): Tensor {
  const [labels, taken] = [y, argmax(prediction)].map((t) => (t.rank === 1 ? t : reshape(t, [t.size])));
  const hot = oneHot(withoutIgnored(labels!, ignoreIndex, 0), classes);
  const counted =
    ignoreIndex === undefined ? hot : where(reshape(isIgnored(labels!, ignoreIndex), [labels!.size, 1]), 0, hot);
  return matmul(counted, oneHot(taken!, classes), { transposeA: true });
}

function rowsOf(data: ArrayLike<number>, C: number): number[][] {
  return Array.from({ length: C }, (_, r) => Array.from({ length: C }, (_, c) => data[r * C + c]!));
}
