// Elementwise ops are rows: a name, a loop for the CPU, an expression for WGSL and a gradient written with ops. Binary rows
// broadcast as NumPy does, by a broadcastTo before the op, so broadcasting is undone in one place (its vjp).
import * as F32X4 from '../cpu/wasm/f32x4.ts';
import { fill, simd } from '../cpu/wasm/module.ts';
import { checkHeld, type DType, type HostArray } from '../graph/dtype.ts';
import { ShapeError } from '../graph/errors.ts';
import { type Declare, wgslType } from '../graph/kernel.ts';
import type { Op, Spec, WasmCode } from '../graph/op.ts';
import { checkExtra, show } from '../graph/options.ts';
import { broadcastShapes } from '../graph/shape.ts';
import { apply1, constant, fillOf, Tensor } from '../graph/tensor.ts';
import { broadcastTo } from './broadcast.ts';

/** A tensor, or a number that takes the dtype of the tensor it meets. */
export type TensorLike = Tensor | number;

/**
 * A number becomes a constant of `dtype`. @throws ShapeError naming the op if x is neither a tensor nor a number, or the dtype, which is
 * that of the other tensor, does not hold it; `written` is the call with that tensor cast.
 */
export function toTensor(
  op: string,
  x: TensorLike,
  dtype: DType = 'f32',
  written = (other: string) => `${other}.${op}(${x})`,
): Tensor {
  if (typeof x === 'number') {
    if (dtype !== 'f32') checkHeld(op, dtype, [x], `Cast the tensor first: ${written(castFor(x))}.`);
    return constant(x, { dtype });
  }
  if (x instanceof Tensor) return x;
  throw new ShapeError(`${op}: ${show(x)} is neither a tensor nor a number. Give one, such as constant([1, 2]) or 3.`);
}

/** A cast to a dtype that holds the number. */
function castFor(x: number): string {
  return `x.cast('${(x | 0) === x ? 'i32' : 'f32'}')`;
}

/** The dtype of numbers combined with these. */
export function dtypeAmong(...xs: readonly TensorLike[]): DType {
  return xs.find((x) => x instanceof Tensor)?.dtype ?? 'f32';
}

/** A row of one input and one output, both f32 (the output `out` if given). */
export interface UnaryRow<P> {
  /** Writes y from x, element by element. */
  cpu(x: HostArray, y: HostArray, p: P): void;
  /** The expression; x is a name, so it may be used more than once. `declare` returns the name of a function to call. */
  wgsl(x: string, p: P, declare: Declare): string;
  /** The same in WebAssembly; see {@link Op.lanes}. */
  lanes?(x: WasmCode, p: P): WasmCode;
  /** dx from dy, x and y; absent where the derivative is zero or undefined everywhere. */
  vjp?(dy: Tensor, x: Tensor, y: Tensor, p: P): Tensor;
  readonly cost?: number;
}

/** An op from a unary row. */
// An unused op is left out of a page's bundle.
/* @__NO_SIDE_EFFECTS__ */
export function unaryOp<P = void>(name: string, row: UnaryRow<P>): Op<P> {
  return {
    name,
    elementwise: true,
    cost: row.cost ?? 1,
    shape: ([x]) => {
      if (x!.dtype !== 'f32') throw new ShapeError(`${name}: x is ${x!.dtype}. It must be f32: cast(x, 'f32').`);
      return [{ shape: x!.shape, dtype: 'f32' }];
    },
    cpu: ([x], [y], p) => row.cpu(x!.data, y!.data, p),
    lanes: ([x], _, p) => row.lanes?.(x!, p),
    map: (scope, p) => row.wgsl(scope.let('f32', scope.load(0, scope.i)), p, scope.declare),
    ...(row.vjp && { vjp: ([dy], [x], [y], p) => [() => row.vjp!(dy!, x!, y!, p)] }),
  };
}

