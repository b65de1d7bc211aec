// prelu: a leaky relu whose slopes are trained, one for all elements or one for each channel.
import { ShapeError } from '../graph/errors.ts';
import { checkExtra } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { attachMethods } from './attach.ts';
import { greater, mul } from './binary.ts';
import { binary, type TensorLike, toTensor } from './elementwise.ts';
import { reshape } from './reshape.ts';
import { where } from './select.ts';

/** The same for slopes of any shape that broadcasts. */
const row = /* @__PURE__ */ binary('prelu', {
  dtypes: ['f32'],
  cpu: (x, w, y) => {
    for (let i = 0; i < y.length; i++) y[i] = x[i]! > 0 ? x[i]! : w[i]! * x[i]!;
  },
  wgsl: (x, w) => `select(${w} * ${x}, ${x}, ${x} > 0.0)`,
  vjp: (dy, x, w) => [() => where(greater(x, 0), dy, mul(dy, w)), () => where(greater(x, 0), 0, mul(dy, x))],
});

export const preluOp = row.op;

/**
 * x where x > 0, else weight · x (https://arxiv.org/abs/1502.01852): x (..., C) with slopes (C), one for each channel, which are the last axis
 * (PyTorch's are axis 1), or one slope for all: (1), () or a number. Throws a `ShapeError` for other weights.
 */
export function prelu(x: TensorLike, weight: TensorLike, ...extra: never[]): Tensor {
  checkExtra('prelu', extra);
  const [inputs, slopes] = [toTensor('prelu', x), toTensor('prelu', weight)];
  if (slopes.size === 1 && slopes.rank <= 1) return row(inputs, reshape(slopes, []));
  const C = inputs.shape.at(-1);
  if (slopes.rank !== 1 || slopes.size !== C)
    throw new ShapeError(
      `prelu: the weight is ${formatShape(slopes.shape)}, but x is ${formatShape(inputs.shape)}. Give one slope, or one for each element of the last axis: [${C ?? 1}].`,
    );
  return row(inputs, slopes);
}

attachMethods({ prelu });
