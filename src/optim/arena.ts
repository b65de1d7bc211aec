// Arenas: trainable parameters side by side in flat vectors, so that an optimizer's update is one kernel, a gradient norm one
// reduction and a checkpoint one copy. Slots are aligned so that each can be bound on its own; padding is zero and stays zero.
import { type DType, hostArray } from '../graph/dtype.ts';
import { OptionError } from '../graph/errors.ts';
import type { VariableGroup } from '../graph/executor.ts';
import type { NamedVariable } from '../graph/paths.ts';
import { Variable } from '../graph/tensor.ts';
import type { UpdateRule } from './optimizer.ts';

/** 256 bytes, WebGPU's largest `minStorageBufferOffsetAlignment`, in elements. */
export const ALIGNMENT = 64;

/** WebGPU's default `maxStorageBufferBindingSize`. */
export const MAX_ARENA_BYTES = 128 * 2 ** 20;

/** A parameter and its offset in its arena, in elements. */
export interface Placed extends NamedVariable {
  readonly offset: number;
}

/** What all parameters of an arena share. */
export interface Kin {
  readonly rule: UpdateRule;
  /** The index of their group in the optimizer's `groups`; undefined for the default group. */
  readonly group: number | undefined;
  /** The step at which their moments began, from which they count steps. */
  readonly since: number;
}

/** A flat f32 vector of parameters, and one vector of the same layout for each optimizer slot. */
export interface Arena extends Kin {
  readonly variable: Variable;
  readonly members: readonly Placed[];
  readonly slots: readonly Variable[];
}

/** Parameters in order, split into arenas of at most `maxBytes` (a larger parameter has its own arena). */
export function layOut(parameters: readonly NamedVariable[], kin: Kin, maxBytes: number): Arena[] {
  const arenas: Arena[] = [];
  let members: Placed[] = [];
  let end = 0;
  const close = () => {
    if (members.length > 0) arenas.push(arena(members, end, kin));
    members = [];
    end = 0;
  };
  for (const { path, variable } of parameters) {
    if (variable.dtype !== 'f32')
      throw new OptionError(`model: the trainable variable ${path} is ${variable.dtype}. Only f32 can be trained.`);
    const size = Math.ceil(variable.size / ALIGNMENT) * ALIGNMENT;
    if ((end + size) * 4 > maxBytes) close();
    members.push({ path, variable, offset: end });
    end += size;
  }
  close();
  return arenas;
}

function arena(members: readonly Placed[], size: number, kin: Kin): Arena {
  const first = kin.rule.initialSlot ?? 0;
  const slot = () => new Variable([size], { initial: () => new Float32Array(size).fill(first) });
  return { ...kin, variable: zeroed(size), members, slots: kin.rule.slots.map(slot) };
}

/**
 * The buffers of the arenas. A kernel can bind few, and an update reads and writes a whole arena: parameters and slots share a buffer, and
 * so do arenas of several groups while their parameters take at most `maxBytes`.
 */
export function buffersOf(arenas: readonly Arena[], maxBytes: number, maxBindingBytes: number): VariableGroup[] {
  const shared: Arena[][] = [];
  for (const arena of arenas) {
    const last = shared.at(-1);
    const all = [...(last ?? []), arena];
    const fits = bytesOf(all, false) <= maxBytes && bytesOf(all, true) <= maxBindingBytes;
    if (last && fits) last.push(arena);
    else shared.push([arena]);
  }
  return shared.flatMap((some): VariableGroup[] => {
    if (bytesOf(some, true) > maxBindingBytes)
      return some.flatMap(({ variable, members, slots }) => [{ variable, members }, ...slots.map(alone)]);
    const all = together(some.flatMap(({ variable, slots }) => [variable, ...slots]));
    const starts = new Map(all.members.map(({ variable, offset }) => [variable, offset]));
    const inner = some.flatMap(({ variable, members }) =>
      members.map((m) => ({ variable: m.variable, offset: starts.get(variable)! + m.offset })),
    );
    return [{ ...all, members: [...all.members, ...inner] }];
  });
}

const alone = (variable: Variable): VariableGroup => ({ variable });

function bytesOf(arenas: readonly Arena[], withSlots: boolean): number {
  return arenas.reduce((sum, { variable, slots }) => sum + variable.size * 4 * (withSlots ? 1 + slots.length : 1), 0);
}

/** Variables of one dtype in one buffer, so that a kernel that reads several of them binds one. */
export function together(variables: readonly Variable[]): Required<VariableGroup> {
  let end = 0;
  const members = variables.map((variable) => {
    const offset = end;
    end += Math.ceil(variable.size / ALIGNMENT) * ALIGNMENT;
    return { variable, offset };
  });
  return { variable: zeroed(end, variables[0]!.dtype), members };
}

function zeroed(size: number, dtype: DType = 'f32'): Variable {
  return new Variable([size], { dtype, initial: () => hostArray(dtype, size) });
}
