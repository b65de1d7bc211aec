// Proving a model's gradients on one batch, twice: vjps against finite differences, in doubles on the CPU; and a backend's
// gradients against those of the CPU in doubles. Gradients near 0, as in a trained network, are mostly rounding, so errors are relative
// to at least what rounding explains.
import type { HostArray } from '../graph/dtype.ts';
import { COUNT, checkOptions, POSITIVE, type Schema, type WithDefaults } from '../graph/options.ts';
import { uniforms } from '../graph/random.ts';
import type { Shape } from '../graph/shape.ts';
import type { Variable } from '../graph/tensor.ts';
import { type Examples, feedsOf } from '../train/batch.ts';
import { firstRows, insideOf } from '../train/inside.ts';
import type { Looked } from '../train/inspection.ts';
import type { AnyTrainer } from '../train/trainer.ts';
import { type Model, outputsOf, type Reference, referenceOf, traceBatch } from './reference.ts';
import { distance, FLOAT_ROUNDING, roundingOf } from './rounding.ts';

/** Options of {@link gradcheck}. */
export interface GradcheckOptions {
  /** Examples of the data to check with. Default 8. */
  readonly rows?: number | undefined;
  /** Entries of each parameter compared with finite differences. Default 24. */
  readonly entries?: number | undefined;
  /** The maximum error against finite differences; see {@link GradcheckRow}. Default 1e-6. */
  readonly finiteTolerance?: number | undefined;
  /** The maximum error of the backend. Default 1e-4. */
  readonly backendTolerance?: number | undefined;
}

const GRADCHECK = {
  rows: [COUNT, 8],
  entries: [COUNT, 24],
  finiteTolerance: [POSITIVE, 1e-6],
  backendTolerance: [POSITIVE, 1e-4],
} satisfies Schema<GradcheckOptions>;

/**
 * One parameter's errors, as ‖g - ref‖ / max(‖ref‖, r): r is the norm at which rounding (of gradients to f32, of the loss in doubles)
 * alone reaches the tolerance. Gradients of a network that is not fully trained are well above r.
 */
export interface GradcheckRow {
  /** The parameter's path in the model: `hidden.weight`. */
  readonly path: string;
  /** The parameter's shape. */
  readonly shape: Shape;
  /** ‖ref‖: the norm of the gradient in doubles. */
  readonly norm: number;
  /** The error of the vjps in doubles against finite differences, over the checked entries. */
  readonly finiteError: number;
  /** Entries checked, and entries skipped because a kink (such as a ReLU's) lies within the difference. */
  readonly entries: number;
  /** Entries left out because a kink lies within the difference. */
  readonly kinks: number;
  /** The error of this backend against the CPU in doubles, over all entries. */
  readonly backendError: number;
  /** Whether both errors are within their tolerances. */
  readonly pass: boolean;
}

/** The errors of a model's gradients, as {@link gradcheck} measures them. */
export interface GradcheckReport {
  /** Whether every row passes and the backend's loss is within `backendTolerance`. */
  readonly pass: boolean;
  /** One row for each trainable parameter. */
  readonly rows: readonly GradcheckRow[];
  /** The loss of the batch in doubles, and the backend's error, relative as in {@link GradcheckRow}. */
  readonly loss: number;
  /** The relative error of the backend's loss against the one in doubles. */
  readonly lossError: number;
  /** The tolerance that `finiteError` was compared with. */
  readonly finiteTolerance: number;
  /** The tolerance that `backendError` and `lossError` were compared with. */
  readonly backendTolerance: number;
}

/**
 * Proves the gradients of every trainable parameter on the first examples of `data` (default: the last run's): the CPU in
 * doubles against finite differences, and the trainer's backend against the CPU.
 * @throws OptionError, DataError for invalid arguments.
 */
export async function gradcheck(
  trainer: AnyTrainer,
  data?: Examples,
  options: GradcheckOptions = {},
  ...extra: never[]
): Promise<GradcheckReport> {
  const how = checkOptions('gradcheck', options, GRADCHECK, extra);
  const inside = insideOf('gradcheck', trainer);
  const batch = firstRows('gradcheck', inside, data, how.rows);
  const { running } = inside;
  return running.life.during(() => checked(running, batch, how));
}

