// The scales of a model with several tensors, each with its own, by the names of inputs and targets: `x.pixels`.
import { type ByteScale, isBytes, isScale, kindOfTargets, type Values } from '../data/dataset.ts';
import { isSeveral, mapParts, type Nested, partName } from '../graph/nested.ts';
import { namedParts } from './batch.ts';

/** Scales by the names of tensors. */
export type PartScales = Readonly<Record<string, ByteScale>>;
/** How a model reads bytes: by one scale, or each tensor by its own. */
export type ModelScale = ByteScale | PartScales;

/** A batch, or a data set. */
interface Read {
  readonly x: Nested<Values>;
  readonly y?: Nested<Values> | undefined;
}

export function hasSeveral({ x, y }: Read): boolean {
  return isSeveral(x) || isSeveral(y);
}

export function isPartScales(scale: unknown): scale is PartScales {
  if (typeof scale !== 'object' || scale === null || Array.isArray(scale) || isScale(scale)) return false;
  return Object.values(scale).every((one) => one === false || isScale(one));
}

/** A model's scale for a tensor. */
export function scaleAt(model: ModelScale | undefined, part: string): ByteScale | undefined {
  return isPartScales(model) ? model[part] : model;
}

/** Whether a tensor is bytes that are read by a scale: class indices are not. */
function isRead(part: string, values: Values): boolean {
  return isBytes(values) && (part.startsWith('x') || kindOfTargets(values) === 'values');
}

/** The same with each tensor of bytes given the scale that `choose` returns for its name and own scale. */
export function withPartScales<R extends Read>(
  read: R,
  choose: (part: string, own: ByteScale | undefined) => ByteScale,
): R {
  const scaled = (whole: string) => (values: Values, name: string | undefined) => {
    const part = partName(whole, name);
    return isRead(part, values) ? { ...values, scale: choose(part, values.scale) } : values;
  };
  return { ...read, x: mapParts(read.x, scaled('x')), ...(read.y && { y: mapParts(read.y, scaled('y')) }) };
}

/** The scales of several tensors; undefined if none is of bytes. */
export function partScalesOf(read: Read): PartScales | undefined {
  const scales = namedParts(read).filter(([part, values]) => isRead(part, values));
  return scales.length === 0 ? undefined : Object.fromEntries(scales.map(([part, { scale }]) => [part, scale!]));
}
