// Sums over groups of channels: x as (N, M, C), with G groups of C / G channels; each of the N · G outputs takes M · C / G elements.
//   moments    mean, m2 = Σ (x - mean)²
//   dot        Σ a, Σ a·b
// Every output has LANES lanes in each of PARTS workgroups; lanes are combined in a tree, parts by a second kernel, both in a fixed order.
// Where barriers are not cheap, one lane computes an output or a part.
//
// A lane sums deviations from its first element k: (mean - k)² <= n · variance for any element of n, so that Σ (x - k)² - n (mean - k)²
// loses no more digits than a sum of n terms, and x is read once. Lanes and parts are combined with Chan, Golub and LeVeque's formula:
// m2 = m2a + m2b + (meanB - meanA)² · na · nb / n (https://doi.org/10.1080/00031305.1983.10483115). Their means are kept relative to the
// group's first element, the origin, so that a mean far from 0 is rounded once, at the end.
import type { Capabilities } from '../src/graph/capabilities.ts';
import type { Declaration, KernelSpec, KernelText, Scratch, SharedArray } from '../src/graph/kernel.ts';
import { foldGroups, powerOfTwo, type ReduceSplit } from './reduce.wgsl.ts';
import { f32, modulo, quotient, u32, wgsl } from './wgsl.ts';

/** x as (N, M, C), with the C channels in G groups. */
export interface Groups {
  readonly N: number;
  readonly M: number;
  readonly C: number;
  readonly G: number;
}

/** What is summed. Its state is a vec4f: (mean - origin, m2, count) or (sum, dot), the rest 0. */
interface Fold {
  /** Numbers of the state that a scratch array holds for each part. */
  readonly width: number;
  /** Statements before a lane's loop over its elements, with the index of one of them. */
  open(k: KernelText, nearest: string): string;
  /** Statements for the element at `at`. */
  each(k: KernelText): string;
  /** The state after the loop over `count` (u32) elements. */
  close: string;
  /** The state of two sets of elements. */
  combine(k: KernelText, a: string, b: string): string;
  /** A statement of the kernel that stores results, with an element of input 0. */
  origin?(k: KernelText): string;
  /** Statements that store the `state` of output `o`. */
  store(k: KernelText): string;
}

const CHAN: Declaration = {
  name: 'combineMoments',
  text: (name) => `fn ${name}(a: vec4f, b: vec4f) -> vec4f {
  if (a.z == 0.0) { return b; }
  if (b.z == 0.0) { return a; }
  let n = a.z + b.z;
  let share = b.z / n;
  let apart = b.x - a.x;
  return vec4f(a.x + apart * share, a.y + b.y + apart * apart * a.z * share, n, 0.0);
}`,
};

/** x, 0 where it is not finite. */
const FINITE_OF: Declaration = {
  name: 'finiteOf',
  text: (name) =>
    `fn ${name}(x: f32) -> f32 { return select(x, 0.0, (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u); }`,
};

/** The columns of moments: see `momentsOp`. */
function moments(groups: Groups, eps: number): Fold {
  const R = (groups.M * groups.C) / groups.G;
  const finite = (k: KernelText, at: string) => `${k.declare(FINITE_OF)}(${k.inputs[0]!.load(at)})`;
  const origin = (k: KernelText) => `let origin = ${finite(k, baseOf(groups))};`;
  return {
    width: 3,
    origin,
    open: (k, nearest) => wgsl`
${origin(k)}
let shift = ${finite(k, nearest)};
var sum = f32(0);
var squares = f32(0);
`,
    each: ({ inputs: [x] }) => wgsl`
let apart = ${x!.load('at')} - shift;
sum += apart;
squares += apart * apart;
`,
    // The absolute value only matters for rounding below 0, and keeps NaN, which max may drop.
    close: wgsl`
let n = max(f32(count), 1.0);
var state = vec4f((shift - origin) + sum / n, abs(squares - sum * (sum / n)), f32(count), 0.0);
`,
    combine: (k, a, b) => `${k.declare(CHAN)}(${a}, ${b})`,
    store: ({ outputs: [y] }) => wgsl`
let variance = state.y / ${f32(R)};
${y!.store('o * 3u', 'origin + state.x')}
${y!.store('o * 3u + 1u', `inverseSqrt(variance + ${f32(eps)})`)}
${y!.store('o * 3u + 2u', 'variance')}
`,
  };
}

const DOT: Fold = {
  width: 2,
  open: () => 'var state = vec4f();',
  each: ({ inputs: [a, b] }) => wgsl`
let left = ${a!.load('at')};
state.x += left;
state.y += left * ${b!.load('at')};
`,
  close: '',
  combine: (_, a, b) => `${a} + ${b}`,
  store: ({ outputs: [sum, dot] }) => wgsl`
${sum!.store('o', 'state.x')}
${dot!.store('o', 'state.y')}
`,
};

/** Mean, 1 / √(variance + eps) and variance of each group. */
export function momentsKernel(groups: Groups, eps: number, barriers: Capabilities['barriers']): readonly KernelSpec[] {
  return groupKernels(groups, moments(groups, eps), barriers);
}

/** Σ a and Σ a·b of each group. */
export function sumAndDotKernel(groups: Groups, barriers: Capabilities['barriers']): readonly KernelSpec[] {
  return groupKernels(groups, DOT, barriers);
}

