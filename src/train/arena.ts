// Arenas: trainable parameters side by side in flat vectors, so that an optimizer's update is one kernel, a gradient norm one
// reduction and a checkpoint one copy. Slots are aligned so that each can be bound on its own; padding is zero and stays zero.
import { type DType, hostArray } from '../graph/dtype.ts';
import { OptionError } from '../graph/errors.ts';
import type { VariableGroup } from '../graph/executor.ts';
import type { NamedVariable } from '../graph/paths.ts';
import { Variable } from '../graph/tensor.ts';

/** 256 bytes, WebGPU's largest `minStorageBufferOffsetAlignment`, in elements. */
export const ALIGNMENT = 64;

/** WebGPU's default `maxStorageBufferBindingSize`. */
export const MAX_ARENA_BYTES = 128 * 2 ** 20;

/** A parameter and where it starts in its arena, in elements. */
export interface Placed extends NamedVariable {
  readonly offset: number;
}

/** A flat f32 vector of parameters, and one of the same layout for each optimizer slot. */
export interface Arena {
  readonly variable: Variable;
  readonly members: readonly Placed[];
  readonly slots: readonly Variable[];
}

/** Parameters in their order, cut into arenas of at most `maxBytes` (a larger parameter has one of its own). */
export function layOut(parameters: readonly NamedVariable[], slotNames: readonly string[], maxBytes: number): Arena[] {
  const arenas: Arena[] = [];
  let members: Placed[] = [];
  let end = 0;
  const close = () => {
    if (members.length > 0) arenas.push(arena(members, end, slotNames));
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

function arena(members: readonly Placed[], size: number, slotNames: readonly string[]): Arena {
  return { variable: zeroed(size), members, slots: slotNames.map(() => zeroed(size)) };
}

/** Variables of one dtype in one buffer, so that a kernel that reads several binds one. */
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
