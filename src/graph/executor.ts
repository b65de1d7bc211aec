// The interface of both engines (WebGPU and CPU) to the floors above: memory for variables, and programs over it.
import type { HostArray } from './dtype.ts';
import type { NdArray } from './op.ts';
import type { Storages } from './storages.ts';
import type { Tensor, Variable } from './tensor.ts';
import type { TuningReport } from './tuning.ts';

/** A variable with its own memory; `members` are variables that live inside it, at offsets in elements (an arena). */
export interface VariableGroup {
  readonly variable: Variable;
  readonly members?: readonly { readonly variable: Variable; readonly offset: number }[];
}

/** The location of values: elements of a variable from an offset on. */
export interface Region {
  readonly within: Variable;
  readonly offset: number;
  readonly size: number;
}

/** The memory of variables. Writes take effect after everything submitted before them. */
export interface Storage {
  /** Bytes held. */
  readonly bytes: number;
  /** Whether the variable's values are in this storage. */
  has(variable: Variable): boolean;
  /** Copies `data` in; f32 data may be a Float32Array or a Float64Array. */
  write(variable: Variable, data: HostArray): void;
  /** Copies regions of another storage of the same engine into regions of this one, on the device, in order with writes. */
  copyFrom(source: Storage, copies: readonly (readonly [from: Region, to: Region])[]): void;
  /** Copies out, after everything submitted before. */
  read(variables: readonly Variable[]): Promise<HostArray[]>;
  /** Frees the memory; programs that use it cannot run afterwards. */
  dispose(): void;
}

/** What a program computes: named outputs, and the variables it updates. */
export interface Recipe {
  readonly outputs?: Readonly<Record<string, Tensor>>;
  readonly assignments?: readonly (readonly [Variable, Tensor])[];
  /** Assignments made even while the guard is tripped (the ring of losses). */
  readonly records?: readonly (readonly [Variable, Tensor])[];
  /** With a guard, a step with a non-finite number in its assigned values or `checked` tensors changes nothing. */
  readonly guard?: Guard;
  /**
   * Splits the step where these tensors (the packed gradients) are complete: first their computation and everything that does not depend
   * on them, then the rest and every assignment. A host may run the parts one by one, with other work in between.
   */
  readonly split?: readonly Tensor[];
}

export interface Guard {
  /** u32 [1]: 0 while all values are finite; then permanently the first bad step's number + 1. */
  readonly status: Variable;
  /** u32 [1]: the step counter. */
  readonly step: Tensor;
  /** f32 tensors checked besides the assigned values: the loss. */
  readonly checked: readonly Tensor[];
}

export interface CompileOptions {
  /** The program's name in labels and errors. */
  readonly label?: string | undefined;
  /** The memory of every variable in the recipe. */
  readonly storages?: readonly Storage[] | undefined;
  /** Names of inputs that runs may give although the recipe does not read them. */
  readonly inputs?: readonly string[] | undefined;
  /** False computes every op in a separate dispatch. Default: the backend's. */
  readonly fuse?: boolean | undefined;
  /**
   * Whether many steps of a small network run in one dispatch of one workgroup. True: whenever possible; false: never. Default: if that is
   * faster on the adapter.
   */
  readonly persistent?: boolean | undefined;
}

/** Submitted steps, and variables to read when they are complete. */
export interface Ticket {
  /** The number of submitted steps. */
  readonly steps: number;
  /** Waits for the steps and returns the requested variables' values at that point. */
  values(): Promise<HostArray[]>;
}

/** A compiled recipe. Running it creates no buffer, bind group or pipeline. */
export interface Program {
  /** The program's name in errors, profiles and labels of GPU objects. */
  readonly label: string;
  /** GPU dispatches per step (0 on the CPU, 1 for a persistent kernel). */
  readonly dispatches: number;
  /** Bytes of the program's temporaries, inputs and constants. */
  readonly bytes: number;
  /** Submits `steps` steps at once, followed by copies of `read`; `inputs` receive values first, as by {@link run}. */
  submit(steps: number, read?: readonly Variable[], inputs?: Readonly<Record<string, HostArray>>): Ticket;
  /** Gives values to inputs (by name; missing ones keep theirs), runs one step and reads the outputs. */
  run(inputs?: Readonly<Record<string, HostArray>>): Promise<Record<string, NdArray>>;
  /** Frees the program's memory; it cannot run afterwards. */
  dispose(): void;
}

/** What a device has done so far; for tests and reports. */
export interface Counters {
  buffers: number;
  bindGroups: number;
  pipelines: number;
  /** How many of the pipelines are compiled. */
  compiled: number;
  submits: number;
  /** Bytes in live buffers, and their maximum so far. */
  bytes: number;
  peakBytes: number;
  /** Milliseconds spent waiting for pipelines. */
  compileMs: number;
}

export function newCounters(): Counters {
  return { buffers: 0, bindGroups: 0, pipelines: 0, compiled: 0, submits: 0, bytes: 0, peakBytes: 0, compileMs: 0 };
}

/** An engine that runs recipes. */
export interface Executor {
  readonly kind: 'gpu' | 'cpu';
  /** The maximum bytes of one array that a kernel can read: larger data is split. */
  readonly maxBindingBytes: number;
  readonly counters: Counters;
  /** One sentence on a missing capability, if any. */
  readonly note?: string;
  /** The tuning in use, if any. */
  readonly tuning?: TuningReport | undefined;
  /** The storages in use, if programs can run over them. */
  readonly inUse?: Storages<Storage>;
  allocate(groups: readonly VariableGroup[]): Storage;
  compile(recipe: Recipe, options?: CompileOptions): Promise<Program>;
  /** Rejects with a DeviceError when the device is lost or disposed of; never resolves otherwise. */
  readonly lost: Promise<never>;
  /** `promise`, or the same rejection if that comes first. */
  orLost<T>(promise: Promise<T>): Promise<T>;
  dispose(): void;
}
