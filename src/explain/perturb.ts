// "If I increase this weight slightly, does the error go up or down, and by how much?" Answered twice: by the gradient, and by trying.
import { OptionError } from '../graph/errors.ts';
import type { Executor } from '../graph/executor.ts';
import { COUNT, checkOptions, checkValue, NUMBERS, POSITIVE, type Schema, STRING } from '../graph/options.ts';
import { formatShape, type Shape, stridesOf } from '../graph/shape.ts';
import type { Examples } from '../train/batch.ts';
import { firstRows, insideOf } from '../train/inside.ts';
import type { Looked } from '../train/inspection.ts';
import type { State } from '../train/state.ts';
import type { Task } from '../train/task.ts';
import type { AnyTrainer } from '../train/trainer.ts';
import { reference } from './reference.ts';

/** What a small increase of one weight does to the loss, as {@link perturb} computes it. */
export interface Perturbation {
  /** The parameter's path in the model: `hidden.weight`. */
  readonly path: string;
  /** The weight's index, one number for each axis of the parameter. */
  readonly index: readonly number[];
  /** The current weight, and its increase. */
  readonly value: number;
  /** The increase of the weight. */
  readonly delta: number;
  /** The loss of the batch before and after, in doubles. */
  readonly loss: number;
  /** The loss with the weight increased. */
  readonly lossAfter: number;
  /** `lossAfter - loss`. */
  readonly change: number;
  /** ∂loss / ∂weight: the change per unit of the weight, for small changes. */
  readonly derivative: number;
  /** The direction of the loss for a slight increase, by the gradient. */
  readonly direction: 'up' | 'down' | 'unchanged';
}

/** Options of {@link perturb}. */
export interface PerturbOptions {
  /** The increase of the weight. Default 0.001. */
  readonly delta?: number | undefined;
  /** Examples of the data. Default 8. */
  readonly rows?: number | undefined;
}

const SCHEMA = { delta: [POSITIVE, 0.001], rows: [COUNT, 8] } satisfies Schema<PerturbOptions>;

/**
 * Whether the loss of the first examples of `data` (default: the last run's) goes up or down if one weight increases slightly, and
 * by how much: on the CPU in doubles. The trainer is unchanged.
 * @throws OptionError for a path or an index that the model does not have.
 */
export async function perturb(
  trainer: AnyTrainer,
  path: string,
  index: readonly number[],
  data?: Examples,
  options: PerturbOptions = {},
  ...extra: never[]
): Promise<Perturbation> {
  checkValue('perturb', 'the path', path, STRING);
  checkValue('perturb', 'the index', index, NUMBERS);
  const { delta, rows } = checkOptions('perturb', options, SCHEMA, extra);
  const inside = insideOf('perturb', trainer);
  const batch = firstRows('perturb', inside, data, rows);
  const { running } = inside;
  return running.life.during(() => perturbed(running, path, index, batch, delta));
}

async function perturbed(
  model: { executor: Executor; state: State; task: Task },
  path: string,
  index: readonly number[],
  batch: Looked,
  delta: number,
): Promise<Perturbation> {
  const variable = model.state.variable(path);
  if (!model.state.trained.some((named) => named.variable === variable))
    throw new OptionError(`perturb: ${path} is not trained. Choose a trainable parameter.`);
  const flat = flatIndex(path, index, variable.shape);
  const exact = await reference(model, batch);
  try {
    const value = (await model.state.read(path))[flat]!;
    const derivative = exact.gradients.get(path)![flat]!;
    const lossAfter = await exact.lossAt(variable, flat, delta);
    const direction = derivative > 0 ? 'up' : derivative < 0 ? 'down' : 'unchanged';
    const { loss } = exact;
    return { path, index, value, delta, loss, lossAfter, change: lossAfter - loss, derivative, direction };
  } finally {
    exact.dispose();
  }
}

function flatIndex(path: string, index: readonly number[], shape: Shape): number {
  const inside =
    index.length === shape.length && index.every((i, axis) => Number.isInteger(i) && i >= 0 && i < shape[axis]!);
  if (!inside) {
    throw new OptionError(
      `perturb: ${path} ${formatShape(shape)} has no entry ${formatShape(index)}. Give ${shape.length} indices, each from 0 and below its size.`,
    );
  }
  const strides = stridesOf(shape);
  return index.reduce((flat, i, axis) => flat + i * strides[axis]!, 0);
}
