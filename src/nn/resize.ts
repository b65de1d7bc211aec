// Layers that change the size of images (N, H, W, C): Upsample, and padding by each mode.
import { checkExtra, checkValue } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { PadMode } from '../ops/movement.ts';
import { pad } from '../ops/pad.ts';
import { checkTensors } from '../ops/tensors.ts';
import { type UpsampleOptions, upsampleNamed, upsampleOptions } from '../ops/upsample.ts';
import { type ImagePadding, imageSizes, PADDING_SIDES, type Sides, sides } from '../ops/window.ts';
import { captured, type NamedLayer, nameOf } from './layer.ts';

/** Images in another size: `new nn.Upsample({ scale: 2 })`, `new nn.Upsample({ size: [28, 28], mode: 'bilinear' })`. PyTorch's `Upsample`. */
export class Upsample implements NamedLayer {
  readonly kind = 'Upsample';
  /** The options, with their defaults. */
  readonly options: UpsampleOptions;

  /** @throws OptionError for both or neither of size and scale */
  constructor(options: UpsampleOptions, ...extra: never[]) {
    this.options = upsampleOptions('Upsample', options, extra);
  }

  /** x (N, H, W, C) to y (N, OH, OW, C). */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, upsampleNamed(nameOf(this), x, this.options, []), extra);
  }
}

/** The four sides of a layer's padding. */
function checkedSides(layer: string, padding: ImagePadding, extra: readonly unknown[]): Sides {
  checkValue(layer, 'the padding', padding, PADDING_SIDES);
  checkExtra(layer, extra);
  return sides(layer, padding, { kernel: [1, 1], stride: [1, 1], dilation: [1, 1] });
}

function padded(layer: NamedLayer, x: Tensor, padding: Sides, mode: PadMode, extra: readonly unknown[]): Tensor {
  checkTensors(nameOf(layer), { x });
  imageSizes(nameOf(layer), x);
  const [top, bottom, left, right] = padding;
  return captured(layer, pad(x, [0, top, left], [0, bottom, right], { mode }), extra);
}

/**
 * Zeros around images: `new nn.ZeroPad2d(1)`, `new nn.ZeroPad2d([top, bottom, left, right])`, where PyTorch's `ZeroPad2d` has left, right,
 * top, bottom.
 */
export class ZeroPad2d implements NamedLayer {
  readonly kind = 'ZeroPad2d';
  /** On all four sides. */
  readonly padding: Sides;

  constructor(padding: ImagePadding, ...extra: never[]) {
    this.padding = checkedSides('ZeroPad2d', padding, extra);
  }

  /** x (N, H, W, C) to y (N, top + H + bottom, left + W + right, C). */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return padded(this, x, this.padding, 'constant', extra);
  }
}

/**
 * Images mirrored at their edges, which are not repeated: `new nn.ReflectionPad2d([top, bottom, left, right])`, where PyTorch's
 * `ReflectionPad2d` has left, right, top, bottom.
 */
export class ReflectionPad2d implements NamedLayer {
  readonly kind = 'ReflectionPad2d';
  /** On all four sides. */
  readonly padding: Sides;

  constructor(padding: ImagePadding, ...extra: never[]) {
    this.padding = checkedSides('ReflectionPad2d', padding, extra);
  }

  /** x (N, H, W, C) to y (N, top + H + bottom, left + W + right, C). @throws ShapeError if a side is as large as the image */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return padded(this, x, this.padding, 'reflect', extra);
  }
}

/**
 * Images with their edges repeated: `new nn.ReplicationPad2d([top, bottom, left, right])`, where PyTorch's `ReplicationPad2d` has left,
 * right, top, bottom.
 */
export class ReplicationPad2d implements NamedLayer {
  readonly kind = 'ReplicationPad2d';
  /** On all four sides. */
  readonly padding: Sides;

  constructor(padding: ImagePadding, ...extra: never[]) {
    this.padding = checkedSides('ReplicationPad2d', padding, extra);
  }

  /** x (N, H, W, C) to y (N, top + H + bottom, left + W + right, C). */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return padded(this, x, this.padding, 'replicate', extra);
  }
}

/**
 * Images padded by wrapping around: `new nn.CircularPad2d([top, bottom, left, right])`, where PyTorch's `CircularPad2d` has left,
 * right, top, bottom.
 */
export class CircularPad2d implements NamedLayer {
  readonly kind = 'CircularPad2d';
  /** On all four sides. */
  readonly padding: Sides;

  constructor(padding: ImagePadding, ...extra: never[]) {
    this.padding = checkedSides('CircularPad2d', padding, extra);
  }

  /** x (N, H, W, C) to y (N, top + H + bottom, left + W + right, C). @throws ShapeError if a side is larger than the image */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return padded(this, x, this.padding, 'circular', extra);
  }
}