async function checked(
  model: Model,
  batch: Looked,
  { entries, finiteTolerance, backendTolerance }: WithDefaults<GradcheckOptions, typeof GRADCHECK>,
): Promise<GradcheckReport> {
  const traced = traceBatch(model, batch);
  const rounding = await roundingOf(model, batch);
  const inputs = feedsOf(batch);
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
      const finite = await finiteDifferences(exact, variable, path, ref, entries, rounding.loss);
      const least = (ROUNDINGS * rounding.gradients.get(path)!) / backendTolerance;
      const backendError = distance(own[`gradient ${path}`]!.data, ref) / Math.max(norm(ref), least, Number.MIN_VALUE);
      const pass = finite.finiteError <= finiteTolerance && backendError <= backendTolerance;
      rows.push({ path, shape: variable.shape, norm: norm(ref), ...finite, backendError, pass });
    }
    const least = Math.max(Math.abs(exact.loss), (ROUNDINGS * rounding.loss) / backendTolerance, Number.MIN_VALUE);
    const lossError = Math.abs(own['loss']!.data[0]! - exact.loss) / least;
    const pass = rows.every((row) => row.pass) && lossError <= backendTolerance;
    return { pass, rows, loss: exact.loss, lossError, finiteTolerance, backendTolerance };
  } finally {
    program.dispose();
    exact.dispose();
  }
}

/** A backend's error may be this many times the change that one rounding per value causes. */
const ROUNDINGS = 16;
/** A parameter's change, relative to weights of size 1: large enough for rounding, small enough for curvature. */
const STEP = 1e-5;
/** One-sided differences that differ by more than this fraction of the larger have a kink or much curvature between them. */
const KINK = 1e-3;

/** Some entries of one gradient against (L(w + h) - L(w - h)) / 2h. `lossRounding` is the rounding error of the loss in f32. */
async function finiteDifferences(
  exact: Reference,
  variable: Variable,
  path: string,
  gradient: HostArray,
  count: number,
  lossRounding: number,
): Promise<{ finiteError: number; entries: number; kinks: number }> {
  const chosen = choose(gradient, count, path);
  const got: number[] = [];
  const want: number[] = [];
  let kinks = 0;
  // Rounding of the loss in doubles limits the resolution of a difference.
  const blur = (Number.EPSILON * Math.max(Math.abs(exact.loss), lossRounding / FLOAT_ROUNDING)) / STEP;
  for (const index of chosen) {
    const slope = await slopeAt(exact, variable, index, blur);
    if (slope === undefined) kinks++;
    else {
      got.push(gradient[index]!);
      want.push(slope);
    }
  }
  // Gradients below this norm cannot be resolved to 6 digits.
  const least = (Math.sqrt(want.length) * blur) / 1e-6;
  const finiteError = distance(got, want) / Math.max(norm(want), least, Number.MIN_VALUE);
  return { finiteError, entries: got.length, kinks };
}

/**
 * ∂loss / ∂weight by differences. If curvature dominates the slope, as in a trained network, a second, doubled step distinguishes a curve,
 * for which one-sided differences are twice as far apart, from a kink, and extrapolates (Richardson). Undefined at a kink.
 */
async function slopeAt(exact: Reference, variable: Variable, index: number, blur: number): Promise<number | undefined> {
  const sides = async (step: number) => {
    const up = await exact.lossAt(variable, index, step);
    const down = await exact.lossAt(variable, index, -step);
    return [(up - exact.loss) / step, (exact.loss - down) / step] as const;
  };
  const [right, left] = await sides(STEP);
  const slope = (right + left) / 2;
  const bend = right - left;
  if (Math.abs(bend) <= KINK * Math.max(Math.abs(right), Math.abs(left))) return slope;
  const [farRight, farLeft] = await sides(2 * STEP);
  if (Math.abs(farRight - farLeft - 2 * bend) > KINK * Math.abs(bend) + 4 * blur) return undefined;
  return (4 * slope - (farRight + farLeft) / 2) / 3;
}

/** Entries of a gradient: half of them the largest in magnitude of a larger sample, half at random. */
function choose(gradient: HostArray, count: number, path: string): number[] {
  const N = gradient.length;
  if (N <= count) return Array.from({ length: N }, (_, k) => k);
  const draws = uniforms(count * 16, 0, `gradcheck ${path}`);
  const anywhere = [...draws].map((u) => Math.min(Math.floor(u * N), N - 1));
  const large = [...new Set(anywhere)].sort((a, b) => Math.abs(gradient[b]!) - Math.abs(gradient[a]!));
  return [...new Set([...large.slice(0, count >> 1), ...anywhere])].slice(0, count);
}

function norm(a: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! ** 2;
  return Math.sqrt(total);
}
