// What batch norm and instance norm share: normalization of channels, whose statistics are the batch's while training and running ones
// otherwise. Running statistics move towards the batch's at each training step, unless the layer is frozen.
import { OptionError, ShapeError } from '../graph/errors.ts';
import { BOOLEAN, checkOptions, FLOAT, type Kind, POSITIVE, type Schema } from '../graph/options.ts';
import { FREEZE, IN_FILES, type InFile } from '../graph/paths.ts';
import { formatShape } from '../graph/shape.ts';
import { heldAs, type Tensor, Variable } from '../graph/tensor.ts';
import { advance, isTrained, isTraining } from '../graph/trace.ts';
import { add, div, mul, sub } from '../ops/binary.ts';
import { cast } from '../ops/cast.ts';
import { copy } from '../ops/counter.ts';
import { column, type Groups, groupSize } from '../ops/groups.ts';
import { MEAN, VARIANCE } from '../ops/moments.ts';
import { normalize } from '../ops/normalize.ts';
import { mean } from '../ops/reduce.ts';
import { reshape } from '../ops/reshape.ts';
import { checkTensors } from '../ops/tensors.ts';
import { rsqrt } from '../ops/unary.ts';
import { ones, zeros } from './init.ts';
import { captured, checkSize, type NamedLayer, nameOf, parameter } from './layer.ts';

/** Options of {@link BatchNorm1d} and {@link BatchNorm2d}. */
export interface BatchNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number | undefined;
  /**
   * The weight of a batch in the running statistics: new = (1 - momentum) · old + momentum · batch (Keras's momentum is 1 minus this one).
   * null: the mean over all batches so far. Default 0.1.
   */
  readonly momentum?: number | null | undefined;
  /** Whether it has a weight (initially ones) and a bias (initially zeros). Default true. */
  readonly affine?: boolean | undefined;
  /** Whether it has running statistics, which it uses outside training; else it always uses the batch's. Default true. */
  readonly trackRunningStats?: boolean | undefined;
}

/** Options of {@link InstanceNorm1d} and {@link InstanceNorm2d}. */
export interface InstanceNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number | undefined;
  /** The weight of a batch in the running statistics, if there are any: as of {@link BatchNormOptions}. Default 0.1. */
  readonly momentum?: number | null | undefined;
  /** Whether it has a weight (initially ones) and a bias (initially zeros). Default false. */
  readonly affine?: boolean | undefined;
  /** Whether it has running statistics, which it uses outside training; else it always uses the example's. Default false. */
  readonly trackRunningStats?: boolean | undefined;
}

const MOMENTUM: Kind = {
  advice: 'Give a number from 0 to 1, or null for the mean over all batches.',
  fits: (v) => v === null || (FLOAT.fits(v) && (v as number) >= 0 && (v as number) <= 1),
};

export const BATCH_NORM = {
  eps: [POSITIVE, 1e-5],
  momentum: [MOMENTUM, 0.1],
  affine: [BOOLEAN, true],
  trackRunningStats: [BOOLEAN, true],
} satisfies Schema<BatchNormOptions>;

export const INSTANCE_NORM = {
  eps: [POSITIVE, 1e-5],
  momentum: [MOMENTUM, 0.1],
  affine: [BOOLEAN, false],
  trackRunningStats: [BOOLEAN, false],
} satisfies Schema<InstanceNormOptions>;

/** The layers' variables in files, by property. */
const NAMES: Readonly<Record<string, InFile>> = {
  runningMean: { name: 'running_mean' },
  runningVar: { name: 'running_var' },
  numBatchesTracked: { name: 'num_batches_tracked', dtype: 'I64' },
};

/** What distinguishes the layers. */
interface Form {
  readonly kind: string;
  /** The ranks of x, and its axes for messages. */
  readonly ranks: readonly number[];
  readonly axes: string;
  /** Whether each example has separate statistics. */
  readonly perExample: boolean;
}

/** Normalizes channels, the last axis, by the statistics of a batch or running ones. */
export abstract class RunningNorm implements NamedLayer {
  /** Its class name, which errors and `summary()` show. */
  readonly kind: string;
  /** Channels: the last axis of x. */
  readonly numFeatures: number;
  /** Added to the variance. */
  readonly eps: number;
  /** The weight of a batch in the running statistics; null: the mean over all batches so far. */
  readonly momentum: number | null;
  /** (numFeatures), initially 1; undefined without `affine`. */
  readonly weight: Variable | undefined;
  /** (numFeatures), initially 0; undefined without `affine`. */
  readonly bias: Variable | undefined;
  /** (numFeatures), initially 0; undefined without `trackRunningStats`. `running_mean` in files. */
  readonly runningMean: Variable | undefined;
  /** (numFeatures), initially 1, of variances that divide by count - 1; undefined without `trackRunningStats`. `running_var` in files. */
  readonly runningVar: Variable | undefined;
  /** The number of batches the running statistics have seen, u32; undefined without `trackRunningStats`. `num_batches_tracked` in files. */
  readonly numBatchesTracked: Variable | undefined;
  /** @internal */
  readonly [IN_FILES] = NAMES;
  readonly #form: Form;
  #frozen = false;

