// Proving a model's gradients on one batch, twice: vjps against finite differences, in doubles on the CPU; and a backend's
// gradients against those of the CPU in doubles.
import { CpuExecutor } from '../cpu/executor.ts';
import type { Scale } from '../data/dataset.ts';
import type { HostArray } from '../graph/dtype.ts';
import type { Executor, Program, Storage } from '../graph/executor.ts';
import type { NdArray } from '../graph/op.ts';
import { COUNT, checkOptions, type Names, POSITIVE } from '../graph/options.ts';
import { withPaths } from '../graph/paths.ts';
import { seedKey, uniforms } from '../graph/random.ts';
import type { Shape } from '../graph/shape.ts';
import { constant, input, type Tensor, type Variable } from '../graph/tensor.ts';
import { newTrace, withTrace } from '../graph/trace.ts';
import type { Placed } from '../train/arena.ts';
import { type Examples, prepareX, prepareY, toArray, type Values } from '../train/batch.ts';
import { firstRows, insideOf } from '../train/inside.ts';
import type { State } from '../train/state.ts';
import { gradientsOf, judge, type Task } from '../train/step.ts';
import type { Trainer } from '../train/trainer.ts';

export interface GradcheckOptions {
  /** Examples of the data to check with: 8. */
  readonly rows?: number;
  /** Entries of each parameter held against finite differences: 24. */
  readonly entries?: number;
  /** The most that finite differences may be off, as ‖g - ref‖ / ‖ref‖: 1e-6. */
  readonly finiteTolerance?: number;
  /** The most that the backend may be off: 1e-4. */
  readonly backendTolerance?: number;
}

const GRADCHECK: Names<GradcheckOptions> = {
  rows: COUNT,
  entries: COUNT,
  finiteTolerance: POSITIVE,
  backendTolerance: POSITIVE,
};

/** One parameter's errors, as ‖g - ref‖ / ‖ref‖. */
export interface GradcheckRow {
  readonly path: string;
  readonly shape: Shape;
  /** ‖ref‖: the norm of the gradient in doubles. */
  readonly norm: number;
  /** Of the vjps in doubles, over the checked entries, against finite differences. */
  readonly finiteError: number;
  /** Entries checked, and entries left out because a kink (of a ReLU, say) lies within the difference. */
  readonly entries: number;
  readonly kinks: number;
  /** Of this backend against the CPU in doubles, over all entries. */
  readonly backendError: number;
  readonly pass: boolean;
}

export interface GradcheckReport {
  readonly pass: boolean;
  readonly rows: readonly GradcheckRow[];
  /** The loss of the batch in doubles, and how far off the backend's is, relatively. */
  readonly loss: number;
  readonly lossError: number;
  readonly finiteTolerance: number;
  readonly backendTolerance: number;
}

/** A model's loss in doubles, as a function of its parameters. */
export interface Reference {
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, HostArray>;
  /** The loss with entry `index` of a parameter moved by `delta`. */
  lossAt(variable: Variable, index: number, delta: number): Promise<number>;
  dispose(): void;
}

interface Model {
  readonly executor: Executor;
  readonly state: State;
  readonly task: Task;
}

interface Traced {
  readonly loss: Tensor;
  readonly gradients: readonly { readonly path: string; readonly gradient: Tensor }[];
  readonly members: readonly Placed[];
}

/** Loss and gradients as training sees them (dropout at step 0 included), from inputs x and y. */
function trace({ state, task }: Model, x: NdArray, y: NdArray, scale: Scale | undefined): Traced {
  const step = constant([0], { dtype: 'u32' });
  const seed = constant([...seedKey(state.seedNumber)], { dtype: 'u32' });
  return withPaths(task.model, () =>
    withTrace(newTrace({ training: true, step, seed }), () => {
      const { loss } = judge(task, prepareX(input('x', x), x.dtype, scale), prepareY(input('y', y), y.dtype, scale));
      const byVariable = gradientsOf(state, loss);
      const members = state.arenas.flatMap((arena) => arena.members);
      const gradients = members.map(({ path, variable }) => ({ path, gradient: byVariable.get(variable)! }));
      return { loss, gradients, members };
    }),
  );
}

function outputsOf({ loss, gradients }: Traced): Record<string, Tensor> {
  return { loss, ...Object.fromEntries(gradients.map(({ path, gradient }) => [`gradient ${path}`, gradient])) };
}

/** The loss and gradients of a batch in doubles on the CPU, with the parameters that the State has now. */
export async function reference(model: Model, x: Values, y: Values, scale: Scale | undefined): Promise<Reference> {
  const traced = trace(model, toArray('x', x), toArray('y', y), scale);
  return referenceOf(model, traced, { x: x.data, y: y.data });
}

async function referenceOf({ state }: Model, traced: Traced, inputs: Record<string, HostArray>): Promise<Reference> {
  const cpu = new CpuExecutor({ precision: 'float64' });
  const variables = state.variables.map(({ variable }) => variable);
  const storage = cpu.allocate(variables.map((variable) => ({ variable })));
  const values = await state.storage.read(variables);
  const exact = new Map(variables.map((variable, k) => [variable, values[k]!]));
  for (const [variable, data] of exact) storage.write(variable, data);
  const options = { storages: [storage] };
  const all = await cpu.compile({ outputs: outputsOf(traced) }, options);
  const { loss, ...rest } = await all.run(inputs);
  all.dispose();
  const program = await cpu.compile({ outputs: { loss: traced.loss } }, options);
  await program.run(inputs);
  const gradients = new Map(traced.gradients.map(({ path }) => [path, rest[`gradient ${path}`]!.data]));
  return {
    loss: loss!.data[0]!,
    gradients,
    lossAt: (variable, index, delta) => moved(program, storage, variable, exact.get(variable)!, index, delta),
    dispose: () => {
      program.dispose();
      storage.dispose();
      cpu.dispose();
    },
  };
}

