// What ops refuse before they look at shapes: arguments that are no tensors, and axes that are no numbers.
import { ShapeError } from '../graph/errors.ts';
import { checkExtra, type Kind, show } from '../graph/options.ts';
import { Tensor } from '../graph/tensor.ts';

/** Refuses what is no tensor, by the name of its argument, and arguments beyond those the op takes. */
export function checkTensors(
  op: string,
  tensors: Readonly<Record<string, unknown>>,
  extra: readonly unknown[] = [],
): void {
  for (const [name, x] of Object.entries(tensors)) {
    if (!(x instanceof Tensor))
      throw new ShapeError(`${op}: ${name} is ${show(x)}, and no tensor. Give one, such as constant([1, 2]).`);
  }
  checkExtra(op, extra);
}

/** One axis, or several. */
export type Axis = number | readonly number[];

/** Which axis the rows lie along; the last unless said. */
export interface AxisOptions {
  readonly axis?: number;
}

/** Whether an axis that is reduced stays, with size 1. */
export interface KeepDims {
  /** Default false. */
  readonly keepDims?: boolean;
}

/** Which axis to reduce, the last unless said, and whether it stays. */
export interface KeptAxisOptions extends AxisOptions, KeepDims {}

export const ONE_AXIS: Kind = { advice: 'Give one axis, such as -1.', fits: Number.isInteger };
export const AXES: Kind = {
  advice: 'Give an axis or an array of them, such as 0 or [0, 1].',
  fits: (v) => [v].flat().every(Number.isInteger),
};
