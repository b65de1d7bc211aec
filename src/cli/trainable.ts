// What the command line trains: a preset, or the model of a module, in one form.
import type { AugmentOptions } from '../data/augmentation.ts';
import type { DataSet } from '../data/dataset.ts';
import type { Shape } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Loss, LossFunction } from '../loss/loss.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import type { NetworkDescription } from '../train/network-description.ts';
import type { Preset } from '../train/preset.ts';
import * as presets from '../train/presets.ts';

/** What data say of a network's first and last layer. */
export interface Sizes {
  /** The shape of one example: [H, W, C], or [numbers]. */
  readonly inputShape: Shape;
  readonly classes: number;
}

/** A network with everything needed to train it. */
export interface Trainable {
  readonly name: string;
  /** One line. */
  readonly description: string;
  /** Those it is made for; of a module, undefined until data are known. */
  readonly sizes: Sizes | undefined;
  /** The layers of a dense network, which takes examples of any shape, as plain data. */
  readonly network?: NetworkDescription | undefined;
  model(): { forward(x: Tensor): Tensor };
  readonly loss: Loss | LossFunction;
  /** The name of its default optimizer. */
  readonly optimizerName: string;
  /** Its default optimizer, at its default rate unless one is given. */
  optimizer(lr?: number): Optimizer;
  readonly defaults: { readonly epochs: number; readonly batchSize: number };
  /** How it is trained, unless flags say otherwise; true: as small photographs usually are. */
  readonly augment?: AugmentOptions | boolean | undefined;
  /** Its code, if it is a module's. */
  readonly module?: ModuleFile | undefined;
  /** The same for data of these sizes, which it may refuse. */
  fittedTo(sizes: Sizes): Trainable;
}

/** The file of a module, and a digest of its content. */
export interface ModuleFile {
  readonly path: string;
  readonly digest: string;
}

/** The sizes of a data set with classes, or values: as many as there are in a row. */
export function sizesOf({ x, y, classes }: DataSet): Sizes {
  return { inputShape: x.shape.slice(1), classes: classes ?? y.shape[1] ?? 1 };
}

/** Whether examples of this shape are pictures. */
export function arePictures({ length }: Shape): boolean {
  return length === 3;
}

/** Whether it is given pictures [H, W, C], or rows of numbers. */
export function seesPictures({ sizes, network }: Trainable): boolean {
  return network === undefined && (sizes === undefined || arePictures(sizes.inputShape));
}

/** `28 x 28 x 1`. */
export function shapeText(shape: Shape): string {
  return shape.join(' x ');
}

export const DEFAULT_PRESET = 'mlp';

const BY_NAME: Readonly<Record<string, Preset>> = { ...presets };

export function presetNamed(name: string = DEFAULT_PRESET): Preset {
  return BY_NAME[name]!;
}
