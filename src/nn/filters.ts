// Convolutions' filters: their shapes and initial values, and the checks that all convolutions make. In memory filters lie as the ops read
// them, (O, KH, KW, C / groups), in files as PyTorch's, (O, C / groups, KH, KW).
import { ShapeError } from '../graph/errors.ts';
import { show } from '../graph/options.ts';
import { formatShape, type Shape, sizeOf } from '../graph/shape.ts';
import { type Initializer, type Tensor, Variable } from '../graph/tensor.ts';
import { checkTensors } from '../ops/tensors.ts';
import { SIZES } from '../ops/window.ts';
import { uniform } from './init.ts';
import { checkSize, type NamedLayer, nameOf, parameter } from './layer.ts';

/** The parameters of a convolution. */
export interface Filters {
  readonly weight: Variable;
  readonly bias: Variable | undefined;
}

interface Channels {
  readonly groups: number;
  readonly bias: boolean;
  readonly initialWeight?: Initializer | undefined;
  readonly initialBias?: Initializer | undefined;
}

/** `shape` is (outer, ...kernel, inner); its product but the first is what the default initial values scale with. */
export function filtersOf(shape: Shape, channels: number, { bias, initialWeight, initialBias }: Channels): Filters {
  const bound = 1 / Math.sqrt(sizeOf(shape.slice(1)));
  const usual = uniform(-bound, bound);
  const last = shape.length - 1;
  const fileAxes = [0, last, ...shape.map((_, axis) => axis).slice(1, last)];
  const weight = new Variable(shape, { initial: initialWeight ?? usual, trainable: true, fileAxes });
  return { weight, bias: bias ? parameter([channels], initialBias ?? usual) : undefined };
}

export function checkChannels(layer: string, inChannels: number, outChannels: number, groups: number): void {
  checkSize(layer, 'inChannels', inChannels);
  checkSize(layer, 'outChannels', outChannels);
  for (const [name, n] of Object.entries({ inChannels, outChannels }))
    if (n % groups !== 0)
      throw new ShapeError(
        `${layer}: ${name} ${n} cannot be divided into ${groups} groups. Use groups that divide both.`,
      );
}

/** Refuses an x that is not (N, ...space, channels), with the advice for the likeliest mistake. */
export function checkInput(
  layer: NamedLayer,
  x: Tensor,
  axes: 3 | 4,
  channels: number,
  extra: readonly unknown[],
): void {
  checkTensors(nameOf(layer), { x }, extra);
  const wanted = axes === 4 ? '[N, H, W, C]' : '[N, L, C]';
  if (x.rank !== axes || x.shape.at(-1) !== channels)
    throw new ShapeError(
      `${nameOf(layer)}: expected ${wanted} with ${channels} channel${channels === 1 ? '' : 's'}, got x ${formatShape(x.shape)}. ${remedy(x, axes, channels)}`,
    );
  if (x.dtype !== 'f32') throw new ShapeError(`${nameOf(layer)}: x is ${x.dtype}. It must be f32: cast(x, 'f32').`);
}

function remedy({ rank, shape }: Tensor, axes: 3 | 4, channels: number): string {
  if (rank === axes && shape[1] === channels)
    return `Channels come last: x.transpose([${axes === 4 ? '0, 2, 3, 1' : '0, 2, 1'}]).`;
  const [N] = shape;
  if (rank === axes - 1 && channels === 1) return `Add the axis of channels: x.reshape([${[...shape, 1].join(', ')}]).`;
  const side = Math.sqrt(shape[1]! / channels);
  if (rank === 2 && axes === 4 && Number.isInteger(side))
    return `Reshape it: x.reshape([${N}, ${side}, ${side}, ${channels}]); of datasets.mnist() and datasets.digits(), { images: true } gives images.`;
  if (rank === axes) return 'Create the layer with that number of channels.';
  return axes === 4 ? 'Reshape it to images.' : 'Reshape it to sequences.';
}

/** The bias as an option of the op. */
export const plus = ({ bias }: Filters) => (bias ? { bias } : {});

export function checkKernel(layer: string, kernelSize: unknown): void {
  if (!SIZES.fits(kernelSize)) throw new ShapeError(`${layer}: kernelSize is ${show(kernelSize)}. ${SIZES.advice}`);
}
