// Sequential and Flatten: layers one after another, and the step from images to Linear.
import { OptionError, ShapeError } from '../graph/errors.ts';
import { NUMBER, oneOf, optionsOf, type Schema, show } from '../graph/options.ts';
import { formatShape, sizeOf } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { transpose } from '../ops/movement.ts';
import { reshape } from '../ops/reshape.ts';
import { checkTensors } from '../ops/tensors.ts';
import { captured, type Layer, type NamedLayer, nameOf } from './layer.ts';

/** Applies each layer or function to the previous one's output; the layers' paths are `layers.0`, `layers.1`, … */
export class Sequential implements NamedLayer {
  readonly kind = 'Sequential';
  /** The layers and functions, in the order of their use. */
  readonly layers: readonly (Layer | ((x: Tensor) => Tensor))[];

  /** @throws OptionError if a member is not a function and has no forward. */
  constructor(...layers: readonly (Layer | ((x: Tensor) => Tensor))[]) {
    for (const [k, layer] of layers.entries()) {
      if (typeof layer === 'function' && typeof layer.prototype?.forward === 'function')
        throw new OptionError(
          `Sequential: member ${k} is the class ${layer.name}. Give an instance: new ${layer.name}(…).`,
        );
      if (typeof layer !== 'function' && typeof (layer as Partial<Layer> | undefined)?.forward !== 'function') {
        const advice = Array.isArray(layer)
          ? 'Leave out the brackets: new Sequential(a, b)'
          : 'Give objects with a forward method, or functions';
        throw new OptionError(
          `Sequential: member ${k} is ${show(layer)}, which is neither a layer nor a function. ${advice}.`,
        );
      }
    }
    this.layers = layers;
  }

  /** The last layer's output for x. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    checkTensors(nameOf(this), { x }, extra);
    return captured(
      this,
      this.layers.reduce((y, layer) => (typeof layer === 'function' ? layer(y) : layer.forward(y)), x),
    );
  }
}

/** Options of {@link Flatten}. */
export interface FlattenOptions {
  /** The first axis to merge. Default 1. */
  readonly startAxis?: number | undefined;
  /**
   * The order of the elements: 'channels-last' is that of x; 'channels-first' that of PyTorch, (N, C, H, W), which a `Linear` with weights
   * from there expects. Default 'channels-last'.
   */
  readonly order?: 'channels-last' | 'channels-first' | undefined;
}

const FLATTEN = {
  startAxis: [NUMBER, 1],
  order: [oneOf('channels-last', 'channels-first'), 'channels-last'],
} satisfies Schema<FlattenOptions>;

/**
 * Merges all axes from `startAxis` into one: `new nn.Flatten()`, `new nn.Flatten(2)`, `new nn.Flatten({ order: 'channels-first' })`. Default
 * startAxis 1: keeps the batch axis.
 */
export class Flatten implements NamedLayer {
  readonly kind = 'Flatten';
  /** The first of the axes that become one. */
  readonly startAxis: number;
  /** The order of the elements. */
  readonly order: 'channels-last' | 'channels-first';

  constructor(startAxis?: number);
  constructor(options: FlattenOptions);
  constructor(...axis: readonly unknown[]) {
    const { startAxis, order } = optionsOf<FlattenOptions, typeof FLATTEN>('Flatten', 'startAxis', axis, FLATTEN);
    if (!Number.isSafeInteger(startAxis) || startAxis < 0) {
      throw new OptionError(`Flatten: startAxis is ${startAxis}. Use a whole number from 0.`);
    }
    if (order === 'channels-first' && startAxis !== 1)
      throw new OptionError(
        `Flatten: order 'channels-first' needs startAxis 1, the axis after the batch, not ${startAxis}.`,
      );
    this.startAxis = startAxis;
    this.order = order;
  }

  /** x (N, H, W, C) or (N, L, C), or of any rank, to (N, H · W · C), with startAxis 1. @throws ShapeError if x has fewer than `startAxis` axes. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    checkTensors(nameOf(this), { x }, extra);
    const start = this.startAxis;
    if (x.rank < start) {
      throw new ShapeError(
        `${nameOf(this)}: x ${formatShape(x.shape)} has no axis ${start - 1}. Give it a batch axis.`,
      );
    }
    const merged = [...x.shape.slice(0, start), sizeOf(x.shape.slice(start))];
    return captured(this, reshape(this.order === 'channels-first' && x.rank > 2 ? channelsFirst(x) : x, merged));
  }
}

/** x (N, …, C) as (N, C, …). */
function channelsFirst(x: Tensor): Tensor {
  const inner = Array.from({ length: x.rank - 2 }, (_, k) => k + 1);
  return transpose(x, [0, x.rank - 1, ...inner]);
}
