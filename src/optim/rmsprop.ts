// RMSProp: steps scaled by a running mean of the squared gradient.
// https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf
import { BOOLEAN, NUMBER, type Schema } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { add, div, maximum, mul, sub } from '../ops/binary.ts';
import { sqrt, square } from '../ops/unary.ts';
import { checkEpsilon, checkRange } from './check.ts';
import { COMMON, type CommonOptions, type Given, type Optimizer, optimizerOf } from './optimizer.ts';
import type { Rate } from './schedules.ts';
import { withDecay } from './sgd.ts';

/** Options of {@link rmsProp}. */
export interface RmsPropOptions extends CommonOptions<RmsPropOptions> {
  /** The decay of the mean squared gradient per step. Default 0.99. */
  readonly alpha?: number | undefined;
  /** Added to the root, for stability. Default 1e-8. */
  readonly eps?: number | undefined;
  /** Whether `eps` is added inside of the root, √(v + eps), as in TensorFlow. Default false. */
  readonly epsInside?: boolean | undefined;
  /** Whether to scale by the estimated variance: subtracts the square of the mean gradient. Default false. */
  readonly centered?: boolean | undefined;
  /** The momentum factor. Default 0. */
  readonly momentum?: number | undefined;
  /** L2 penalty: adds weightDecay · p to the gradient. Default 0. */
  readonly weightDecay?: number | undefined;
}

const RMS_PROP = {
  ...COMMON,
  lr: [true, 1e-2],
  alpha: [NUMBER, 0.99],
  eps: [NUMBER, 1e-8],
  epsInside: [BOOLEAN, false],
  centered: [BOOLEAN, false],
  momentum: [NUMBER, 0],
  weightDecay: [NUMBER, 0],
} satisfies Schema<RmsPropOptions>;

/**
 * v = α v + (1 - α) g²; d = g / (√v + eps), or if centered, with m = α m + (1 - α) g, g / (√(v - m²) + eps);
 * buf = momentum · buf + d; p -= lr · buf. Default lr 1e-2. As PyTorch's `RMSprop`; with `epsInside`, √(v + eps) in place of √v + eps, as
 * TensorFlow's.
 */
export function rmsProp(lr: Rate | undefined, options?: Omit<RmsPropOptions, 'lr'>, ...extra: never[]): Optimizer;
export function rmsProp(options?: RmsPropOptions, ...extra: never[]): Optimizer;
export function rmsProp(...given: Given): Optimizer {
  return optimizerOf<RmsPropOptions>('rmsProp', given, RMS_PROP, (options, where) => {
    const { alpha, eps, epsInside, centered, momentum, weightDecay } = options;
    checkRange(where, 'alpha', alpha, 0, 1);
    checkRange(where, 'momentum', momentum, 0, Number.POSITIVE_INFINITY);
    checkRange(where, 'weightDecay', weightDecay, 0, Number.POSITIVE_INFINITY);
    checkEpsilon(where, eps);
    const names = ['v', ...(centered ? ['m'] : []), ...(momentum > 0 ? ['momentum'] : [])];
    return {
      slots: names,
      update(p, dp, old, { lr }) {
        const g = withDecay(dp, p, weightDecay);
        const slot = (name: string): Tensor => old[names.indexOf(name)]!;
        const v = add(mul(slot('v'), alpha), mul(square(g), 1 - alpha));
        const slots = [v];
        let variance = v;
        if (centered) {
          const m = add(mul(slot('m'), alpha), mul(g, 1 - alpha));
          slots.push(m);
          variance = maximum(sub(v, square(m)), 0); // in f32 the difference can fall below 0
        }
        let direction = div(g, epsInside ? sqrt(add(variance, eps)) : add(sqrt(variance), eps));
        if (momentum > 0) {
          direction = add(mul(slot('momentum'), momentum), direction);
          slots.push(direction);
        }
        return { p: sub(p, mul(lr, direction)), slots };
      },
    };
  });
}
