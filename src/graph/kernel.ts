// An op's GPU code: statements and operands, never an entry point. The compiler writes the frame around them (bindings, entry point,
// builtins, names), so that several kernels can share a dispatch.
import type { Feature } from './capabilities.ts';
import { type DType, isPacked } from './dtype.ts';

/** The feature of kernels whose lanes exchange values. Their control flow is uniform, and their workgroups keep their size. */
export const SUBGROUPS: Feature = 'subgroups';

/** The WGSL type a dtype has inside a kernel (packed ones are read as `u32`). */
export type WgslType = 'f32' | 'u32' | 'i32';

export function wgslType(dtype: DType): WgslType {
  return isPacked(dtype) ? 'u32' : dtype;
}

/** Along x, y and z. */
export type Size3 = readonly [x: number, y: number, z: number];

/**
 * Module-scope WGSL: a function or a private variable. The module chooses its name: `name`, unless another declaration has it; equal
 * texts are declared once.
 */
export interface Declaration {
  /** The requested name. */
  readonly name: string;
  /** Declarations that the text refers to. */
  readonly uses?: readonly Declaration[];
  /** The text under the chosen name, given the names of its dependencies. */
  text(name: string, ...uses: string[]): string;
}

/** Adds a declaration to the module and returns its name. */
export type Declare = (declaration: Declaration) => string;

/** An array in storage that carries values from one kernel of an op to the next. */
export interface Scratch {
  /** Its name in the op, the same in all kernels that use it. */
  readonly name: string;
  /** The type of an element. */
  readonly type: WgslType;
  /** The number of elements. */
  readonly size: number;
}

/** An array in workgroup memory. */
export interface SharedArray {
  /** The requested name. */
  readonly name: string;
  /** The type of an element. */
  readonly type: WgslType | 'vec4f';
  /** The number of elements. */
  readonly size: number;
}

/** Bytes of a shared array. */
export function sharedBytesOf({ type, size }: SharedArray): number {
  return size * (type === 'vec4f' ? 16 : 4);
}

/** An input inside the statements of a kernel. */
export interface OperandText {
  /** The element at `index`, a `u32` expression. */
  load(index: string): string;
  /** The `vec4f` at elements 4 · index to 4 · index + 3; only for inputs in {@link Operands.vec4}. */
  load4(index: string): string;
}

/** An output inside the statements of a kernel. */
export interface ResultText {
  /** The statement that stores an element. */
  store(index: string, value: string): string;
}

/** What the statements of a kernel refer to. */
export interface KernelText {
  /** The op's inputs, in order. */
  readonly inputs: readonly OperandText[];
  /** The op's outputs, in order. */
  readonly outputs: readonly ResultText[];
  /** Loads and stores of a scratch array that the kernel names in `reads` or `writes`. */
  scratch(array: Scratch): Pick<OperandText, 'load'> & ResultText;
  /** The name of a workgroup array. */
  shared(array: SharedArray): string;
  /** The barrier statement of a workgroup; only in uniform control flow. */
  barrier(): string;
  /** Adds a function or private variable to the module and returns its name. */
  readonly declare: Declare;
}

/** The inputs and outputs that a kernel touches, by number. */
export interface Operands {
  /** Inputs loaded element by element. Default: all that are not in `vec4`. */
  readonly inputs?: readonly number[];
  /** Inputs loaded as `vec4f`; only where {@link KernelScope.direct}. An input may be in both lists. */
  readonly vec4?: readonly number[];
  /** Outputs stored. Default: all. */
  readonly outputs?: readonly number[];
}

/** A kernel of an op. */
export interface KernelSpec extends Operands {
  /** Its name in labels, after the op's name, if the op has several kernels. */
  readonly label?: string;
  /** Threads in a workgroup. */
  readonly workgroup: Size3;
  /** Workgroups. */
  readonly grid: Size3;
  /** Scratch arrays that it loads from. */
  readonly reads?: readonly Scratch[];
  /** Scratch arrays that it stores to. */
  readonly writes?: readonly Scratch[];
  /** Arrays in workgroup memory. */
  readonly shared?: readonly SharedArray[];
  /** Whether it has workgroup barriers. Default false. */
  readonly barriers?: boolean;
  /** Features that it needs; it cannot be compiled for an adapter without them. */
  readonly requires?: readonly Feature[];
  /**
   * The statements of one thread. They may use these names: `group` (vec3u, the workgroup's index), `local` (vec3u, the thread's index in
   * it), `lane` (u32, the same as one number), `id` (vec3u, group · workgroup + local), and `zero` (u32, a 0 unknown to compilers, so
   * that a loop from it is not unrolled). `return` ends the thread.
   */
  body(k: KernelText): string;
}

/** A kernel op's work as independent rows: row kernels over the same rows run one after another in one dispatch. */
export interface RowSpec extends Operands {
  /** The number of rows; row r is at index r of the operands' leading axes, flattened. */
  readonly rows: number;
  /** Inputs that row r of the outputs reads only at row r; the others may be read anywhere. */
  readonly aligned: readonly number[];
  /**
   * The statements of lane `lane` of row `r` (both u32), with `zero` as in {@link KernelSpec.body}. No barriers; `return` ends the
   * lane's share of this row.
   */
  body(k: Omit<KernelText, 'barrier' | 'shared' | 'scratch'>): string;
}

/**
 * A whole WGSL module with its own entry point. Its text runs unchanged, in a separate dispatch. Group 0 binds the inputs
 * in order as `var<storage, read>`, then the outputs as `var<storage, read_write>`.
 */
export interface OpaqueKernel {
  /** The WGSL text. */
  readonly module: string;
  /** The entry point. Default `main`. */
  readonly entryPoint?: string;
  /** Workgroups along x, y and z. */
  readonly grid: Size3;
  /** Values of `override` constants, by name. */
  readonly constants?: Readonly<Record<string, number>>;
  /** Features that it needs; it cannot be compiled for an adapter without them. */
  readonly requires?: readonly Feature[];
}