  constructor(
    form: Form,
    numFeatures: number,
    options: BatchNormOptions,
    schema: typeof BATCH_NORM | typeof INSTANCE_NORM,
    extra: readonly unknown[],
  ) {
    const { kind } = form;
    checkSize(kind, 'numFeatures', numFeatures);
    const { eps, momentum, affine, trackRunningStats } = checkOptions(
      kind,
      options,
      schema as typeof BATCH_NORM,
      extra,
    );
    this.#form = form;
    this.kind = kind;
    this.numFeatures = numFeatures;
    this.eps = eps;
    this.momentum = momentum;
    const shape = [numFeatures];
    this.weight = affine ? parameter(shape, ones) : undefined;
    this.bias = affine ? parameter(shape, zeros) : undefined;
    this.runningMean = trackRunningStats ? new Variable(shape, { initial: zeros }) : undefined;
    this.runningVar = trackRunningStats ? new Variable(shape, { initial: ones }) : undefined;
    this.numBatchesTracked = trackRunningStats ? new Variable([], { dtype: 'u32', initial: zeros }) : undefined;
  }

  /**
   * x and y (..., numFeatures). While training, statistics are the batch's, and running statistics move. A frozen layer, whose parameters
   * are all frozen (or which has none, and was given to `nn.freeze`), uses running statistics and leaves them.
   * @throws ShapeError if x has other axes, or a single value for each channel where the batch's statistics are needed
   */
  forward(x: Tensor, ...extra: never[]): Tensor {
    checkTensors(nameOf(this), { x }, extra);
    const groups = this.#groupsOf(x);
    const { runningMean, runningVar } = this;
    if (runningMean && runningVar && (!isTraining() || this.#isFrozen()))
      return captured(this, this.#byRunning(x, runningMean, runningVar));
    this.#checkCount(x, groups);
    const { y, stats } = normalize(x, { ...groups, eps: this.eps }, this.weight, this.bias);
    if (isTraining()) this.#move(stats, groups);
    return captured(this, y);
  }

  /**
   * Freezes running statistics of a layer without parameters.
   * @internal
   */
  [FREEZE](frozen: boolean): void {
    const { runningMean } = this;
    if (this.weight || !runningMean || this.#frozen === frozen) return;
    const held = heldAs(runningMean);
    if (held !== undefined)
      throw new OptionError(
        `${this.kind} ${held.replace(/\.?runningMean$/, '')}: it cannot be ${frozen ? 'frozen' : 'unfrozen'} while a trainer holds it. Do it before new Trainer.`,
      );
    this.#frozen = frozen;
  }

  /** x as groups of which each has statistics. @throws ShapeError if x has other axes than the layer expects, or is not f32 */
  #groupsOf(x: Tensor): Groups {
    const { ranks, axes, perExample } = this.#form;
    const [name, C] = [nameOf(this), this.numFeatures];
    if (!ranks.includes(x.rank) || x.shape.at(-1) !== C)
      throw new ShapeError(
        `${name}: expected x ${axes} with ${C} channels in the last axis, got ${formatShape(x.shape)}. Reshape x, or create the layer as new nn.${this.kind}(${x.shape.at(-1) ?? 1}).`,
      );
    if (x.dtype !== 'f32') throw new ShapeError(`${name}: x is ${x.dtype}. It must be f32: cast(x, 'f32').`);
    const N = perExample ? x.shape[0]! : 1;
    return { N, M: x.size / N / C, C, G: C };
  }

  #isFrozen(): boolean {
    const parameters = [this.weight, this.bias].filter((v) => v !== undefined);
    return parameters.length > 0 ? !parameters.some(isTrained) : this.#frozen;
  }

  #byRunning(x: Tensor, runningMean: Tensor, runningVar: Tensor): Tensor {
    const inverse = rsqrt(add(runningVar, this.eps));
    const y = mul(sub(x, runningMean), this.weight ? mul(inverse, this.weight) : inverse);
    return this.bias ? add(y, this.bias) : y;
  }

  #checkCount(x: Tensor, groups: Groups): void {
    if (groupSize(groups) > 1) return;
    const { perExample } = this.#form;
    throw new ShapeError(
      `${nameOf(this)}: x ${formatShape(x.shape)} has one value for each channel, which has no variance. ${
        perExample
          ? 'Normalize before the sizes shrink to 1, or use LayerNorm.'
          : 'Use batches of more than one example: a larger batchSize, or dropLast: true if only the last batch is short.'
      }`,
    );
  }

  /** Moves the running statistics towards those of a batch, PyTorch's way: its variance divides by count - 1 there. */
  #move(stats: Tensor, groups: Groups): void {
    const { runningMean, runningVar, numBatchesTracked, momentum } = this;
    if (!runningMean || !runningVar || !numBatchesTracked) return;
    const seen = advance(numBatchesTracked, (n) => add(n, 1));
    const share = momentum ?? div(1, cast(seen, 'f32'));
    const rest = typeof share === 'number' ? 1 - share : sub(1, share);
    const ofChannels = (k: number) => {
      const all = column(stats, k);
      return groups.N === 1 ? all : mean(reshape(all, [groups.N, groups.C]), 0);
    };
    const count = groupSize(groups);
    // Copies are computed beside other kernels, which test them for the guard; else a separate dispatch would test them.
    advance(runningMean, (old) => copy(add(mul(old, rest), mul(ofChannels(MEAN), share))));
    const unbiased = mul(ofChannels(VARIANCE), count / (count - 1));
    advance(runningVar, (old) => copy(add(mul(old, rest), mul(unbiased, share))));
  }
}