/** A function of one tensor from a row without options; its op is `.op`. */
/* @__NO_SIDE_EFFECTS__ */
export function unary(
  name: string,
  row: UnaryRow<void>,
): ((x: TensorLike, ...extra: never[]) => Tensor) & { readonly op: Op<void> } {
  const op = unaryOp<void>(name, row);
  const fn = (x: TensorLike, ...extra: never[]) => {
    checkExtra(name, extra);
    return apply1(op, [toTensor(name, x)], undefined);
  };
  return Object.assign(fn, { op });
}

/** A row of two inputs of the same shape and dtype. */
export interface BinaryRow {
  cpu(a: HostArray, b: HostArray, y: HostArray): void;
  /** The expression; a and b are names, so they may be used more than once. `declare` as in {@link UnaryRow.wgsl}. */
  wgsl(a: string, b: string, dtype: DType, declare: Declare): string;
  /** Its WebAssembly instruction for four floats; for a comparison, which gives 1 or 0, the instruction that sets all bits or none. */
  readonly lanes?: number;
  /** [da, db]; absent where no gradient flows (comparisons). */
  vjp?(dy: Tensor, a: Tensor, b: Tensor, y: Tensor): readonly [() => Tensor, () => Tensor];
  /** The dtypes it takes. Default f32, u32 and i32. */
  readonly dtypes?: readonly DType[];
  /** The dtype of its output. Default: its inputs' dtype. */
  readonly out?: DType;
  readonly cost?: number;
  /** The number e with op(x, e) = x, and whether op(e, x) = x too. */
  readonly identity?: { readonly right: number; readonly left?: number };
}

/** A function of two tensors or numbers, broadcast against each other; its op is `.op`. */
/* @__NO_SIDE_EFFECTS__ */
export function binary(
  name: string,
  row: BinaryRow,
): ((a: TensorLike, b: TensorLike, ...extra: never[]) => Tensor) & { readonly op: Op<void> } {
  const op: Op<void> = {
    name,
    elementwise: true,
    cost: row.cost ?? 1,
    shape: ([a, b]) => [{ shape: a!.shape, dtype: binaryDtype(name, row, a!, b!) }],
    cpu: ([a, b], [y]) => row.cpu(a!.data, b!.data, y!.data),
    lanes: (xs, [a]) => {
      if (!row.lanes || a!.dtype !== 'f32') return undefined;
      return [xs, simd(row.lanes), row.out ? [fill(1), simd(F32X4.AND)] : []];
    },
    map: (scope) => {
      const dtype = scope.inputs[0]!.dtype;
      const [a, b] = [0, 1].map((k) => scope.let(wgslType(dtype), scope.load(k, scope.i)));
      return row.wgsl(a!, b!, dtype, scope.declare);
    },
    simplify: ([a, b]) => {
      if (row.identity && fillOf(b!) === row.identity.right) return a;
      return row.identity?.left !== undefined && fillOf(a!) === row.identity.left ? b : undefined;
    },
    ...(row.vjp && { vjp: ([dy], [a, b], [y]) => row.vjp!(dy!, a!, b!, y!) }),
  };
  const fn = (a: TensorLike, b: TensorLike, ...extra: never[]) => {
    checkExtra(name, extra);
    const dtype = dtypeAmong(a, b);
    const x = toTensor(name, a, dtype, (other) => `${name}(${a}, ${other})`);
    const y = toTensor(name, b, dtype);
    const shape = broadcastShapes(name, x.shape, y.shape);
    return apply1(op, [broadcastTo(x, shape), broadcastTo(y, shape)], undefined);
  };
  return Object.assign(fn, { op });
}

function binaryDtype(name: string, row: BinaryRow, a: Spec, b: Spec): DType {
  const allowed = row.dtypes ?? ['f32', 'u32', 'i32'];
  if (a.dtype !== b.dtype)
    throw new ShapeError(`${name}: dtypes differ: ${a.dtype} against ${b.dtype}. Cast one of them.`);
  if (!allowed.includes(a.dtype))
    throw new ShapeError(`${name}: ${a.dtype} is not one of ${allowed.join(', ')}. Cast the inputs.`);
  return row.out ?? a.dtype;
}
