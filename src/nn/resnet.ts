// Residual networks of basic blocks (He et al. 2015, https://arxiv.org/abs/1512.03385) under torchvision's names, so that files of its
// weights load as they are. The blocks of a stage are an array, whose members' paths are `layer1.0`, `layer1.1`, …
import { OptionError } from '../graph/errors.ts';
import { COUNT, checkOptions, type Kind, oneOf, type Schema } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { relu } from '../ops/activations.ts';
import { add } from '../ops/binary.ts';
import { maxPool } from '../ops/max-pool.ts';
import { mean } from '../ops/reduce.ts';
import { checkTensors } from '../ops/tensors.ts';
import { BatchNorm2d } from './batch-norm.ts';
import { Conv2d } from './conv.ts';
import { kaimingNormal } from './init.ts';
import { captured, type NamedLayer, nameOf } from './layer.ts';
import { Linear } from './linear.ts';

/** A convolution without bias, since batch norm follows: initially N(0, 2 / (out · kernel elements)), as torchvision's. */
function convolution(inChannels: number, outChannels: number, kernel: number, stride: number): Conv2d {
  return new Conv2d(inChannels, outChannels, kernel, {
    stride,
    padding: (kernel - 1) / 2,
    bias: false,
    initialWeight: kaimingNormal({ fan: 'out', nonlinearity: 'relu' }),
  });
}

/** Options of {@link BasicBlock}. */
export interface BasicBlockOptions {
  /** Of the first convolution: 2 halves the image. Default 1. */
  readonly stride?: number | undefined;
}

const BLOCK = { stride: [COUNT, 1] } satisfies Schema<BasicBlockOptions>;

/**
 * relu(f(x) + x), where f is two 3 x 3 convolutions, each with batch norm, and a relu between them. Where f changes the shape, x takes a
 * 1 x 1 convolution with batch norm (`downsample`). He et al. 2015, torchvision's `BasicBlock`.
 */
export class BasicBlock implements NamedLayer {
  readonly kind = 'BasicBlock';
  /** 3 x 3, with the block's stride. */
  readonly conv1: Conv2d;
  /** After `conv1`. */
  readonly bn1: BatchNorm2d;
  /** 3 x 3. */
  readonly conv2: Conv2d;
  /** After `conv2`. */
  readonly bn2: BatchNorm2d;
  /** What x goes through beside the convolutions; undefined if they keep its shape. */
  readonly downsample: readonly [Conv2d, BatchNorm2d] | undefined;

  constructor(inChannels: number, outChannels: number, options: BasicBlockOptions = {}, ...extra: never[]) {
    const { stride } = checkOptions('BasicBlock', options, BLOCK, extra);
    this.conv1 = convolution(inChannels, outChannels, 3, stride);
    this.bn1 = new BatchNorm2d(outChannels);
    this.conv2 = convolution(outChannels, outChannels, 3, 1);
    this.bn2 = new BatchNorm2d(outChannels);
    this.downsample =
      stride === 1 && inChannels === outChannels
        ? undefined
        : [convolution(inChannels, outChannels, 1, stride), new BatchNorm2d(outChannels)];
  }

