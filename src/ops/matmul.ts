// Matrix products: matmul with batch axes and transposes, and the linear layer's product with its fused bias gradient.
import { type RowProductVariant, rowProduct } from '../../shaders/row-product.wgsl.ts';
import { multiply, type Product } from '../cpu/matmul.ts';
import { ONE, product, productPass } from '../cpu/wasm/matmul.ts';
import { rowProductFits } from '../graph/cost.ts';
import { ShapeError } from '../graph/errors.ts';
import type { RowSpec } from '../graph/kernel.ts';
import type { KernelScope, Op, RowScope, Spec } from '../graph/op.ts';
import { BOOLEAN, checkOptions, type Schema } from '../graph/options.ts';
import { broadcastShapes, formatShape, type Shape, sizeOf, stridesOf } from '../graph/shape.ts';
import { apply, apply1, type Tensor } from '../graph/tensor.ts';
import { add } from './binary.ts';
import { broadcastTo, sumTo } from './broadcast.ts';
import { productKernel } from './gemm-table.ts';
import { offsets } from './reduction.ts';
import { reshape } from './reshape.ts';
import { checkTensors } from './tensors.ts';

/** Which operands are stored transposed: a as (…, K, M), b as (…, N, K). */
export interface MatmulOptions {
  /** Default false. */
  readonly transposeA?: boolean | undefined;
  /** Default false. */
  readonly transposeB?: boolean | undefined;
}

const SCHEMA = { transposeA: [BOOLEAN, false], transposeB: [BOOLEAN, false] } satisfies Schema<MatmulOptions>;

