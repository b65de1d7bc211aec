// Pools whose windows follow from the size of the result, over images (N, H, W, C) and sequences (N, L, C).
import { COUNT, checkExtra, checkValue } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { adaptiveAvgPoolNamed, adaptiveMaxPoolNamed } from '../ops/adaptive-pool.ts';
import { mean } from '../ops/reduce.ts';
import { checkTensors } from '../ops/tensors.ts';
import { imageSizes, type Pair, SIZES } from '../ops/window.ts';
import { captured, type NamedLayer, nameOf } from './layer.ts';
import { overSequence } from './sequence.ts';

/** The mean of each of `outputSize` windows of images, whatever their size: `new nn.AdaptiveAvgPool2d([7, 7])`. PyTorch's `AdaptiveAvgPool2d`. */
export class AdaptiveAvgPool2d implements NamedLayer {
  readonly kind = 'AdaptiveAvgPool2d';
  /** The height and width of the result. */
  readonly outputSize: Pair;

  constructor(outputSize: Pair, ...extra: never[]) {
    checkValue('AdaptiveAvgPool2d', 'outputSize', outputSize, SIZES);
    checkExtra('AdaptiveAvgPool2d', extra);
    this.outputSize = outputSize;
  }

  /** x (N, H, W, C) to y (N, ...outputSize, C). */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, adaptiveAvgPoolNamed(nameOf(this), x, this.outputSize, []), extra);
  }
}

/** The maximum of each of `outputSize` windows of images, whatever their size. PyTorch's `AdaptiveMaxPool2d`. */
export class AdaptiveMaxPool2d implements NamedLayer {
  readonly kind = 'AdaptiveMaxPool2d';
  /** The height and width of the result. */
  readonly outputSize: Pair;

  constructor(outputSize: Pair, ...extra: never[]) {
    checkValue('AdaptiveMaxPool2d', 'outputSize', outputSize, SIZES);
    checkExtra('AdaptiveMaxPool2d', extra);
    this.outputSize = outputSize;
  }

  /** x (N, H, W, C) to y (N, ...outputSize, C). */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, adaptiveMaxPoolNamed(nameOf(this), x, this.outputSize, []), extra);
  }
}

/** The mean of each of `outputSize` windows of sequences, whatever their length. PyTorch's `AdaptiveAvgPool1d`. */
export class AdaptiveAvgPool1d implements NamedLayer {
  readonly kind = 'AdaptiveAvgPool1d';
  /** The length of the result. */
  readonly outputSize: number;

  constructor(outputSize: number, ...extra: never[]) {
    checkValue('AdaptiveAvgPool1d', 'outputSize', outputSize, COUNT);
    checkExtra('AdaptiveAvgPool1d', extra);
    this.outputSize = outputSize;
  }

  /** x (N, L, C) to y (N, outputSize, C). */
  forward(x: Tensor, ...extra: never[]): Tensor {
    const name = nameOf(this);
    const y = overSequence(name, x, (images) => adaptiveAvgPoolNamed(name, images, [1, this.outputSize], []));
    return captured(this, y, extra);
  }
}

/** The maximum of each of `outputSize` windows of sequences, whatever their length. PyTorch's `AdaptiveMaxPool1d`. */
export class AdaptiveMaxPool1d implements NamedLayer {
  readonly kind = 'AdaptiveMaxPool1d';
  /** The length of the result. */
  readonly outputSize: number;

  constructor(outputSize: number, ...extra: never[]) {
    checkValue('AdaptiveMaxPool1d', 'outputSize', outputSize, COUNT);
    checkExtra('AdaptiveMaxPool1d', extra);
    this.outputSize = outputSize;
  }

  /** x (N, L, C) to y (N, outputSize, C). */
  forward(x: Tensor, ...extra: never[]): Tensor {
    const name = nameOf(this);
    const y = overSequence(name, x, (images) => adaptiveMaxPoolNamed(name, images, [1, this.outputSize], []));
    return captured(this, y, extra);
  }
}

/** The mean of each channel over the whole image, without its axes: Keras's `GlobalAveragePooling2D`. */
export class GlobalAvgPool2d implements NamedLayer {
  readonly kind = 'GlobalAvgPool2d';
  constructor(...extra: never[]) {
    checkExtra('GlobalAvgPool2d', extra);
  }

  /** x (N, H, W, C) to y (N, C). */
  forward(x: Tensor, ...extra: never[]): Tensor {
    checkTensors(nameOf(this), { x });
    imageSizes(nameOf(this), x);
    return captured(this, mean(x, [1, 2]), extra);
  }
}
