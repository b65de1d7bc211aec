// The type of an op: a few facts (shape, CPU reference, GPU code, gradient) and their types. No other code depends on which op it is.
import type { Capabilities } from './capabilities.ts';
import type { DType, HostArray } from './dtype.ts';
import type { Declare, KernelSpec, OpaqueKernel, RowSpec, WgslType } from './kernel.ts';
import type { Shape } from './shape.ts';
import type { Tensor } from './tensor.ts';

/** The static type of a tensor. */
export interface Spec {
  /** The sizes of the axes; [] for a scalar. */
  readonly shape: Shape;
  /** The dtype of the elements. */
  readonly dtype: DType;
}

/** A row-major array on the host. `f32` data is a Float64Array if the CPU computes in doubles. */
export interface NdArray extends Spec {
  /** The elements, the last axis varying fastest. */
  readonly data: HostArray;
}

/** Where a map op writes its expression: reads of its inputs, and lines before the expression. */
export interface MapScope {
  /** The shapes and dtypes of the inputs. */
  readonly inputs: readonly Spec[];
  /** The shape and dtype of the output. */
  readonly out: Spec;
  /** The flat index of the output element: the name of a `u32`. */
  readonly i: string;
  /** Reads element `index` (a `u32` expression) of input `k`; the value's type is {@link wgslType} of its dtype. */
  load(k: number, index: string): string;
  /** Adds `let NAME: type = expression;` and returns NAME. */
  let(type: WgslType, expression: string): string;
  /** Adds module-scope WGSL (a function) and returns its name. */
  readonly declare: Declare;
}

/** The information available to a kernel op when it describes its kernels. */
export interface KernelScope {
  /** The shapes and dtypes of the inputs. */
  readonly inputs: readonly Spec[];
  /** The shapes and dtypes of the outputs. */
  readonly outs: readonly Spec[];
  /** The adapter's costs, features and limits. */
  readonly gpu: Capabilities;
  /** Whether input `k` is a plain f32 buffer (no chain fused into its load), so that `vec4` may name it. */
  direct(k: number): boolean;
}

/** What an op knows when it describes its work as rows. */
export interface RowScope extends KernelScope {
  /** Lanes that compute a row together. */
  readonly lanes: number;
}

/** WebAssembly instructions: bytes, in arrays that may nest. */
export type WasmCode = number | readonly WasmCode[];

/** A function in WebAssembly. */
export interface WasmFunction {
  /** i32 parameters, which are the first locals. */
  readonly params: number;
  /** Locals after them, i32 first, then v128. */
  readonly i32s: number;
  readonly v128s: number;
  /** Whether it returns an i32. */
  readonly returns?: boolean;
  readonly body: WasmCode;
}

/** The scope in which an op writes its WebAssembly. */
export interface WasmScope {
  readonly inputs: readonly Spec[];
  /** The byte offsets of inputs and outputs in memory. */
  readonly from: readonly number[];
  readonly to: readonly number[];
  /** Adds a function to the program, equal ones once, and returns its index. */
  define(func: WasmFunction): number;
  /** Memory of each thread for this op alone, which holds nothing before a pass: where it begins, in bytes after `THREAD`. */
  scratch(bytes: number): number;
  /** Memory that all threads see and that lasts from one pass of this op to the next: where it begins, in bytes after `SHARED`. */
  shared(bytes: number): number;
}

/** Work in units, of which any thread may compute any range at any time: no unit reads what another writes, so the bits are the same. */
export interface WasmPass {
  readonly units: number;
  /** Computes the units from local 0 up to local 1, both i32. */
  readonly body: WasmCode;
  /** Locals after these two, i32 first, then v128. Default 0. */
  readonly i32s?: number;
  readonly v128s?: number;
  /** Arithmetic operations of all units together, roughly: small passes are not worth a second thread. */
  readonly operations: number;
}

/**
 * The gradients of an op's outputs. A single output always has one; with several, those of outputs that the result does not depend on are
 * undefined, including the first.
 */
export type OutputGradients = readonly [Tensor, ...(Tensor | undefined)[]];

/** Thunks for the gradients of an op's inputs; `undefined` where none exists (labels, indices). */
export type InputGradients = readonly ((() => Tensor) | undefined)[];

/**
 * An op. A *map* op expresses each output element as a function of its index, and chains of them become one kernel; a
 * *kernel* op describes its own kernels; an *opaque* op brings a whole WGSL module. Every op has exactly one of the three (or a
 * `placement`).
 */
export interface Op<P = unknown> {
  /** Its name in errors, labels and explanations. */
  readonly name: string;
  /** Specs of the outputs; throws a message for the user. */
  shape(inputs: readonly Spec[], p: P): readonly Spec[];
  /** The reference: plain loops over doubles or floats that write into `outs`. */
  cpu(inputs: readonly NdArray[], outs: readonly NdArray[], p: P): void;
  /**
   * The same in WebAssembly, in floats: passes one after another; undefined if these inputs are left to `cpu`.
   * @internal
   */
  cpuFast?(scope: WasmScope, p: P): readonly WasmPass[] | undefined;
  /**
   * Elementwise ops, and ops that repeat one element: the same in WebAssembly on four elements. `xs` push the inputs' (v128), each as
   * often as it is used; undefined if inputs of these kinds are left to `cpu`.
   * @internal
   */
  lanes?(xs: readonly WasmCode[], inputs: readonly Spec[], p: P): WasmCode | undefined;
  /** The WGSL expression of the output element `scope.i` (one output). */
  map?(scope: MapScope, p: P): string;
  /** Map ops only: output element i depends on element i of every input, and on no other. */
  readonly elementwise?: boolean;
  /** Elementwise ops of one input only: the output is the input's memory under another shape. */
  readonly view?: boolean;
  /** Map ops only: work per element, where an add is 1. 0: a change of index, free; above 8: never computed twice; Infinity: always materialized. */
  readonly cost?: number;
  /** Instead of a map or a kernel: the offset of each input in the flat output; inputs are computed in place if possible. */
  placement?(p: P): readonly number[];
  /** An equivalent simpler tensor, if any (x · 1 is x). */
  simplify?(inputs: readonly Tensor[], p: P): Tensor | undefined;
  /** Its own kernels: one, or several in order with scratch arrays between them. */
  kernel?(scope: KernelScope, p: P): KernelSpec | readonly KernelSpec[];
  /** Kernel ops only: the same row by row, if sharing a dispatch with adjacent row kernels pays. */
  rows?(scope: RowScope, p: P): RowSpec | undefined;
  /** A whole module, run unchanged. */
  opaque?(scope: Omit<KernelScope, 'direct'>, p: P): OpaqueKernel;
  /** Kernel ops only: inputs whose elements are each loaded about once, so a chain may be fused into the load. */
  prologue?(p: P): readonly number[];
  /** Kernel ops only: every element of every output is stored exactly once, so a chain may be fused into the store. */
  readonly epilogue?: boolean;
  /**
   * Arithmetic operations as a roofline counts them, a multiply-add as two. Default: one for each f32 of its output in an elementwise op,
   * one for each f32 of its inputs in a kernel op, none for a change of index.
   */
  flops?(inputs: readonly Spec[], p: P): number;
  /** The gradients of the inputs from the outputs' gradients, written with ops. Absent if none can flow. */
  vjp?(dys: OutputGradients, inputs: readonly Tensor[], ys: readonly Tensor[], p: P): InputGradients;
}
