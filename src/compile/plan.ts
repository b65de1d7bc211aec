// What the passes speak of: values in storage, kernels with declared accesses, dispatches and loops of them, and where values lie.
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

/** What lies in storage: a tensor (its identity), or a scratch array. */
export type Value = Tensor | GroupScratch;

/** How a kernel touches a value. */
export interface Access {
  readonly value: Value;
  readonly type: WgslType;
  readonly width: 'scalar' | 'vec4' | 'atomic';
}

/** What the statements of a kernel are written with: accesses, which must be declared ones, and names of the module. */
export interface Names {
  /** The element at `index`, an identifier or a literal. */
  load(value: Value, index: string): string;
  /** The vec4f at elements 4 · index to 4 · index + 3. */
  load4(value: Value, index: string): string;
  /** The statement that stores an element. */
  store(value: Value, index: string, element: string): string;
  /** A pointer to an atomic element. */
  pointer(value: Value, index: string): string;
  /** A name of module scope that nothing else has. */
  unique(base: string): string;
  /** Adds module-scope text. */
  add(text: string): void;
  readonly declare: Declare;
}

/** What one dispatch will do, or a part of one, known before any text is written. */
export interface Kernel {
  readonly name: string;
  readonly workgroup: Size3;
  readonly grid: Size3;
  readonly reads: readonly Access[];
  readonly writes: readonly Access[];
  readonly shared: readonly SharedArray[];
  readonly barriers: boolean;
  readonly requires: readonly Feature[];
  /** Whether the workgroup size was chosen for the kernel; one that was not runs at any. */
  readonly sized: boolean;
  readonly contents: readonly Contents[];
  /** A whole module, run as it is. */
  readonly opaque?: OpaqueKernel;
  /** The statements of a thread; see {@link KernelSpec.body} for the names in them. */
  body(names: Names): string;
  /** The same kernel, with these values tested where they are computed. Absent where it cannot look at them. */
  guarded?(watches: Watches): Kernel;
}

/** What a kernel is made of, for reports: groups, or values that it checks or assigns. */
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
  /** The product of the group: where element i of it is known, so is the value. */
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
  /** With it, `plan` is one dispatch that loops by itself, as often as the word says where this memory is bound. */
  readonly lengths?: Memory;
}

/** What a program runs. */
export type Plan = readonly (Dispatch | Loop)[];

/** The dtype of a value's elements in memory. */
export function dtypeOfValue(value: Value): DType {
  return 'array' in value ? value.array.type : value.dtype;
}

/** What to call a value in labels and errors. */
export function nameOf(value: Value): string {
  return 'array' in value ? `${value.group.root!.name} ${value.array.name}` : value.node.name;
}