/** The split for R elements to each of O outputs, `run` of which are neighbours in memory. */
export function groupSplit(O: number, R: number, run: number, barriers: Capabilities['barriers']): ReduceSplit {
  if (barriers !== 'cheap') {
    const parts = R > 512 ? Math.min(128, Math.ceil(R / 256), Math.ceil(1024 / O)) : 1;
    return { block: powerOfTwo((O * parts) / 4, 8, 64), lanes: 1, parts };
  }
  if (R <= 32) return { block: 64, lanes: 1, parts: 1 };
  // A row of a workgroup's lanes reads 16 neighbours: of as many groups as it takes.
  const block = powerOfTwo(Math.min(O, 16 / run), 1, 16);
  const lanes = Math.min(256 / block, powerOfTwo(R / 16, 64 / block, 256));
  const perLane = R / lanes;
  const parts = perLane > 64 ? Math.min(256, Math.ceil(1024 / Math.ceil(O / block)), Math.ceil(perLane / 32)) : 1;
  return { block, lanes, parts };
}

/** One kernel, or two where outputs are computed in parts. */
function groupKernels(groups: Groups, fold: Fold, barriers: Capabilities['barriers']): readonly KernelSpec[] {
  const { N, M, C, G } = groups;
  const [O, R, run] = [N * G, (M * C) / G, C / G];
  const split = groupSplit(O, R, G === 1 ? 16 : run, barriers);
  const walk: Walk = { O, R, base: baseOf(groups), offset: (k) => offsetOf(groups, k) };
  if (split.parts === 1) return [foldKernel(walk, split, fold, (k) => fold.store(k))];
  const { parts } = split;
  const partial: Scratch = { name: 'partial', type: 'f32', size: O * parts * fold.width };
  const place = (k: number) => `${u32(k * O * parts)} + `;
  const numbers = ['x', 'y', 'z'].slice(0, fold.width);
  const ofParts: Fold = {
    ...fold,
    open: (k) => `${fold.origin?.(k) ?? ''}\nvar state = vec4f();`,
    each: (k) => {
      const loads = numbers.map((_, n) => k.scratch(partial).load(`${place(n)}at`));
      const part = `vec4f(${[...loads, '0.0', '0.0'].slice(0, 4).join(', ')})`;
      return `state = ${fold.combine(k, 'state', part)};`;
    },
    close: '',
  };
  const whole: ReduceSplit =
    barriers === 'cheap' && parts > 32
      ? { block: powerOfTwo(O, 1, 16), lanes: 256 / powerOfTwo(O, 1, 16), parts: 1 }
      : { block: powerOfTwo(O / 4, 8, 64), lanes: 1, parts: 1 };
  const storePart = (k: KernelText) =>
    numbers.map((n, at) => k.scratch(partial).store(`${place(at)}part * O + o`, `state.${n}`)).join('\n');
  return [
    { ...foldKernel(walk, split, fold, storePart), label: 'parts', outputs: [], writes: [partial] },
    {
      ...foldKernel({ O, R: parts, base: 'o', offset: (k) => `${k} * O` }, whole, ofParts, (k) => fold.store(k)),
      label: 'whole',
      inputs: fold.origin ? [0] : [],
      reads: [partial],
    },
  ];
}

/** Where the elements of an output lie. */
interface Walk {
  readonly O: number;
  readonly R: number;
  /** The first element of output `o`. */
  readonly base: string;
  /** The distance of element `k` from it. */
  offset(k: string): string;
}

function baseOf({ N, M, C, G }: Groups): string {
  if (N === 1) return `o * ${u32(C / G)}`;
  const n = quotient('o', G, N * G);
  return `${n} * ${u32(M * C)} + ${modulo('o', G, N * G)} * ${u32(C / G)}`;
}

function offsetOf({ M, C, G }: Groups, k: string): string {
  const run = C / G;
  if (G === 1) return k;
  return run === 1 ? `${k} * ${u32(C)}` : `${quotient(k, run, M * run)} * ${u32(C)} + ${modulo(k, run, M * run)}`;
}

function foldKernel(
  { O, R, base, offset }: Walk,
  { block, lanes, parts }: ReduceSplit,
  fold: Fold,
  store: (k: KernelText) => string,
): KernelSpec {
  const units = lanes === 1 ? Math.ceil((O * parts) / block) : Math.ceil(O / block) * parts;
  const { grid, index } = foldGroups(units);
  const states: SharedArray = { name: 'states', type: 'vec4f', size: block * lanes };
  const tree = (k: KernelText) => {
    const all = k.shared(states);
    return wgsl`
${all}[lane] = state;
${k.barrier()}
for (var half = LANES / 2u; half > 0u; half >>= 1u) {
  if (kLane < half) { ${all}[lane] = ${fold.combine(k, `${all}[lane]`, `${all}[lane + half * BLOCK]`)}; }
  ${k.barrier()}
}
state = ${all}[lane];
if (kLane > 0u || output >= O) { return; }
`;
  };
  return {
    workgroup: [block * lanes, 1, 1],
    grid,
    ...(lanes > 1 && { shared: [states], barriers: true }),
    body: (k) => wgsl`
const O = ${O}u;
const R = ${R}u;
const BLOCK = ${block}u;
const LANES = ${lanes}u;
const PARTS = ${parts}u;
const STEP = LANES * PARTS;
let g = ${index};
#if ${lanes === 1}
let t = g * BLOCK + lane;
if (t >= O * PARTS) { return; }
let o = t % O;
let part = t / O;
let first = part;
#else
let part = g % PARTS;
let output = (g / PARTS) * BLOCK + lane % BLOCK;
let o = min(output, O - 1u);
let kLane = lane / BLOCK;
let first = part * LANES + kLane;
#endif
let base = ${base};
${fold.open(k, `base + ${offset('min(first, R - 1u)')}`)}
for (var k = first; k < R; k += STEP) {
  let at = base + ${offset('k')};
  ${fold.each(k)}
}
let count = select((R - 1u - min(first, R - 1u)) / STEP + 1u, 0u, first >= R);
${fold.close}
${lanes > 1 ? tree(k) : ''}
${store(k)}
`,
  };
}