interface Matmul {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Sizes and batch layout of a product. @throws ShapeError */
function layout(a: Spec, b: Spec, { transposeA, transposeB }: Matmul) {
  if (a.dtype !== 'f32' || b.dtype !== 'f32') {
    throw new ShapeError(`matmul: a is ${a.dtype} and b is ${b.dtype}. Both must be f32: use cast.`);
  }
  if (a.shape.length < 2 || b.shape.length < 2) {
    throw new ShapeError(
      `matmul: a is ${formatShape(a.shape)} and b is ${formatShape(b.shape)}. Both need at least two axes: reshape a vector to a row or a column.`,
    );
  }
  const [a0, a1] = a.shape.slice(-2) as [number, number];
  const [b0, b1] = b.shape.slice(-2) as [number, number];
  const [M, K] = transposeA ? [a1, a0] : [a0, a1];
  const [inner, N] = transposeB ? [b1, b0] : [b0, b1];
  if (K !== inner) throw new ShapeError(mismatch(a.shape, b.shape, K, inner, transposeA, transposeB));
  const batchA = a.shape.slice(0, -2);
  const batchB = b.shape.slice(0, -2);
  const batch = broadcastShapes('matmul (batch axes)', batchA, batchB);
  return { M, N, K, batch, strideA: batchStrides(batchA, batch, M * K), strideB: batchStrides(batchB, batch, K * N) };
}

function mismatch(a: Shape, b: Shape, K: number, inner: number, transposeA: boolean, transposeB: boolean): string {
  const other = transposeB ? b.at(-2) : b.at(-1);
  const hint =
    other === K
      ? ` Did you mean matmul(a, b, { transposeB: ${!transposeB} })?`
      : (transposeA ? a.at(-1) : a.at(-2)) === inner
        ? ` Did you mean matmul(a, b, { transposeA: ${!transposeA} })?`
        : ' Reshape one of them, or transpose it.';
  return `matmul: inner sizes differ: ${K} of ${formatShape(a)} against ${inner} of ${formatShape(b)}.${hint}`;
}

function batchStrides(own: Shape, batch: Shape, matrix: number): number[] {
  const strides = stridesOf(own);
  const lead = batch.length - own.length;
  return batch.map((_, axis) => (axis < lead || own[axis - lead] === 1 ? 0 : strides[axis - lead]! * matrix));
}

/** The strides of operands, transposed or not. */
function stored({ M, N, K, transposeA, transposeB }: Matmul & Pick<Product, 'M' | 'N' | 'K'>): Product {
  const [rowA, kA] = transposeA ? [1, M] : [K, 1];
  const [columnB, kB] = transposeB ? [K, 1] : [1, N];
  return { M, N, K, rowA, kA, columnB, kB };
}

/** The offset of each product of a batch in a, b and y, in elements. */
function places({ M, N, batch, strideA, strideB }: ReturnType<typeof layout>): [number, number, number][] {
  const inB = offsets(batch, strideB);
  return Array.from(offsets(batch, strideA), (inA, i) => [inA, inB[i]!, i * M * N]);
}

/** Which operands a kernel may read as vec4f. */
function directness({ direct }: KernelScope) {
  return { directA: direct(0), directB: direct(1) };
}

export const matmulOp: Op<Matmul> = {
  name: 'matmul',
  epilogue: true,
  shape: ([a, b], p) => {
    const { M, N, batch } = layout(a!, b!, p);
    return [{ shape: [...batch, M, N], dtype: 'f32' }];
  },
  cpu: ([a, b], [y], p) => {
    const sizes = layout(a!, b!, p);
    const one = stored({ ...sizes, ...p });
    for (const at of places(sizes)) multiply(one, [a!.data, b!.data, y!.data], at);
  },
  cpuFast: (scope, p) => {
    const sizes = layout(scope.inputs[0]!, scope.inputs[1]!, p);
    const { from, to } = scope;
    const func = product(stored({ ...sizes, ...p }), scope);
    const addresses = places(sizes).map(([a, b, y]) => [from[0]! + a * 4, from[1]! + b * 4, to[0]! + y * 4] as const);
    return [productPass(addresses.map((each) => [func, each]))];
  },
  flops: ([a, b], p) => {
    const { M, N, K, batch } = layout(a!, b!, p);
    return 2 * M * N * K * sizeOf(batch);
  },
  kernel: (scope, p) =>
    productKernel({ ...p, ...layout(scope.inputs[0]!, scope.inputs[1]!, p), ...directness(scope) }, scope.gpu),
  rows: (scope, p) => {
    const { M, N, K, batch } = layout(scope.inputs[0]!, scope.inputs[1]!, p);
    return p.transposeA || batch.length > 0 ? undefined : productRows(scope, { M, N, K, ...p, bias: false });
  },
  vjp: ([dy], [a, b], _, { transposeA, transposeB }) => [
    () =>
      sumTo(
        transposeA
          ? matmul(b!, dy!, { transposeA: transposeB, transposeB: true })
          : matmul(dy!, b!, { transposeB: !transposeB }),
        a!.shape,
      ),
    () =>
      sumTo(
        transposeB
          ? matmul(dy!, a!, { transposeA: true, transposeB: transposeA })
          : matmul(a!, dy!, { transposeA: !transposeA }),
        b!.shape,
      ),
  ],
};

/** A product computed row by row, for narrow rows or a small K. */
function productRows(scope: RowScope, v: RowProductVariant): RowSpec | undefined {
  return rowProductFits(v.N, v.K, scope.lanes) ? rowProduct(v, scope.lanes, scope) : undefined;
}

/**
 * y = a · b: (…, M, K) times (…, K, N) gives (…, M, N); batch axes broadcast as in NumPy. With `transposeA` a is stored
 * (…, K, M), with `transposeB` b is stored (…, N, K).
 * @throws ShapeError if the inner sizes or the batch axes do not match.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}, ...extra: never[]): Tensor {
  checkTensors('matmul', { a, b });
  return apply1(matmulOp, [a, b], checkOptions('matmul', options, SCHEMA, extra));
}

const NOT_BATCHED = { batch: [], strideA: [], strideB: [] };

function linearSizes([x, w]: readonly Spec[]) {
  const [M, K] = x!.shape as [number, number];
  return { M, N: w!.shape[0]!, K, transposeA: false, transposeB: true };
}

/** y (M, N) = x (M, K) · wᵀ + b, with w (N, K) and b (N). */
export const linearOp: Op<void> = {
  name: 'linear',
  epilogue: true,
  shape: ([x, w]) => [{ shape: [x!.shape[0]!, w!.shape[0]!], dtype: 'f32' }],
  cpu: ([x, w, b], [y]) => {
    const { M, N, ...p } = linearSizes([x!, w!]);
    multiply(stored({ M, N, ...p }), [x!.data, w!.data, y!.data]);
    for (let i = 0, row = 0; row < M; row++) for (let n = 0; n < N; n++) y!.data[i++]! += b!.data[n]!;
  },
  cpuFast: (scope) => {
    const { inputs, from, to } = scope;
    return [productPass([[product(stored(linearSizes(inputs)), scope, true), [from[0]!, from[1]!, to[0]!, from[2]!]]])];
  },
  flops: (inputs) => {
    const { M, N, K } = linearSizes(inputs);
    return M * N * (2 * K + 1);
  },
  kernel: (scope) =>
    productKernel({ ...linearSizes(scope.inputs), ...NOT_BATCHED, ...directness(scope), bias: true }, scope.gpu),
  rows: (scope) => productRows(scope, { ...linearSizes(scope.inputs), bias: true }),
  vjp: ([dy], [x, w]) => {
    let grads: Tensor[] | undefined;
    const weights = () => (grads ??= apply(linearGradOp, [dy!, x!], undefined));
    return [() => matmul(dy!, w!), () => weights()[0]!, () => weights()[1]!];
  },
};

function gradSizes([dy, x]: readonly Spec[]) {
  const [K, M] = dy!.shape as [number, number];
  return { M, N: x!.shape[1]!, K, transposeA: true, transposeB: false };
}

/** Σ over the rows of dy (K, M): a row of ones (a single 1 with stride 0) times dy. */
function sumOfRows({ M, K }: { readonly M: number; readonly K: number }): Product {
  return { M: 1, N: M, K, rowA: 0, kA: 0, columnB: 1, kB: M };
}

/** [dw (N, K), db (N)] = [dyᵀ · x, Σ over rows of dy], in one pass over dy (M, N) and x (M, K). */
export const linearGradOp: Op<void> = {
  name: 'linearGrad',
  epilogue: true,
  shape: ([dy, x]) => [
    { shape: [dy!.shape[1]!, x!.shape[1]!], dtype: 'f32' },
    { shape: [dy!.shape[1]!], dtype: 'f32' },
  ],
  cpu: ([dy, x], [dw, db]) => {
    const sizes = gradSizes([dy!, x!]);
    multiply(stored(sizes), [dy!.data, x!.data, dw!.data]);
    multiply(sumOfRows(sizes), [Float64Array.of(1), dy!.data, db!.data]);
  },
  cpuFast: (scope) => {
    const sizes = gradSizes(scope.inputs);
    const [dy, x] = scope.from;
    const [dw, db] = scope.to;
    return [
      productPass([
        [product(stored(sizes), scope), [dy!, x!, dw!]],
        [product(sumOfRows(sizes), scope), [ONE, dy!, db!]],
      ]),
    ];
  },
  flops: (inputs) => {
    const { M, N, K } = gradSizes(inputs);
    return M * K * (2 * N + 1);
  },
  kernel: (scope) =>
    productKernel({ ...gradSizes(scope.inputs), ...NOT_BATCHED, ...directness(scope), columnSums: true }, scope.gpu),
  vjp: ([ddw, ddb], [dy, x]) => [
    () => {
      const fromWeight = ddw && matmul(x!, ddw, { transposeB: true });
      const fromBias = ddb && broadcastTo(ddb, dy!.shape);
      return fromWeight && fromBias ? add(fromWeight, fromBias) : (fromWeight ?? fromBias)!;
    },
    ddw ? () => matmul(dy!, ddw) : undefined,
  ],
};

/**
 * y = x · wᵀ + b for x (…, in), w (out, in) and b (out), as PyTorch's `F.linear`.
 * @throws ShapeError if the sizes do not match.
 */
export function linear(x: Tensor, w: Tensor, b?: Tensor, ...extra: never[]): Tensor {
  checkTensors('linear', { x, w, ...(b !== undefined && { b }) }, extra);
  const K = x.shape.at(-1);
  if (x.rank < 1 || w.rank !== 2 || w.shape[1] !== K) {
    throw new ShapeError(
      `linear: x ${formatShape(x.shape)} does not match w ${formatShape(w.shape)}. x's last axis must equal w's second.`,
    );
  }
  if (b && (b.rank !== 1 || b.shape[0] !== w.shape[0])) {
    throw new ShapeError(`linear: b ${formatShape(b.shape)} must be [${w.shape[0]}], one for each row of w.`);
  }
  const lead = x.shape.slice(0, -1);
  const rows = reshape(x, [sizeOf(lead), K!]);
  const y = b ? apply1(linearOp, [rows, w, b], undefined) : matmul(rows, w, { transposeB: true });
  return reshape(y, [...lead, w.shape[0]!]);
}
