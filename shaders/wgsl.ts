// WGSL as text: literals, exact division, and the `wgsl` template tag. The one import of wgsl-preprocessor.
import { wgsl as preprocess } from 'wgsl-preprocessor/wgsl-preprocessor.js';

/**
 * A template with directives (#if ${condition} … #else … #endif, each alone on its line). A block that is put on a line of its own
 * is indented as that line; empty lines are left out.
 */
export function wgsl(strings: TemplateStringsArray, ...values: (string | number | boolean)[]): string {
  const { margins, directives } = factsOf(strings);
  const indented = values.map((value, k) => {
    const margin = margins[k];
    return margin && typeof value === 'string' && value.includes('\n') ? value.replaceAll('\n', margin) : value;
  });
  const text = directives ? preprocess(strings, ...indented) : String.raw({ raw: strings }, ...indented);
  return text.replace(/\n\s*\n/g, '\n').trim();
}

/** What is the same whenever a template is used. */
interface Facts {
  /** For each value, the line break with the indentation that it stands behind. */
  readonly margins: readonly (string | undefined)[];
  readonly directives: boolean;
}

const known = new WeakMap<TemplateStringsArray, Facts>();

function factsOf(strings: TemplateStringsArray): Facts {
  let facts = known.get(strings);
  if (!facts) {
    const margins = strings.map((text) => /\n +$/.exec(text)?.[0]);
    facts = { margins, directives: strings.some((text) => text.includes('#')) };
    known.set(strings, facts);
  }
  return facts;
}

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

/** Up to this bound (i + 0.5) · (1 / d) in f32 is less than 0.5 / d wrong, so it truncates to the exact quotient. */
const EXACT = 2 ** 21;

/**
 * i / d for a u32 expression below `bound`. Software adapters divide integers lane by lane, so it becomes a shift or, where that
 * is exact, a multiplication.
 */
export function quotient(i: string, d: number, bound: number): string {
  if (d === 1) return i;
  if (Number.isInteger(Math.log2(d))) return `(${i} >> ${Math.log2(d)}u)`;
  return bound <= EXACT ? `u32(i32((f32(i32(${i})) + 0.5) * ${f32(1 / d)}))` : `(${i} / ${u32(d)})`;
}

/** i mod d for a u32 expression below `bound`, as {@link quotient}. */
export function modulo(i: string, d: number, bound: number): string {
  if (d === 1) return '0u';
  if (Number.isInteger(Math.log2(d))) return `(${i} & ${u32(d - 1)})`;
  return bound <= EXACT ? `(${i} - ${quotient(i, d, bound)} * ${u32(d)})` : `(${i} % ${u32(d)})`;
}

export function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

/** A line of text for each of 0 to n - 1. */
export function lines(n: number, text: (i: number) => string): string {
  return range(n).map(text).join('\n');
}
