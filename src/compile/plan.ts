// The types that passes share: values in storage, kernels with declared accesses, dispatches and loops of them, and memory locations.
import type { Memory } from '../gpu/memory.ts';
import type { Feature } from '../graph/capabilities.ts';
import type { DType } from '../graph/dtype.ts';
import type { Declare, OpaqueKernel, Scratch, SharedArray, Size3, WgslType } from '../graph/kernel.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Group } from './passes/group.ts';
import type { Commit } from './passes/hazards.ts';
import type { Materialized } from './passes/materialize.ts';

/** A scratch array of one group. */
export interface GroupScratch {
  readonly group: Group;
  readonly array: Scratch;
}

/** A value in storage: a tensor (its identity), or a scratch array. */
export type Value = Tensor | GroupScratch;

/** How a kernel touches a value. */
export interface Access {
  readonly value: Value;
  readonly type: WgslType;
  readonly width: 'scalar' | 'vec4' | 'atomic';
}

/** The vocabulary of a kernel's statements: declared accesses, and names of the module. */
export interface Names {
  /** The element at `index`, an identifier or a literal. */
  load(value: Value, index: string): string;
  /** The vec4f at elements 4 · index to 4 · index + 3. */
  load4(value: Value, index: string): string;
  /** The statement that stores an element. */
  store(value: Value, index: string, element: string): string;
  /** A pointer to an atomic element. */
  pointer(value: Value, index: string): string;
  /** A unique name of module scope. */
  unique(base: string): string;
  /** Adds module-scope text. */
  add(text: string): void;
  readonly declare: Declare;
}

/** The work of a dispatch, or of a part of one, known before any text is written. */
export interface Kernel {
  readonly name: string;
  readonly workgroup: Size3;
  readonly grid: Size3;
  readonly reads: readonly Access[];
  readonly writes: readonly Access[];
  readonly shared: readonly SharedArray[];
  readonly barriers: boolean;
  readonly requires: readonly Feature[];
  /** Whether the kernel needs this workgroup size; otherwise it runs at any. */
  readonly sized: boolean;
  readonly contents: readonly Contents[];
  /** A whole module, run unchanged. */
  readonly opaque?: OpaqueKernel;
  /** The statements of a thread; see {@link KernelSpec.body} for the names in them. */
  body(names: Names): string;
  /** The same kernel, with these values tested where they are computed. Absent if it cannot test them. */
  guarded?(watches: Watches): Kernel;
}

/** The parts of a kernel, for reports: groups, or values that it checks or assigns. */
export interface Contents {
  readonly graph: Materialized;
  readonly stored: ReadonlySet<Tensor>;
  readonly group?: Group;
  /** The inputs and outputs that a kernel op's kernel touches, and its scratch arrays. */
  readonly inputs?: readonly number[];
  readonly outputs?: readonly number[];
  readonly scratch?: readonly Scratch[];
  /** Whether it is the first kernel of its op. */
  readonly first?: boolean;
  readonly watches?: readonly Watch[];
  readonly checked?: readonly Tensor[];
  readonly commits?: readonly Commit[];
}

/** A value to be tested when a group stores a tensor. */
export interface Watch {
  /** A product of the group; its element i determines the value. */
  readonly host: Tensor;
  /** What must be finite: the host itself, or a tensor computed from an arena at `offset` + i. */
  readonly tensor: Tensor;
  readonly part?: { readonly arena: Tensor; readonly offset: number };
}

/** The guard's flag and the step counter, and what is tested where. */
export interface Watches {
  readonly status: Tensor;
  readonly step: Tensor;
  readonly byGroup: ReadonlyMap<Group, readonly Watch[]>;
}

/** Kernels that run side by side. */
export interface Dispatch {
  readonly kernels: readonly Kernel[];
}

/** A plan that is run `count` times, as often as a submit has steps. */
export interface Loop {
  readonly count: 'steps';
  readonly plan: Plan;
  /** With it, `plan` is one dispatch that loops by itself; its iteration count is the word bound from this memory. */
  readonly lengths?: Memory;
}

/** What a program runs. */
export type Plan = readonly (Dispatch | Loop)[];

/** The dtype of a value's elements in memory. */
export function dtypeOfValue(value: Value): DType {
  return 'array' in value ? value.array.type : value.dtype;
}

/** A value's name in labels and errors. */
export function nameOf(value: Value): string {
  return 'array' in value ? `${value.group.root!.name} ${value.array.name}` : value.node.name;
}
