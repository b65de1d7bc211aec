// Adagrad: steps scaled by the sum of all squared gradients so far. https://jmlr.org/papers/v12/duchi11a.html
import { NUMBER, type Schema } from '../graph/options.ts';
import { add, div, mul, sub } from '../ops/binary.ts';
import { cast } from '../ops/cast.ts';
import { sqrt, square } from '../ops/unary.ts';
import { checkEpsilon, checkRange } from './check.ts';
import { COMMON, type CommonOptions, type Given, type Optimizer, optimizerOf } from './optimizer.ts';
import type { Rate } from './schedules.ts';
import { withDecay } from './sgd.ts';

/** Options of {@link adagrad}. */
export interface AdagradOptions extends CommonOptions<AdagradOptions> {
  /** The rate of step t, from 0, is lr / (1 + t · lrDecay). Default 0. */
  readonly lrDecay?: number | undefined;
  /** L2 penalty: adds weightDecay · p to the gradient. Default 0. */
  readonly weightDecay?: number | undefined;
  /** The initial sum of squares. Default 0. */
  readonly initialAccumulator?: number | undefined;
  /** Added to the root, for stability. Default 1e-10. */
  readonly eps?: number | undefined;
}

const ADAGRAD = {
  ...COMMON,
  lr: [true, 1e-2],
  lrDecay: [NUMBER, 0],
  weightDecay: [NUMBER, 0],
  initialAccumulator: [NUMBER, 0],
  eps: [NUMBER, 1e-10],
} satisfies Schema<AdagradOptions>;

/** sum += g²; p -= lr / (1 + t · lrDecay) · g / (√sum + eps), t from 0. Default lr 1e-2. As PyTorch's `Adagrad`. */
export function adagrad(lr: Rate | undefined, options?: Omit<AdagradOptions, 'lr'>, ...extra: never[]): Optimizer;
export function adagrad(options?: AdagradOptions, ...extra: never[]): Optimizer;
export function adagrad(...given: Given): Optimizer {
  return optimizerOf<AdagradOptions>('adagrad', given, ADAGRAD, (options, where) => {
    const { lrDecay, weightDecay, initialAccumulator, eps } = options;
    for (const option of ['lrDecay', 'weightDecay', 'initialAccumulator'] as const)
      checkRange(where, option, options[option], 0, Number.POSITIVE_INFINITY);
    checkEpsilon(where, eps);
    return {
      slots: ['sum'],
      initialSlot: initialAccumulator,
      update(p, dp, [sum0], { lr, step }) {
        const g = withDecay(dp, p, weightDecay);
        const total = add(sum0!, square(g));
        const rate = lrDecay === 0 ? lr : div(lr, add(mul(cast(step, 'f32'), lrDecay), 1)); // [1]
        return { p: sub(p, mul(rate, div(g, add(sqrt(total), eps)))), slots: [total] };
      },
    };
  });
}
