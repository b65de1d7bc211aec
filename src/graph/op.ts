// What an op is: a few facts (shape, CPU truth, GPU code, gradient) and the types they speak of. Nothing else in the
// project switches on which op it is.
import type { DType, HostArray } from './dtype.ts';
import type { Shape } from './shape.ts';
import type { Tensor } from './tensor.ts';
import type { Work } from './tuning.ts';

/** What is known of a tensor before anything runs. */
export interface Spec {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** A row-major array on the host. `f32` data is a Float64Array where the CPU computes in doubles. */
export interface NdArray extends Spec {
  readonly data: HostArray;
}

/** What a kernel may ask about the adapter when it chooses a variant. */
export interface Capabilities {
  /** What the adapter calls itself, for tables of what is fast where. */
  readonly name: string;
  /** A CPU pretends to be a GPU: barriers are dear, workgroup memory has no advantage. */
  readonly software: boolean;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxComputeWorkgroupStorageSize: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupsPerDimension: number;
  /**
   * The fastest way of doing this very work that a tuner found, or undefined. The op that asks knows what it means, and checks
   * it before use.
   */
  readonly tuned?: (work: Work) => unknown;
}

/** The WGSL type a dtype has inside a kernel (`u8` is read as `u32`). */
export type WgslType = 'f32' | 'u32' | 'i32';

export function wgslType(dtype: DType): WgslType {
  return dtype === 'u8' ? 'u32' : dtype;
}

/** Where a map op writes its expression: reads of its inputs, and lines before the expression. */
export interface MapScope {
  readonly inputs: readonly Spec[];
  readonly out: Spec;
  /** The flat index of the output element: the name of a `u32`. */
  readonly i: string;
  /** Reads element `index` (a `u32` expression) of input `k`; the value's type is {@link wgslType} of its dtype. */
  load(k: number, index: string): string;
  /** Adds `let NAME: type = expression;` and returns NAME. */
  let(type: WgslType, expression: string): string;
  /** Adds module-scope WGSL (functions), once however often the same text is asked for. */
  declare(text: string): void;
}

/** A dispatch of a kernel op. Its code calls `loadK(i)` for inputs and `storeK(i, value)` for outputs. */
export interface Pass {
  /** What to call it in labels, after the op's name; absent where there is one pass. */
  readonly label?: string;
  /** Module-scope WGSL with one `@compute` entry point `main`. Bindings, `loadK` and `storeK` are put before it. */
  readonly code: string;
  readonly workgroups: readonly [number, number, number];
  /** The inputs that the code loads, and the outputs that it stores. */
  readonly inputs: readonly number[];
  readonly outs: readonly number[];
  /** Inputs that the code also reads as `loadKv(i)`: the vec4f at elements 4i to 4i+3. Only where `direct(k)`. */
  readonly vec4?: readonly number[];
  /** Bytes of workgroup memory it uses. */
  readonly workgroupBytes?: number;
  /** Scratch arrays by name, as indices into {@link KernelPlan.scratch}: read as `NAME[i]`, written as `NAME[i] = v`. */
  readonly reads?: readonly string[];
  readonly writes?: readonly string[];
}

/** A kernel op's dispatches in order, with the arrays that carry values from one to the next. */
export interface KernelPlan {
  readonly passes: readonly Pass[];
  readonly scratch?: readonly { readonly name: string; readonly size: number; readonly type: WgslType }[];
}

export interface KernelScope {
  readonly inputs: readonly Spec[];
  readonly outs: readonly Spec[];
  readonly gpu: Capabilities;
  /** True where input `k` is a plain f32 buffer (no chain fused into its load), so `vec4` may name it. */
  direct(k: number): boolean;
}

/** Elements along an axis up to which a row is narrow: one lane holds it, or a few. */
export const NARROW = 32;

export interface RowScope extends KernelScope {
  /** Lanes that compute a row together. */
  readonly lanes: number;
}

/** A kernel op's work cut into rows that do not depend on each other. */
export interface RowStage {
  /** Rows; row r is element r of what is left of the shapes' first axes. */
  readonly rows: number;
  /** The inputs of which row r is all that row r of the outputs depends on; others are read anywhere. */
  readonly aligned: readonly number[];
  /** Module-scope WGSL with `fn row(r: u32, lane: u32)`: lane `lane` of the scope's lanes does its share of row r. No barriers. */
  readonly code: string;
  /** As in {@link Pass}. */
  readonly inputs: readonly number[];
  readonly outs: readonly number[];
  readonly vec4?: readonly number[];
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

/** Where an op says its work on the CPU in WebAssembly. */
export interface WasmScope {
  readonly inputs: readonly Spec[];
  /** Where inputs and outputs begin in memory, in bytes. */
  readonly from: readonly number[];
  readonly to: readonly number[];
  /** Adds a function to the program, once however often an equal one is asked for, and gives its index. */
  define(func: WasmFunction): number;
}

/** Thunks for the gradients of an op's inputs; `undefined` where none exists (labels, indices). */
export type InputGradients = readonly ((() => Tensor) | undefined)[];

/**
 * An op. A *map* op says each output element as an expression of its index, and chains of them become one kernel; a
 * *kernel* op says its own dispatches. Every op has exactly one of the two (or a `placement`).
 */
export interface Op<P = unknown> {
  readonly name: string;
  /** Specs of the outputs; throws the message that the user will read. */
  shape(inputs: readonly Spec[], p: P): readonly Spec[];
  /** The truth: plain loops over doubles or floats that write into `outs`. */
  cpu(inputs: readonly NdArray[], outs: readonly NdArray[], p: P): void;
  /** Kernel ops only: the same in WebAssembly, in floats. */
  cpuFast?(scope: WasmScope, p: P): WasmCode;
  /**
   * Elementwise ops, and what repeats one element: the same in WebAssembly on four elements. `xs` put the inputs' (v128) on the
   * stack, each as often as it is used; undefined where inputs of these kinds are left to `cpu`.
   */
  lanes?(xs: readonly WasmCode[], inputs: readonly Spec[], p: P): WasmCode | undefined;
  /** The WGSL expression of the output element `scope.i` (one output). */
  map?(scope: MapScope, p: P): string;
  /** Map ops only: output element i depends on element i of every input, and on no other. */
  readonly elementwise?: boolean;
  /** Elementwise ops of one input only: the output is the input's memory under another shape. */
  readonly view?: boolean;
  /** Map ops only: work per element beside an add (1). 0: a change of index, free; above 8: never done twice; Infinity: always kept in memory. */
  readonly cost?: number;
  /** In place of a map or a kernel: where each input lies in the one flat output, computed there where possible. */
  placement?(p: P): readonly number[];
  /** An equal but simpler tensor, where there is one (x · 1 is x). */
  simplify?(inputs: readonly Tensor[], p: P): Tensor | undefined;
  /** Its own dispatches. */
  kernel?(scope: KernelScope, p: P): KernelPlan;
  /** Kernel ops only: the same row by row, where rows are so narrow that it shares a dispatch with its like before and after. */
  rows?(scope: RowScope, p: P): RowStage | undefined;
  /** Kernel ops only: inputs whose elements are each loaded about once, so a chain may be fused into the load. */
  prologue?(p: P): readonly number[];
  /** Kernel ops only: `storeK` is called exactly once for every element of every output, so a chain may follow. */
  readonly epilogue?: boolean;
  /**
   * Arithmetic operations as a roofline counts them, a multiply-add as two. Unless said, an elementwise op does one for each f32 of
   * its output, a kernel op one for each f32 of its inputs, a change of index none.
   */
  flops?(inputs: readonly Spec[], p: P): number;
  /** The gradients of the inputs from those of the outputs, written with ops. Absent where none can flow. */
  vjp?(dys: readonly (Tensor | undefined)[], inputs: readonly Tensor[], ys: readonly Tensor[], p: P): InputGradients;
}
