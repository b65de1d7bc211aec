// What a layer is (anything with a forward) and the few things the layers here share: parameters, checks of sizes, a name
// for errors, and a name under which the output can be looked at.
import { ShapeError } from '../graph/errors.ts';
import { checkExtra, checkValue, show } from '../graph/options.ts';
import { pathOf } from '../graph/paths.ts';
import type { Shape } from '../graph/shape.ts';
import { INITIALIZER, type Initializer, type Tensor, Variable } from '../graph/tensor.ts';
import { capture, occurrence } from '../graph/trace.ts';

/** Anything with a forward from one tensor to another. No base class: variables are found by walking the model. */
export interface Layer {
  /** The layer's output for x. */
  forward(x: Tensor): Tensor;
}

/** A layer of this folder; it knows its name even if a bundler has minified the class name. */
export interface NamedLayer extends Layer {
  /** Its class name, which errors and `summary()` show. */
  readonly kind: string;
}

/** A trainable variable: `nn.parameter([2, 3], nn.init.zeros)`. @throws OptionError if `initial` is no function. */
export function parameter(shape: Shape, initial: Initializer, ...extra: never[]): Variable {
  checkExtra('parameter', extra);
  checkValue('parameter', 'initial', initial, INITIALIZER);
  return new Variable(shape, { initial, trainable: true });
}

/** Refuses a size that is not a whole number >= 1, by the name of its argument. */
export function checkSize(
  layer: string,
  name: string,
  size: unknown,
  advice = 'Give a whole number of at least 1.',
): void {
  if (Number.isSafeInteger(size) && (size as number) >= 1) return;
  throw new ShapeError(`${layer}: ${name} is ${show(size)}. ${advice}`);
}

/** A layer's name in errors: `Linear hidden`, or `Linear` if it is in no model or is the model. */
export function nameOf(layer: NamedLayer): string {
  return [layer.kind, pathOf(layer)].filter(Boolean).join(' ');
}

/** The layer's output, named by its path: `hidden`, and `hidden#2` at the layer's second use. */
export function captured(layer: NamedLayer, y: Tensor, extra: readonly unknown[] = []): Tensor {
  checkExtra(nameOf(layer), extra);
  const name = pathOf(layer) || layer.kind;
  const times = occurrence(`capture ${name}`);
  return capture(times === 0 ? name : `${name}#${times + 1}`, y);
}
