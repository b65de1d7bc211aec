// Adam and AdamW: steps scaled by running means of the gradient and of its square. Bias correction is a function
// of the step counter, so nothing per step comes from the host. https://arxiv.org/abs/1412.6980
import { BOOLEAN, NUMBER, type Schema } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { add, div, maximum, mul, sub } from '../ops/binary.ts';
import { cast } from '../ops/cast.ts';
import { expm1 } from '../ops/expm1.ts';
import { neg, sqrt, square } from '../ops/unary.ts';
import { checkEpsilon, checkRange } from './check.ts';
import { COMMON, type CommonOptions, type Given, type Optimizer, optimizerOf } from './optimizer.ts';
import type { Rate } from './schedules.ts';
import { withDecay } from './sgd.ts';

/** Options of {@link adam} and {@link adamW}. */
export interface AdamOptions extends CommonOptions<AdamOptions> {
  /** The decay of the mean gradient per step. Default 0.9. */
  readonly beta1?: number | undefined;
  /** The decay of the mean squared gradient per step. Default 0.999. */
  readonly beta2?: number | undefined;
  /** Added to the root, for stability. Default 1e-8. */
  readonly eps?: number | undefined;
  /** `adam`: L2 penalty, default 0. `adamW`: the fraction of each weight that a step subtracts, before lr, default 0.01. */
  readonly weightDecay?: number | undefined;
  /** Whether to divide by the root of the largest v so far, which never shrinks (AMSGrad). Default false. */
  readonly amsgrad?: boolean | undefined;
}

const ADAM = {
  ...COMMON,
  lr: [true, 1e-3],
  beta1: [NUMBER, 0.9],
  beta2: [NUMBER, 0.999],
  eps: [NUMBER, 1e-8],
  weightDecay: [NUMBER, 0],
  amsgrad: [BOOLEAN, false],
} satisfies Schema<AdamOptions>;
const ADAM_W = { ...ADAM, weightDecay: [NUMBER, 0.01] } satisfies Schema<AdamOptions>;

/**
 * m = β1 m + (1 - β1) g; v = β2 v + (1 - β2) g²; p -= lr · m / (1 - β1^t) / (√(v / (1 - β2^t)) + eps), t from 1. Default lr 1e-3.
 * Weight decay adds weightDecay · p to g. With `amsgrad`, the root is of the maximum of all v so far, before its correction
 * (https://openreview.net/forum?id=ryQu7f-RZ). As PyTorch's `Adam`.
 */
export function adam(lr: Rate | undefined, options?: Omit<AdamOptions, 'lr'>, ...extra: never[]): Optimizer;
export function adam(options?: AdamOptions, ...extra: never[]): Optimizer;
export function adam(...given: Given): Optimizer {
  return make('adam', given, ADAM, false);
}

/** {@link adam} with decoupled weight decay: p -= lr · weightDecay · p first. Default lr 1e-3, weightDecay 0.01. As PyTorch's `AdamW`. */
export function adamW(lr: Rate | undefined, options?: Omit<AdamOptions, 'lr'>, ...extra: never[]): Optimizer;
export function adamW(options?: AdamOptions, ...extra: never[]): Optimizer;
export function adamW(...given: Given): Optimizer {
  return make('adamW', given, ADAM_W, true);
}

function make(name: string, given: Given, schema: typeof ADAM, decoupled: boolean): Optimizer {
  return optimizerOf<AdamOptions>(name, given, schema, (options, where) => {
    const { beta1, beta2, eps, weightDecay, amsgrad } = options;
    checkRange(where, 'beta1', beta1, 0, 1);
    checkRange(where, 'beta2', beta2, 0, 1);
    checkRange(where, 'weightDecay', weightDecay, 0, Number.POSITIVE_INFINITY);
    checkEpsilon(where, eps);
    return {
      slots: amsgrad ? ['m', 'v', 'vMax'] : ['m', 'v'],
      update(p, dp, [m0, v0, vMax0], { lr, step }) {
        const g = decoupled ? dp : withDecay(dp, p, weightDecay);
        const kept = decoupled && weightDecay > 0 ? mul(p, sub(1, mul(lr, weightDecay))) : p;
        const m = add(mul(m0!, beta1), mul(g, 1 - beta1));
        const v = add(mul(v0!, beta2), mul(square(g), 1 - beta2));
        const vMax = amsgrad ? maximum(vMax0!, v) : v;
        const t = add(cast(step, 'f32'), 1);
        const size = div(lr, biasCorrection(beta1, t)); // [1]
        const scale = div(1, sqrt(biasCorrection(beta2, t))); // [1]
        return {
          p: sub(kept, div(mul(m, size), add(mul(sqrt(vMax), scale), eps))),
          slots: amsgrad ? [m, v, vMax] : [m, v],
        };
      },
    };
  });
}

/** 1 - β^t = -expm1(t · ln β): computed from the power itself, it would keep only four digits for β = 0.999 at t = 1. */
function biasCorrection(beta: number, t: Tensor): Tensor {
  return beta === 0 ? add(mul(t, 0), 1) : neg(expm1(mul(t, Math.log(beta))));
}
