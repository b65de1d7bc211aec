// Ops that are functions of the step counter and the seed in device memory: dropout's mask and the rows of a batch. Equal
// bits on CPU and GPU, however many steps go into a submit.
import { PERMUTE, PHILOX, SHUFFLE_KEY } from '../../shaders/random.wgsl.ts';
import { f32, u32 } from '../../shaders/wgsl.ts';
import { OptionError, ShapeError } from '../graph/errors.ts';
import type { Op, Spec } from '../graph/op.ts';
import {
  BOOLEAN,
  COUNT,
  checkOptions,
  checkValue,
  type Kind,
  optionsOf,
  type Schema,
  STRING,
} from '../graph/options.ts';
import { feistelHalfBits, hashText, permute, philox, shuffleKey } from '../graph/random.ts';
import { type Shape, sizeOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { currentTrace, occurrence } from '../graph/trace.ts';
import { mul } from './binary.ts';
import { checkTensors } from './tensors.ts';

interface DropoutMask {
  readonly shape: Shape;
  /** The probability of 0. */
  readonly p: number;
  /** Distinguishes one dropout from another. */
  readonly stream: number;
}

/** Element i is dropped where word i % 4 of Philox counter (i / 4, stream, step, 0) under the seed is below p · 2^32. */
export const dropoutMaskOp: Op<DropoutMask> = {
  name: 'dropoutMask',
  cost: 60,
  shape: ([step, seed], { shape }) => {
    checkCounter('dropoutMask', 'step', step!, 1);
    checkCounter('dropoutMask', 'seed', seed!, 2);
    return [{ shape, dtype: 'f32' }];
  },
  cpu: ([step, seed], [y], { p, stream }) => {
    const bits = new Uint32Array(4);
    const kept = 1 / (1 - p);
    const bound = threshold(p);
    for (let i = 0; i < y!.data.length; i++) {
      if (i % 4 === 0) philox(bits, 0, i >>> 2, stream, step!.data[0]!, 0, seed!.data[0]!, seed!.data[1]!);
      y!.data[i] = bits[i & 3]! < bound ? 0 : kept;
    }
  },
  map: (scope, { p, stream }) => {
    const counter = `vec4u(${scope.i} >> 2u, ${u32(stream)}, ${scope.load(0, '0u')}, 0u)`;
    const key = `vec2u(${scope.load(1, '0u')}, ${scope.load(1, '1u')})`;
    const word = scope.let('u32', `${scope.declare(PHILOX)}(${counter}, ${key})[${scope.i} & 3u]`);
    return `select(${f32(1 / (1 - p))}, 0.0, ${word} < ${u32(threshold(p))})`;
  },
};

function threshold(p: number): number {
  return Math.min(Math.floor(p * 2 ** 32), 2 ** 32 - 1);
}

/** @throws ShapeError unless `spec` is u32 [size]. */
export function checkCounter(op: string, name: string, spec: Spec, size: number): void {
  if (spec.dtype !== 'u32' || sizeOf(spec.shape) !== size)
    throw new ShapeError(`${op}: ${name} is ${spec.dtype} [${spec.shape}]. It must be u32 [${size}].`);
}

/** Options of {@link dropout}. */
export interface DropoutOptions {
  /** The probability that an element becomes 0. */
  readonly p: number;
  /** The layer's path; dropouts with the same path are distinguished by the order in which they are traced. Default `dropout`. */
  readonly stream?: string | undefined;
}

/** The valid range of p. */
export const BELOW_ONE: Kind = {
  advice: 'Give a probability from 0 to below 1, like 0.5.',
  fits: (p) => typeof p === 'number' && p >= 0 && p < 1,
};

const DROPOUT = { p: BELOW_ONE, stream: [STRING, 'dropout'] } satisfies Schema<DropoutOptions>;

/**
 * While training, x with each element set to 0 with probability p and the others multiplied by 1 / (1 - p); else x
 * (Srivastava et al., JMLR 15, 2014). The mask is a function of seed, step and stream: `dropout(x, 0.5)`. Throws if p is not in [0, 1).
 */
export function dropout(x: Tensor, p: number, options?: Omit<DropoutOptions, 'p'>): Tensor;
export function dropout(x: Tensor, options: DropoutOptions): Tensor;
export function dropout(x: Tensor, ...given: readonly unknown[]): Tensor {
  checkTensors('dropout', { x });
  const { p, stream } = optionsOf<DropoutOptions, typeof DROPOUT>('dropout', 'p', given, DROPOUT);
  checkValue('dropout', 'p', p, BELOW_ONE);
  return dropped(x, x.shape, p, stream);
}

/** While training, x times a mask of `shape`, which is broadcast; else x. */
export function dropped(x: Tensor, shape: Shape, p: number, stream: string): Tensor {
  const trace = currentTrace();
  if (!trace?.training || p === 0) return x;
  if (!trace.step || !trace.seed)
    throw new OptionError('dropout: the training program has no step counter or seed. Compile it with a State.');
  const id = hashText(`${stream}#${occurrence(stream)}`);
  return mul(x, apply1(dropoutMaskOp, [trace.step, trace.seed], { shape, p, stream: id }));
}

/** Which rows {@link batchIndices} returns. */
export interface BatchIndicesOptions {
  /** Rows in an epoch. */
  readonly size: number;
  /** Rows in this batch: `stride`, or fewer in a short last batch. */
  readonly batch: number;
  /** Rows in a full batch. */
  readonly stride: number;
  /** Batches in an epoch. */
  readonly stepsPerEpoch: number;
  /** Shuffle anew each epoch; else rows come in order. */
  readonly shuffle: boolean;
  /** Added to every row: the start of this part of the data set. Default 0. */
  readonly offset?: number | undefined;
}

const SCHEMA = {
  size: COUNT,
  batch: COUNT,
  stride: COUNT,
  stepsPerEpoch: COUNT,
  shuffle: BOOLEAN,
  offset: [true, 0],
} satisfies Schema<BatchIndicesOptions>;

export const batchIndicesOp: Op<Required<BatchIndicesOptions>> = {
  name: 'batchIndices',
  cost: 100,
  shape: ([step, origin, seed], p) => {
    checkCounter('batchIndices', 'step', step!, 1);
    checkCounter('batchIndices', 'origin', origin!, 1);
    checkCounter('batchIndices', 'seed', seed!, 2);
    return [{ shape: [p.batch], dtype: 'u32' }];
  },
  cpu: ([step, origin, seed], [y], { size, batch, stride, stepsPerEpoch, shuffle, offset }) => {
    const t = (step!.data[0]! - origin!.data[0]!) >>> 0;
    const key = shuffleKey([seed!.data[0]!, seed!.data[1]!], Math.floor(t / stepsPerEpoch));
    const first = (t % stepsPerEpoch) * stride;
    for (let i = 0; i < batch; i++) {
      const position = Math.min(first + i, size - 1);
      y!.data[i] = offset + (shuffle ? permute(position, size, key) : position);
    }
  },
  map: (scope, { size, stride, stepsPerEpoch, shuffle, offset }) => {
    const t = scope.let('u32', `${scope.load(0, '0u')} - ${scope.load(1, '0u')}`);
    const first = `(${t} % ${u32(stepsPerEpoch)}) * ${u32(stride)}`;
    const position = scope.let('u32', `min(${first} + ${scope.i}, ${u32(size - 1)})`);
    if (!shuffle) return `(${u32(offset)} + ${position})`;
    const words = `vec2u(${scope.load(2, '0u')}, ${scope.load(2, '1u')})`;
    const key = `${scope.declare(SHUFFLE_KEY)}(${words}, ${t} / ${u32(stepsPerEpoch)})`;
    const place = `${position}, ${u32(size)}, ${u32(feistelHalfBits(size))}`;
    return `(${u32(offset)} + ${scope.declare(PERMUTE)}(${place}, ${key}))`;
  },
};

/**
 * The rows of the batch at `step` (u32 [1]), counted from `origin` (u32 [1]): u32 [batch]. Every epoch visits each row at most once, in an
 * order given by `seed` (u32 [2]) and the epoch. Throws if the batches do not fit the rows. A full batch requested where only a short one
 * is left repeats a row.
 */
export function batchIndices(
  step: Tensor,
  origin: Tensor,
  seed: Tensor,
  options: BatchIndicesOptions,
  ...extra: never[]
): Tensor {
  checkTensors('batchIndices', { step, origin, seed });
  const rows = checkOptions('batchIndices', options, SCHEMA, extra);
  const { size, batch, stride, stepsPerEpoch, shuffle, offset } = rows;
  for (const [name, n] of Object.entries({ size, batch, stride, stepsPerEpoch }))
    checkValue('batchIndices', name, n, COUNT);
  checkValue('batchIndices', 'shuffle', shuffle, BOOLEAN);
  if (!Number.isInteger(offset) || offset < 0 || size + offset > 2 ** 32)
    throw new OptionError(`batchIndices: rows from ${offset} to ${offset + size} do not fit 32 bits. Use fewer.`);
  if (batch > stride || (stepsPerEpoch - 1) * stride >= size) {
    throw new OptionError(
      `batchIndices: ${stepsPerEpoch} steps of ${stride} (this one of ${batch}) do not fit ${size} rows. Use ${Math.ceil(size / stride)} steps at most.`,
    );
  }
  return apply1(batchIndicesOp, [step, origin, seed], rows);
}
