// What a sample is, the values its inputs take (drawn from the sample's own name, so that a failure is the same twice), and how
// an engine's results are held against the truth.
import { expect } from 'vitest';
import { grad } from '../src/autodiff/grad.ts';
import type { DType, HostArray } from '../src/graph/dtype.ts';
import type { NdArray } from '../src/graph/op.ts';
import { hashText, uniforms } from '../src/graph/random.ts';
import { type Shape, sizeOf } from '../src/graph/shape.ts';
import { constant, input, type Tensor } from '../src/graph/tensor.ts';

/** One input of a sample. */
export interface SampleInput {
  readonly shape: Shape;
  /** f32 unless said. */
  readonly dtype?: DType;
  /** Values are drawn uniformly from it ([-2, 2] unless said); whole numbers, upper bound exclusive, for integer dtypes. */
  readonly range?: readonly [number, number];
  /** The values themselves, instead of drawn ones. */
  readonly values?: readonly number[];
  /** A kink of the op: values stay more than 0.05 from it. */
  readonly away?: number;
}

/** Whether the whole matrix of shapes runs (`npm run test:full`), not only what `npm test` has time for. */
export const FULL = import.meta.env.MODE === 'full';

/** One use of an op, proved on the CPU by finite differences and on the GPU against the CPU. */
export interface Sample {
  readonly name: string;
  readonly inputs: readonly SampleInput[];
  fn(...xs: Tensor[]): Tensor | readonly Tensor[];
  /** The inputs whose gradient is checked; all f32 ones unless said, [] for none. */
  readonly wrt?: readonly number[];
  /** Only for {@link FULL}: one more shape of kernels that others prove. */
  readonly full?: boolean;
  /** False where the hardware kernels of another sample are the same: software adapters compile them for seconds. */
  readonly hardware?: boolean;
  /** Relative tolerance where the usual one does not do. */
  readonly tolerance?: number;
}

/** A sample's inputs as tensors, and their values (f32 in doubles that are exact in f32). */
export function drawSample(op: string, sample: Sample): { tensors: Tensor[]; values: HostArray[] } {
  const tensors = sample.inputs.map(({ shape, dtype = 'f32' }, k) => input(`x${k}`, { shape, dtype }));
  const values = sample.inputs.map((spec, k) => drawInput(spec, hashText(`${op}/${sample.name}/${k}`)));
  return { tensors, values };
}

/** The outputs of a sample as a list. */
export function outputsOf(sample: Sample, tensors: readonly Tensor[]): readonly Tensor[] {
  return [sample.fn(...tensors)].flat() as Tensor[];
}

/** The inputs whose gradients are checked. */
export function wrtOf(sample: Sample): readonly number[] {
  return sample.wrt ?? sample.inputs.flatMap(({ dtype = 'f32' }, k) => (dtype === 'f32' ? [k] : []));
}

function drawInput({ shape, dtype = 'f32', range, values, away }: SampleInput, seed: number): HostArray {
  const size = sizeOf(shape);
  if (values && values.length !== size) throw new Error(`a sample gives ${values.length} values for [${shape}]`);
  const [low, high] = range ?? (dtype === 'f32' ? [-2, 2] : [0, 8]);
  const drawn = values ?? Array.from(uniforms(size, seed, 'sample'), (u) => low + (high - low) * u);
  switch (dtype) {
    case 'f32':
      return Float64Array.from(drawn, (v) => Math.fround(away === undefined || values ? v : keepAway(v, away)));
    case 'u32':
      return Uint32Array.from(drawn, Math.floor);
    case 'i32':
      return Int32Array.from(drawn, Math.floor);
    case 'u8':
      return Uint8Array.from(drawn, Math.floor);
    case 'u16':
      return Uint16Array.from(drawn, Math.floor);
  }
}

/** Moves a value that is near the kink to the same side, a little further out. */
function keepAway(v: number, kink: number): number {
  if (Math.abs(v - kink) > 0.06) return v;
  return v < kink ? kink - 0.06 - (kink - v) : kink + 0.06 + (v - kink);
}

/** The outputs by name, and the gradient of each checked input for a fixed random dy. */
export function withGradients(sample: Sample, tensors: readonly Tensor[]): Record<string, Tensor> {
  const ys = outputsOf(sample, tensors);
  const named: Record<string, Tensor> = Object.fromEntries(ys.map((y, k) => [`y${k}`, y]));
  const wrt = wrtOf(sample);
  for (const [k, y] of ys.entries()) {
    if (y.dtype !== 'f32' || wrt.length === 0) continue;
    const dy = constant(uniforms(y.size, k, sample.name, -1, 1), { shape: y.shape });
    const dxs = grad(
      y,
      wrt.map((at) => tensors[at]!),
      dy,
    );
    for (const [n, dx] of dxs.entries()) if (dx) named[`d${k}/dx${wrt[n]}`] = dx;
  }
  return named;
}

/** ‖got - wanted‖ / ‖wanted‖ of any output or gradient. */
const TOLERANCE = 1e-4;

export function expectClose(what: string, got: NdArray, wanted: NdArray): void {
  expect(got.shape, what).toEqual(wanted.shape);
  let difference = 0;
  let norm = 0;
  const wrong: string[] = [];
  for (let i = 0; i < wanted.data.length; i++) {
    const d = got.data[i]! - wanted.data[i]!;
    difference += d * d;
    norm += wanted.data[i]! ** 2;
    if (!(Math.abs(d) <= 1e-4 * (Math.abs(wanted.data[i]!) + 1e-2)) && wrong.length < 5) {
      wrong.push(`[${i}] got ${got.data[i]}, wanted ${wanted.data[i]}`);
    }
  }
  const error = Math.sqrt(difference) / Math.max(Math.sqrt(norm), 1e-3);
  if (!(error <= TOLERANCE)) throw new Error(`${what}: relative error ${error}\n${wrong.join('\n')}`);
}
