// What a device runs, as data: memory and ranges in it, the bindings of a dispatch, its shader, and loops of dispatches.
import type { Access } from './runtime.ts';

/** A planned or existing buffer. A planned one grows while memory is placed. */
export interface Memory {
  readonly label: string;
  bytes: number;
  buffer?: GPUBuffer;
}

/** A planned buffer: whole vec4s, so that its last words can be read as such. */
export function newMemory(label: string, bytes: number): Memory {
  return { label, bytes: Math.ceil(bytes / 16) * 16 };
}

/** WebGPU's largest `minStorageBufferOffsetAlignment`, 256 bytes, in words: ranges aligned to it can be bound alone. */
export const ALIGNMENT = 64;

export function aligned(words: number): number {
  return Math.ceil(words / ALIGNMENT) * ALIGNMENT;
}

/** The location of a value: offset and length in 32-bit words. */
export interface Place {
  readonly memory: Memory;
  readonly offset: number;
  readonly words: number;
}

/** Whether two places share words. */
export function overlap(a: Place, b: Place): boolean {
  return a.memory === b.memory && a.offset < b.offset + b.words && b.offset < a.offset + a.words;
}

/** What a dispatch binds: a range of a buffer. */
export interface Binding extends Place {
  readonly access: Access;
}

/** A dispatch as text. */
export interface Shader {
  readonly label: string;
  readonly code: string;
  readonly entryPoint: string;
  /** Values of `override` constants. */
  readonly constants: Record<string, number>;
  readonly bindings: readonly Binding[];
  readonly workgroups: readonly [x: number, y: number, z: number];
}

/** The dispatches of a step, run as often as a submit has steps. */
export interface ShaderLoop<S extends Shader = Shader> {
  readonly plan: readonly S[];
  /** With it, `plan` is one dispatch that loops by itself; its iteration count is the word bound from this memory. */
  readonly lengths?: Memory;
}