async function moved(
  program: Program,
  storage: Storage,
  variable: Variable,
  exact: HostArray,
  index: number,
  delta: number,
): Promise<number> {
  const data = variable.dtype === 'f32' ? Float64Array.from(exact) : exact.slice();
  data[index]! += delta;
  storage.write(variable, data);
  const { loss } = await program.run();
  storage.write(variable, exact);
  return loss!.data[0]!;
}

/**
 * Proves the gradients of every trainable parameter on the first examples of `data` (default: the last run's): the CPU in
 * doubles against finite differences, and the trainer's backend against the CPU.
 * @throws OptionError, DataError for what cannot be used.
 */
export async function gradcheck(
  trainer: Trainer,
  data?: Examples,
  options: GradcheckOptions = {},
  ...extra: never[]
): Promise<GradcheckReport> {
  checkOptions('gradcheck', options, GRADCHECK, extra);
  const inside = insideOf('gradcheck', trainer);
  const { x, y, scale } = firstRows('gradcheck', inside, data, options.rows);
  const { running } = inside;
  return running.life.during(() => checked(running, x, y, scale, options));
}

async function checked(
  model: Model,
  x: Values,
  y: Values,
  scale: Scale | undefined,
  options: GradcheckOptions = {},
): Promise<GradcheckReport> {
  const { entries = 24, finiteTolerance = 1e-6, backendTolerance = 1e-4 } = options;
  const traced = trace(model, toArray('x', x), toArray('y', y), scale);
  const inputs = { x: x.data, y: y.data };
  const exact = await referenceOf(model, traced, inputs);
  const program = await model.executor.compile(
    { outputs: outputsOf(traced) },
    { storages: [model.state.storage], label: 'gradcheck' },
  );
  try {
    const own = await program.run(inputs);
    const rows: GradcheckRow[] = [];
    for (const { path, variable } of traced.members) {
      const ref = exact.gradients.get(path)!;
      const finite = await finiteDifferences(exact, variable, path, ref, entries);
      const backendError = relativeError(own[`gradient ${path}`]!.data, ref);
      const pass = finite.finiteError <= finiteTolerance && backendError <= backendTolerance;
      rows.push({ path, shape: variable.shape, norm: norm(ref), ...finite, backendError, pass });
    }
    const lossError = Math.abs(own['loss']!.data[0]! - exact.loss) / Math.max(Math.abs(exact.loss), Number.MIN_VALUE);
    const pass = rows.every((row) => row.pass) && lossError <= backendTolerance;
    return { pass, rows, loss: exact.loss, lossError, finiteTolerance, backendTolerance };
  } finally {
    program.dispose();
    exact.dispose();
  }
}

/** A parameter's change, relative to weights of size 1: large enough for rounding, small enough for curvature. */
const STEP = 1e-5;
/** One-sided differences that differ by more than this share of the larger (and a curvature of 1) have a kink between them. */
const KINK = 1e-3;

/** Some entries of one gradient against (L(w + h) - L(w - h)) / 2h. */
async function finiteDifferences(
  exact: Reference,
  variable: Variable,
  path: string,
  gradient: HostArray,
  count: number,
): Promise<{ finiteError: number; entries: number; kinks: number }> {
  const chosen = choose(gradient, count, path);
  const got: number[] = [];
  const want: number[] = [];
  let kinks = 0;
  for (const index of chosen) {
    const up = await exact.lossAt(variable, index, STEP);
    const down = await exact.lossAt(variable, index, -STEP);
    const [right, left] = [(up - exact.loss) / STEP, (exact.loss - down) / STEP];
    if (Math.abs(right - left) > KINK * Math.max(Math.abs(right), Math.abs(left)) + STEP) {
      kinks++;
      continue;
    }
    got.push(gradient[index]!);
    want.push((up - down) / (2 * STEP));
  }
  // Rounding of the loss bounds what a difference can show: gradients below this norm cannot be told to 6 digits.
  const least = (Math.sqrt(want.length) * Number.EPSILON * Math.abs(exact.loss)) / STEP / 1e-6;
  const finiteError = distance(got, want) / Math.max(norm(want), least, Number.MIN_VALUE);
  return { finiteError, entries: got.length, kinks };
}

/** Entries of a gradient: half of them those of the largest magnitude among many, half anywhere. */
function choose(gradient: HostArray, count: number, path: string): number[] {
  const N = gradient.length;
  if (N <= count) return Array.from({ length: N }, (_, k) => k);
  const draws = uniforms(count * 16, 0, `gradcheck ${path}`);
  const anywhere = [...draws].map((u) => Math.min(Math.floor(u * N), N - 1));
  const large = [...new Set(anywhere)].sort((a, b) => Math.abs(gradient[b]!) - Math.abs(gradient[a]!));
  return [...new Set([...large.slice(0, count >> 1), ...anywhere])].slice(0, count);
}

/** ‖a - ref‖ / ‖ref‖; 0 where both are 0. */
function relativeError(a: ArrayLike<number>, ref: ArrayLike<number>): number {
  const difference = distance(a, ref);
  return difference === 0 ? 0 : difference / norm(ref);
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < b.length; i++) total += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(total);
}

function norm(a: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! ** 2;
  return Math.sqrt(total);
}
