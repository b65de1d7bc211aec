// Kernels in which a lane computes four neighbours along the last axis, where its size allows it, so that it finds its place once for four:
// their types, loads and stores, and the loop over a lane's share.
import type { Capabilities } from '../src/graph/capabilities.ts';
import { elementsPerThread, MAP_THREADS } from '../src/graph/cost.ts';
import type { KernelSpec, KernelText } from '../src/graph/kernel.ts';
import { foldGroups } from './reduce.wgsl.ts';
import { lines, modulo, quotient, u32, wgsl } from './wgsl.ts';

/** Steps along an axis that are written out one by one; more become a loop. */
const UNROLLED = 4;

/** The WGSL types of what a lane computes. */
export interface Lane {
  readonly width: 1 | 4;
  readonly float: 'f32' | 'vec4f';
  readonly uint: 'u32' | 'vec4u';
  readonly bool: 'bool' | 'vec4<bool>';
}

const ONE: Lane = { width: 1, float: 'f32', uint: 'u32', bool: 'bool' };
const FOUR: Lane = { width: 4, float: 'vec4f', uint: 'vec4u', bool: 'vec4<bool>' };

export const laneOf = (C: number): Lane => (C % 4 === 0 ? FOUR : ONE);

/** How the first input is loaded. */
export const quads = ({ width }: Lane, direct: boolean): Pick<KernelSpec, 'vec4'> =>
  width === 4 && direct ? { vec4: [0] } : {};

/** The elements of an input at `at`, a name, counted in lanes' widths. */
export function loaded(
  input: KernelText['inputs'][number],
  { width }: Lane,
  type: string,
  at: string,
  direct = false,
): string {
  if (width === 1) return input.load(at);
  if (direct) return input.load4(at);
  return `${type}(${[0, 1, 2, 3].map((k) => input.load(`${at} * 4u + ${k}u`)).join(', ')})`;
}

/** Statements that store a lane's elements; the value is a name. */
export function stored(output: KernelText['outputs'][number], { width }: Lane, at: string, value: string): string {
  if (width === 1) return output.store(at, value);
  return lines(4, (k) => output.store(`${at} * 4u + ${k}u`, `${value}[${k}]`));
}

/** A kernel whose lanes compute `count` lanes' widths between them; `body` are the statements for number `t`. */
export function overLanes(count: number, gpu: Capabilities, body: (k: KernelText) => string): Omit<KernelSpec, 'vec4'> {
  const each = elementsPerThread(count, gpu);
  const { grid, index } = foldGroups(Math.ceil(count / (MAP_THREADS * each)));
  const first = `(${index}) * ${MAP_THREADS * each}u + lane`;
  return {
    workgroup: [MAP_THREADS, 1, 1],
    grid,
    body: (k) => wgsl`
let first = ${first};
for (var t = first; t < min(first + ${u32(MAP_THREADS * each)}, ${u32(count)}); t += ${u32(MAP_THREADS)}) {
  ${body(k)}
}
`,
  };
}

/** `let`s of the coordinates of number `t`, the last axis counted in lanes' widths. */
export function decodedLanes(names: readonly string[], sizes: readonly number[]): string {
  let bound = sizes.reduce((product, n) => product * n, 1);
  let rest = 't';
  const text: string[] = [];
  for (let axis = names.length - 1; axis > 0; axis--) {
    const [name, n] = [names[axis]!, sizes[axis]!];
    text.push(`let ${name} = ${modulo(rest, n, bound)};`, `let ${name}Rest = ${quotient(rest, n, bound)};`);
    rest = `${name}Rest`;
    bound /= n;
  }
  return [...text, `let ${names[0]} = ${rest};`].join('\n');
}

/** `body` for 0 to count - 1: written out, or in a loop. */
export function repeated(count: number, name: string, body: (k: string) => string): string {
  if (count <= UNROLLED) return lines(count, (k) => `{\n${body(`${k}u`)}\n}`);
  return `for (var ${name} = 0u; ${name} < ${count}u; ${name}++) {\n${body(name)}\n}`;
}
