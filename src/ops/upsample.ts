// Upsampling (and resizing in general): nearest elements, which are copies, or bilinear interpolation, which is a weighted sum along each
// of both axes in turn.
import { OptionError } from '../graph/errors.ts';
import { BOOLEAN, checkOptions, type Kind, oneOf, type Schema } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { attachMethods } from './attach.ts';
import { broadcastTo } from './broadcast.ts';
import { reindex, resample, sourceAt, type Weights } from './resample.ts';
import { reshape } from './reshape.ts';
import { checkTensors } from './tensors.ts';
import { imageSizes, type Pair, SIZES, two } from './window.ts';

/** Options of {@link upsample}: a size or a scale. */
export interface UpsampleOptions {
  /** The height and width of the result. */
  readonly size?: Pair | undefined;
  /** The result's size over the image's, which is rounded down. */
  readonly scale?: Pair | undefined;
  /** Copies of the nearest element, or sums of the four around, weighted by their nearness. Default 'nearest'. */
  readonly mode?: 'nearest' | 'bilinear' | undefined;
  /** 'bilinear' only: whether the centres of the corner elements keep their places, not the image's corners. Default false. */
  readonly alignCorners?: boolean | undefined;
}

const isScale = (v: unknown) => Number.isFinite(v) && (v as number) > 0;
const SCALE: Kind = {
  advice: 'Give a number above 0, or a pair of them for height and width: [2, 1.5].',
  fits: (v) => isScale(v) || (Array.isArray(v) && v.length === 2 && v.every(isScale)),
};

export const UPSAMPLE = {
  size: SIZES,
  scale: SCALE,
  mode: [oneOf('nearest', 'bilinear'), 'nearest'],
  alignCorners: [BOOLEAN, false],
} satisfies Schema<UpsampleOptions>;

/** The options with defaults. @throws OptionError for both or neither of size and scale */
export function upsampleOptions(where: string, given: UpsampleOptions, extra: readonly unknown[]) {
  const options = checkOptions(where, given, UPSAMPLE, extra);
  if ((options.size === undefined) === (options.scale === undefined))
    throw new OptionError(
      `${where}: it has ${options.size === undefined ? 'no size and no scale' : 'a size and a scale'}. Give one of them: { scale: 2 } or { size: [14, 14] }.`,
    );
  if (options.alignCorners && options.mode === 'nearest')
    throw new OptionError(
      `${where}: alignCorners has no meaning with mode 'nearest'. Leave it out, or use 'bilinear'.`,
    );
  return options;
}

/**
 * Images x (N, H, W, C) in another size, to (N, OH, OW, C), as PyTorch's `interpolate`: `upsample(x, { scale: 2 })`,
 * `upsample(x, { size: [28, 28], mode: 'bilinear' })`. With 'nearest', row o is row floor(o · H / OH). With 'bilinear', row o lies at
 * (o + 0.5) · H / OH - 0.5, but not before row 0 or after the last, or at o · (H - 1) / (OH - 1) with `alignCorners`. With a scale, 1 / scale
 * stands for H / OH.
 */
export function upsample(x: Tensor, options: UpsampleOptions, ...extra: never[]): Tensor {
  return upsampleNamed('upsample', x, options, extra);
}

/** {@link upsample} under another name in errors. */
export function upsampleNamed(where: string, x: Tensor, given: UpsampleOptions, extra: readonly unknown[]): Tensor {
  checkTensors(where, { x });
  const { size, scale, mode, alignCorners } = upsampleOptions(where, given, extra);
  const { H, W } = imageSizes(where, x);
  const axes = [H, W].map((n, k): Resize => {
    if (size !== undefined) return { from: n, to: two(size)[k]!, step: n / two(size)[k]! };
    const factor = two(scale!)[k]!;
    const to = Math.floor(n * factor);
    if (to < 1)
      throw new OptionError(`${where}: scale ${factor} leaves nothing of ${n} elements. Use at least ${1 / n}.`);
    return { from: n, to, step: 1 / factor };
  }) as [Resize, Resize];
  if (mode === 'nearest') return nearest(x, axes);
  // An equal size is a copy in PyTorch, whatever the scale.
  return axes.reduce(
    (y, axis, k) => (axis.to === axis.from ? y : resample(y, k + 1, linearWeights(axis, alignCorners))),
    x,
  );
}

/** A new size along an axis; `step` is the distance in x from one element of y to the next. */
interface Resize {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

/** Whole multiples of both sizes are repeated together, so that the gradient is one sum; other sizes are taken along one axis at a time. */
function nearest(x: Tensor, axes: readonly [Resize, Resize]): Tensor {
  const [rows, columns] = axes.map((axis) => (isRepeat(axis) ? axis.to / axis.from : 1)) as [number, number];
  const [N, H, W, C] = x.shape as [number, number, number, number];
  const repeated = reshape(broadcastTo(reshape(x, [N, H, 1, W, 1, C]), [N, H, rows, W, columns, C]), [
    N,
    H * rows,
    W * columns,
    C,
  ]);
  return axes.reduce(
    (y, axis, k) => (isRepeat(axis) ? y : reindex(y, k + 1, axis.to, { scale: axis.step })),
    rows === 1 && columns === 1 ? x : repeated,
  );
}

/** Whether each element is repeated as often. */
function isRepeat({ from, to, step }: Resize): boolean {
  const times = to / from;
  if (!Number.isInteger(times)) return false;
  return Array.from({ length: to }, (_, o) => sourceAt({ scale: step }, o, from) === Math.floor(o / times)).every(
    Boolean,
  );
}

/** For each element of y, its neighbours in x and their weights. */
function linearWeights({ from, to, step }: Resize, alignCorners: boolean): Weights {
  const apart = to > 1 ? (from - 1) / (to - 1) : 0;
  return Array.from({ length: to }, (_, o) => {
    const at = alignCorners ? o * apart : Math.max((o + 0.5) * step - 0.5, 0);
    const before = Math.min(Math.floor(at), from - 1);
    const weight = before === from - 1 ? 0 : Math.fround(at - before);
    return [[before, 1 - weight] as const, [before + 1, weight] as const].filter(([, w]) => w > 0);
  });
}

attachMethods({ upsample });