  /** x (N, H, W, in) to (N, OH, OW, out), OH = ceil(H / stride). @throws ShapeError if x has another shape. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    checkTensors(nameOf(this), { x }, extra);
    const { conv1, bn1, conv2, bn2, downsample = [] } = this;
    const h = relu(bn1.forward(conv1.forward(x)));
    const shortcut = downsample.reduce((y, layer) => layer.forward(y), x);
    return captured(this, relu(add(bn2.forward(conv2.forward(h)), shortcut)));
  }
}

/** Options of {@link resnet18}. */
export interface ResNet18Options {
  /** The number of outputs. Default 1000. */
  readonly classes?: number | undefined;
  /** The channels of an image. Default 3. */
  readonly channels?: number | undefined;
  /**
   * `imagenet`: a 7 x 7 convolution of stride 2, then max pooling of stride 2, for images of about 224 x 224. `cifar`: a 3 x 3 convolution of
   * stride 1, for small ones. Default 'imagenet'.
   */
  readonly stem?: 'imagenet' | 'cifar' | undefined;
}

/** Options of {@link resnet20}. */
export interface ResNet20Options {
  /** The number of outputs. Default 10. */
  readonly classes?: number | undefined;
  /** The channels of an image. Default 3. */
  readonly channels?: number | undefined;
}

/** Options of {@link ResNet}. */
export interface ResNetOptions extends ResNet18Options {
  /** The blocks of each stage: [2, 2, 2, 2] for ResNet-18, [3, 4, 6, 3] for ResNet-34. */
  readonly blocks: readonly number[];
  /** The channels of the first stage, which double from stage to stage. Default 64. */
  readonly width?: number | undefined;
}

const BLOCKS: Kind = {
  advice: 'Give the blocks of each stage, such as [2, 2, 2, 2].',
  fits: (v) => Array.isArray(v) && v.length > 0 && v.every(COUNT.fits),
};
const SMALL = { classes: [COUNT, 10], channels: [COUNT, 3] } satisfies Schema<ResNet20Options>;
const LARGE = {
  classes: [COUNT, 1000],
  channels: [COUNT, 3],
  stem: [oneOf('imagenet', 'cifar'), 'imagenet'],
} satisfies Schema<ResNet18Options>;
const ANY = { ...LARGE, blocks: BLOCKS, width: [COUNT, 64] } satisfies Schema<ResNetOptions>;

/**
 * A residual network of basic blocks: a stem (`conv1`, `bn1`), stages of blocks (`layer1`, `layer2`, …), of which all but the first halve
 * the image, the mean over its pixels, and a linear layer (`fc`). Names, and initial values, are torchvision's.
 */
export class ResNet implements NamedLayer {
  readonly kind = 'ResNet';
  /** The stem's convolution. */
  readonly conv1: Conv2d;
  /** After `conv1`. */
  readonly bn1: BatchNorm2d;
  /** The stages, each a list of blocks: `layer1`, `layer2`, … */
  readonly [stage: `layer${number}`]: readonly BasicBlock[];
  /** The last layer; declared only, so that it is the last property too. */
  declare readonly fc: Linear;
  readonly #stem: 'imagenet' | 'cifar';
  readonly #stages: readonly (readonly BasicBlock[])[];

  /** @throws OptionError if `blocks` is not a list of whole numbers from 1. */
  constructor(options: ResNetOptions, ...extra: never[]) {
    const { blocks, width, classes, channels, stem } = checkOptions('ResNet', options, ANY, extra);
    if (blocks === undefined) throw new OptionError(`ResNet: blocks is missing. ${BLOCKS.advice}`);
    this.#stem = stem;
    this.conv1 = stem === 'imagenet' ? convolution(channels, width, 7, 2) : convolution(channels, width, 3, 1);
    this.bn1 = new BatchNorm2d(width);
    this.#stages = blocks.map((count, k) => {
      const outChannels = width * 2 ** k;
      return Array.from({ length: count }, (_, n) =>
        n > 0 || k === 0
          ? new BasicBlock(outChannels, outChannels)
          : new BasicBlock(outChannels / 2, outChannels, { stride: 2 }),
      );
    });
    const stages = Object.fromEntries(this.#stages.map((stage, k) => [`layer${k + 1}`, stage]));
    Object.assign(this, stages, { fc: new Linear(width * 2 ** (blocks.length - 1), classes) });
  }

  /** Images x (N, H, W, channels) to logits (N, classes). @throws ShapeError if x has other channels, or is too small. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    checkTensors(nameOf(this), { x }, extra);
    const first = relu(this.bn1.forward(this.conv1.forward(x)));
    const stem = this.#stem === 'imagenet' ? maxPool(first, 3, { stride: 2, padding: 1 }) : first;
    const last = this.#stages.flat().reduce((h, block) => block.forward(h), stem);
    return captured(this, this.fc.forward(mean(last, [1, 2])));
  }
}

/**
 * ResNet-20 for small images, such as CIFAR's of 32 x 32: 16, 32 and 64 channels with three blocks each, 272,474 parameters for 10 classes.
 * He et al. 2015, section 4.2, with 1 x 1 convolutions and batch norm on the shortcuts that change size.
 */
export function resnet20(options: ResNet20Options = {}, ...extra: never[]): ResNet {
  const checked = checkOptions('resnet20', options, SMALL, extra);
  return new ResNet({ ...checked, blocks: [3, 3, 3], width: 16, stem: 'cifar' });
}

/**
 * ResNet-18, 11,689,512 parameters for 1000 classes: torchvision's `resnet18`, whose weights load as they are. He et al. 2015.
 */
export function resnet18(options: ResNet18Options = {}, ...extra: never[]): ResNet {
  const checked = checkOptions('resnet18', options, LARGE, extra);
  return new ResNet({ ...checked, blocks: [2, 2, 2, 2] });
}
