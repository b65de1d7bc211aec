// What ops check before they look at shapes: that arguments are tensors, and axes numbers.
import { OptionError, ShapeError } from '../graph/errors.ts';
import { BOOLEAN, checkExtra, type Kind, type Schema, show } from '../graph/options.ts';
import { Tensor } from '../graph/tensor.ts';

/** Refuses an argument that is not a tensor, by its name, and extra arguments. */
export function checkTensors(
  op: string,
  tensors: Readonly<Record<string, unknown>>,
  extra: readonly unknown[] = [],
): void {
  for (const [name, x] of Object.entries(tensors)) {
    if (!(x instanceof Tensor))
      throw new ShapeError(`${op}: ${name} is ${show(x)}, not a tensor. Give one, such as constant([1, 2]).`);
  }
  checkExtra(op, extra);
}

/** One axis, or several. */
export type Axis = number | readonly number[];

/** The axis that rows lie along. */
export interface AxisOptions {
  /** One axis; a negative one counts from the last. */
  readonly axis?: number | undefined;
}

/** Whether to keep a reduced axis, with size 1. */
export interface KeepDims {
  /** Whether to keep the reduced axes, with size 1. Default false. */
  readonly keepDims?: boolean;
}

/** The axis to reduce, and whether to keep it. Default axis -1, not kept. */
export interface KeptAxisOptions extends AxisOptions, KeepDims {}

/** Refuses axes one by one, as in `x.sum(0, 1)`, where PyTorch's second number is `keepdim`. */
export function refuseLooseAxes(op: string, given: readonly unknown[], all: readonly unknown[] = given): void {
  if (given.length > 1 && given.every(Number.isInteger))
    throw new OptionError(`${op}: its axes are given one by one. Give them in an array: x.${op}([${all.join(', ')}]).`);
}

export const ONE_AXIS: Kind = { advice: 'Give one axis, such as -1.', fits: Number.isInteger };
export const AXES: Kind = {
  advice: 'Give an axis or an array of them, such as 0 or [0, 1].',
  fits: (v) => [v].flat().every(Number.isInteger),
};

export const LAST_AXIS = { axis: [ONE_AXIS, -1] } satisfies Schema<AxisOptions>;
export const KEPT_LAST_AXIS = { ...LAST_AXIS, keepDims: [BOOLEAN, false] } satisfies Schema<KeptAxisOptions>;
