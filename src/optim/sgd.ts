// Stochastic gradient descent, with optional momentum, Nesterov momentum and weight decay.
import { OptionError } from '../graph/errors.ts';
import { BOOLEAN, NUMBER, type Schema } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { add, mul, sub } from '../ops/binary.ts';
import { checkRange } from './check.ts';
import { COMMON, type CommonOptions, type Given, type Optimizer, optimizerOf } from './optimizer.ts';
import type { Rate } from './schedules.ts';

/** Options of {@link sgd}. */
export interface SgdOptions extends CommonOptions<SgdOptions> {
  /** The momentum factor. Default 0. */
  readonly momentum?: number | undefined;
  /** Nesterov momentum: steps by the gradient plus momentum times the new velocity; needs a momentum. Default false. */
  readonly nesterov?: boolean | undefined;
  /** L2 penalty: adds weightDecay · p to the gradient. Default 0. */
  readonly weightDecay?: number | undefined;
}

const SGD = {
  ...COMMON,
  lr: [true, 1e-3],
  momentum: [NUMBER, 0],
  nesterov: [BOOLEAN, false],
  weightDecay: [NUMBER, 0],
} satisfies Schema<SgdOptions>;

/**
 * g += weightDecay · p; buf = momentum · buf + g; p -= lr · buf (Nesterov: p -= lr · (g + momentum · buf)). Default lr 1e-3. As
 * PyTorch's `SGD` with dampening 0. `sgd(0.1)` or `sgd({ lr: 0.1 })`, with other options `sgd(0.1, { momentum: 0.9 })`.
 */
export function sgd(lr: Rate | undefined, options?: Omit<SgdOptions, 'lr'>, ...extra: never[]): Optimizer;
export function sgd(options?: SgdOptions, ...extra: never[]): Optimizer;
export function sgd(...given: Given): Optimizer {
  return optimizerOf<SgdOptions>('sgd', given, SGD, ({ momentum, nesterov, weightDecay }, where) => {
    checkRange(where, 'momentum', momentum, 0, Number.POSITIVE_INFINITY);
    checkRange(where, 'weightDecay', weightDecay, 0, Number.POSITIVE_INFINITY);
    if (nesterov && momentum === 0)
      throw new OptionError(`${where}: nesterov needs a momentum, but momentum is 0. Set it, for example to 0.9.`);
    return {
      slots: momentum === 0 ? [] : ['momentum'],
      update(p, dp, [buf], { lr }) {
        const g = withDecay(dp, p, weightDecay);
        if (momentum === 0) return { p: sub(p, mul(lr, g)), slots: [] };
        const velocity = add(mul(buf!, momentum), g);
        const direction = nesterov ? add(g, mul(velocity, momentum)) : velocity;
        return { p: sub(p, mul(lr, direction)), slots: [velocity] };
      },
    };
  });
}

/** g + weightDecay · p: the gradient of the loss and an L2 penalty. */
export function withDecay(g: Tensor, p: Tensor, weightDecay: number): Tensor {
  return weightDecay === 0 ? g : add(g, mul(p, weightDecay));
}
