// What a preset is: a network with everything needed to train it well.
import type { AugmentOptions } from '../data/augmentation.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Loss } from '../loss/loss.ts';
import type { CommonOptions, Optimizer } from '../optim/optimizer.ts';
import type { Rate } from '../optim/schedules.ts';
import type { NetworkDescription } from './network-description.ts';

/** A network with its loss, its optimizer and settings that train it well. */
export interface Preset {
  /** The preset's name, as in {@link presets}. */
  readonly name: string;
  /** One line for a list of presets. */
  readonly description: string;
  /** A new model, its variables without values, with as many outputs as there are classes. Default: {@link classes}. */
  model(classes?: number): { forward(x: Tensor): Tensor };
  /** The loss that the network is trained with. */
  readonly loss: Loss;
  /** Its optimizer, with the preset's schedule as the default of `lr`. */
  optimizer(lr?: Rate, options?: Omit<CommonOptions, 'lr'>): Optimizer;
  optimizer(options: CommonOptions): Optimizer;
  /** The shape of one example. */
  readonly inputShape: readonly number[];
  /** The number of classes. */
  readonly classes: number;
  /** How its training pictures are augmented, if they are: `train.augment(preset.augmentation)`. */
  readonly augmentation?: AugmentOptions;
  /** Epochs, examples per step, and the peak of the learning-rate schedule. */
  readonly defaults: { readonly epochs: number; readonly batchSize: number; readonly lr: number };
}

/** A preset of consecutive linear layers. */
export interface DensePreset extends Preset {
  /** The layers as plain data. */
  readonly network: NetworkDescription;
}
