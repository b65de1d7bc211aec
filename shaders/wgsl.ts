// The one import of wgsl-preprocessor: the `wgsl` template tag (#if ${condition} … #else … #endif, each alone on its line).
import { wgsl as tag } from 'wgsl-preprocessor/wgsl-preprocessor.js';

export const wgsl: (strings: TemplateStringsArray, ...values: (string | number | boolean)[]) => string = tag;

/** A number as a WGSL f32 literal, exact where f32 is (`${1}` alone would print an integer). */
export function f32(value: number): string {
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded))
    throw new RangeError(`f32 literal: ${value} is not a finite 32-bit float. Use a finite bound instead.`);
  const text = String(rounded);
  return `f32(${/[.e]/.test(text) ? text : `${text}.0`})`;
}

/** A number as a WGSL u32 literal. */
export function u32(value: number): string {
  return `${value >>> 0}u`;
}
