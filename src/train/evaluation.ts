// Evaluation: a model over a whole data set, summed up on the device in a storage of its own and read once at the end. The
// trainer's State is only read, and the trace is not for training.

import { OptionError } from '../graph/errors.ts';
import type { Executor, Program, Storage } from '../graph/executor.ts';
import { BOOLEAN, COUNT, type Names } from '../graph/options.ts';
import { withPaths } from '../graph/paths.ts';
import type { Tensor, Variable } from '../graph/tensor.ts';
import { type Assignment, newTrace, withTrace } from '../graph/trace.ts';
import { add, equal, mul } from '../ops/binary.ts';
import { iota } from '../ops/counter.ts';
import { oneHot } from '../ops/gather.ts';
import { matmul } from '../ops/matmul.ts';
import { argmax } from '../ops/reduce.ts';
import { reshape } from '../ops/reshape.ts';
import { where } from '../ops/select.ts';
import { type Examples, labelsOf, rowsAt } from './batch.ts';
import { drive } from './pacer.ts';
import { type State, zeros } from './state.ts';
import { judge, type Task } from './step.ts';

/** How a model does on a data set: means over all examples. */
export interface Evaluation {
  readonly loss: number;
  /** Absent where targets are not class indices. */
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
  readonly #cursor: Variable;
  readonly #totals: Variable;
  readonly #confusion: Variable | undefined;
  readonly #parts: readonly { readonly program: Program; readonly steps: number }[];
  readonly #size: number;
  readonly #names: readonly string[];
  /** The last evaluation asked for: they share their sums, so one waits for another. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(fields: {
    storage: Storage;
    sums: Sums;
    parts: readonly { program: Program; steps: number }[];
    size: number;
    names: readonly string[];
  }) {
    this.#storage = fields.storage;
    this.#cursor = fields.sums.cursor;
    this.#totals = fields.sums.totals;
    this.#confusion = fields.sums.confusion;
    this.#parts = fields.parts;
    this.#size = fields.size;
    this.#names = fields.names;
  }

  /** Compiles the evaluation of `task` on `data`: full batches, and the short one left at the end. */
  static async compile(
    executor: Executor,
    state: State,
    task: Task,
    data: Examples,
    options: EvaluateOptions = {},
  ): Promise<Evaluator> {
    const { sums, batches, names } = traceEvaluation(task, data, options, executor.maxBindingBytes);
    const variables = [sums.cursor, sums.totals, ...(sums.confusion ? [sums.confusion] : [])];
    const storage = executor.allocate(variables.map((variable) => ({ variable })));
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
    return new Evaluator({ storage, sums, parts, size: data.size, names });
  }

  /** Judges the parameters as they are after everything submitted before. `check` may throw before each submit. */
  run(check?: () => void): Promise<Evaluation> {
    const run = this.#last.then(() => this.#run(check));
    this.#last = run.catch(() => {});
    return run;
  }

  async #run(check: (() => void) | undefined): Promise<Evaluation> {
    check?.();
    const read = [this.#totals, ...(this.#confusion ? [this.#confusion] : [])];
    this.#storage.write(this.#cursor, new Uint32Array(1));
    for (const variable of read) this.#storage.write(variable, new Float32Array(variable.size));
    let values: Awaited<ReturnType<typeof drive>> = [];
    for (const { program, steps } of this.#parts) values = await drive(program, steps, read, { check });
    const [totals, confusion] = values;
    const means = this.#names.map((name, k): [string, number] => [name, totals![k]! / this.#size]);
    const { loss, accuracy, ...metrics } = Object.fromEntries(means);
    return {
      loss: loss!,
      // A count of examples over their number: what f32 sums add to it is rounding.
      ...(accuracy !== undefined && { accuracy: Math.round(accuracy * this.#size) / this.#size }),
      metrics,
      size: this.#size,
      ...(confusion && { confusion: rowsOf(confusion, this.#confusion!.shape[0]!) }),
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
  /** Metrics times rows, f32 [K]. */
  readonly totals: Variable;
  readonly confusion: Variable | undefined;
}

/** What evaluates `task` on `data`, not compiled yet. @throws what is wrong with the data, the options or the shapes. */
export function traceEvaluation(task: Task, data: Examples, options: EvaluateOptions, maxBytes: number) {
  const { batchSize = evaluationBatch(data.size), confusion = false } = options;
  const { size, classes } = data;
  if (confusion && classes === undefined)
    throw new OptionError('evaluate: a confusion matrix needs class labels. Use data whose targets are class indices.');
  const B = Math.min(batchSize, size);
  const sums: Sums = {
    cursor: zeros([1], 'u32'),
    totals: zeros([2 + Object.keys(task.metrics).length]),
    confusion: confusion ? zeros([classes!, classes!]) : undefined,
  };
  const shapes = [
    { rows: B, steps: Math.floor(size / B) },
    { rows: size % B, steps: 1 },
  ].filter(({ rows }) => rows > 0);
  const batches = shapes.map((shape) => ({ ...shape, ...traceBatch(task, data, sums, shape.rows, maxBytes) }));
  return { sums, batches, names: batches[0]!.names };
}

/** One batch of `rows` from the cursor on: what it adds to the sums. */
function traceBatch(
  task: Task,
  data: Examples,
  sums: Sums,
  rows: number,
  maxBytes: number,
): { assignments: Assignment[]; names: string[] } {
  const { cursor, totals, confusion } = sums;
  return withPaths(task.model, () =>
    withTrace(newTrace({ training: false }), () => {
      const { x, y } = rowsAt(data, add(iota(rows), cursor), maxBytes);
      const { prediction, metrics } = judge(task, x, y, labelsOf(data));
      const values = Object.values(metrics).map((metric) => mul(reshape(metric, [1]), rows));
      const assignments: Assignment[] = [
        [totals, add(totals, side(values, totals.size))],
        [cursor, add(cursor, rows)],
      ];
      if (confusion) assignments.push([confusion, add(confusion, confusionOf(prediction, y, data.classes!))]);
      return { assignments, names: Object.keys(metrics) };
    }),
  );
}

/** Scalars side by side, the last one repeated up to `size`. */
function side(values: readonly Tensor[], size: number): Tensor {
  const column = iota(size);
  return values.reduceRight((rest, value, k) => where(equal(column, k), value, rest));
}

/** How often each class (row) was taken for each (column), f32 [C, C]. */
function confusionOf(prediction: Tensor, y: Tensor, classes: number): Tensor {
  return matmul(oneHot(y, classes), oneHot(argmax(prediction), classes), { transposeA: true });
}

function rowsOf(data: ArrayLike<number>, C: number): number[][] {
  return Array.from({ length: C }, (_, r) => Array.from({ length: C }, (_, c) => data[r * C + c]!));
}
