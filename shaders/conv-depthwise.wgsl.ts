// A depthwise convolution (a filter for each channel) and its gradients: no products of matrices, but sums of a few elements of one channel,
// four channels at a time where they are whole vec4s.
import type { KernelSpec, OperandText, Scratch } from '../src/graph/kernel.ts';
import type { Facts } from './conv-facts.ts';
import { withParts } from './gemm.wgsl.ts';
import { COMPONENT } from './gemm-frame.wgsl.ts';
import { foldGroups } from './reduce.wgsl.ts';
import { lines, modulo, quotient, range, wgsl } from './wgsl.ts';

/** Whether every channel has exactly one filter. */
export function isDepthwise({ Cg, Og }: Facts): boolean {
  return Cg === 1 && Og === 1;
}

const THREADS = 64;

/** `parts`: of the lines of dy that a filter gradient sums over. */
export function depthwiseKernel(f: Facts, parts: number): readonly KernelSpec[] {
  return f.pass === 'filter' ? filterKernel(f, parts) : [imageKernel(f)];
}

/** Lanes of a vec4, and how its components are named; without vec4s one f32. */
function widthOf({ C }: Facts, direct: boolean) {
  const wide = direct && C % 4 === 0;
  return { wide, lanes: wide ? 4 : 1, zero: wide ? 'vec4f(0.0)' : '0.0' };
}

/** The statements that store the lanes of `value` from element `at` on. */
function stores(lanes: number, value: string, store: (at: string, value: string) => string): string {
  return lanes === 1
    ? store('at', value)
    : range(lanes)
        .map((j) => store(`at + ${j}u`, `${value}.${COMPONENT[j]}`))
        .join('\n');
}

/** w at channels c and on, as many as lanes, of kernel element `tap`. */
function weights(w: OperandText, T: number, lanes: number): string {
  const one = (j: number) => w.load(`(c + ${j}u) * ${T}u + tap`);
  return lanes === 1 ? one(0) : `vec4f(${range(4).map(one).join(', ')})`;
}

/** forward and input: a thread has the channels c of one place (n, i, j) of the result. */
function imageKernel(f: Facts): KernelSpec {
  const forward = f.pass === 'forward';
  const { N, C, KW, KH, T, stride, padding, dilation, bias } = f;
  const [rows, columns, height, width] = forward ? [f.OH, f.OW, f.H, f.W] : [f.H, f.W, f.OH, f.OW];
  const { wide, lanes, zero } = widthOf(f, f.directA);
  const perPlace = C / lanes;
  const total = N * rows * columns * perPlace;
  const { grid, index } = foldGroups(Math.ceil(total / THREADS));
  // Where kernel element k meets the operand: forward at o · stride - padding + k · dilation; back at (i + padding - k · dilation) / stride,
  // if that is whole.
  const met = (axis: 0 | 1, at: string, k: string, size: number) => {
    const [s, p, d] = [stride[axis], padding[axis], dilation[axis]];
    if (forward) return { value: `${at} * ${s}u + ${k} * ${d}u - ${p}u`, holds: (v: string) => `${v} < ${size}u` };
    const from = `${at} + ${p}u - ${k} * ${d}u`;
    if (s === 1) return { value: from, holds: (v: string) => `${v} < ${size}u` };
    // A negative number is a large one, whose quotient is outside too, but need not be whole.
    return { value: `(${from}) / ${s}u`, holds: (v: string) => `${v} < ${size}u && ${v} * ${s}u == ${from}` };
  };
  return {
    workgroup: [THREADS, 1, 1],
    grid,
    inputs: [...(wide ? [] : [0]), 1, ...(bias ? [2] : [])],
    vec4: wide ? [0] : [],
    body: (k) => {
      const [a, w] = k.inputs as [OperandText, OperandText];
      const [h, v] = [met(0, 'i', 'kh', height), met(1, 'j', 'kw', width)];
      const place = `((n * ${height}u + y) * ${width}u + x) * ${C}u + c`;
      const load = wide ? a.load4(`(${place}) / 4u`) : a.load(place);
      return wgsl`
let t = (${index}) * ${THREADS}u + lane;
if (t >= ${total}u) { return; }
let place = ${quotient('t', perPlace, total)};
let c = (t - place * ${perPlace}u) * ${lanes}u;
let n = ${quotient('place', rows * columns, total / perPlace)};
let i = ${quotient(`(place - n * ${rows * columns}u)`, columns, rows * columns)};
let j = place - (n * ${rows}u + i) * ${columns}u;
var sum = ${zero};
for (var kh = 0u; kh < ${KH}u; kh++) {
  let y = ${h.value};
  if (!(${h.holds('y')})) { continue; }
  for (var kw = 0u; kw < ${KW}u; kw++) {
    let x = ${v.value};
    if (!(${v.holds('x')})) { continue; }
    let tap = kh * ${KW}u + kw;
    sum += ${load} * ${weights(w, T, lanes)};
  }
}
let at = place * ${C}u + c;
${stores(lanes, 'sum', (at, value) => {
  const channel = at === 'at' ? 'c' : at.replace('at', 'c');
  return k.outputs[0]!.store(at, bias ? `${value} + ${k.inputs[2]!.load(channel)}` : value);
})}
`;
    },
  };
}

/** filter: a thread has the channels c of one kernel element, over some lines of dy; the first element's also has their Σ dy. */
function filterKernel(f: Facts, parts: number): readonly KernelSpec[] {
  const { N, H, W, C, OH, OW, KW, T, stride, padding, dilation } = f;
  const { wide, lanes, zero } = widthOf(f, f.directA && f.directB);
  const [size, quads] = [C * T, C / lanes];
  const chunk = Math.ceil((N * OH) / parts);
  const cut = Math.ceil((N * OH) / chunk);
  const partial: Scratch | undefined = cut === 1 ? undefined : { name: 'parts', type: 'f32', size: cut * (size + C) };
  const total = quads * T * cut;
  const { grid, index } = foldGroups(Math.ceil(total / THREADS));
  const kernel = {
    workgroup: [THREADS, 1, 1] as const,
    grid,
    inputs: wide ? [] : [0, 1],
    vec4: wide ? [0, 1] : [],
    body: (k: Parameters<KernelSpec['body']>[0]) => {
      const [dy, x] = k.inputs as [OperandText, OperandText];
      const load = (operand: OperandText, at: string) => (wide ? operand.load4(`(${at}) / 4u`) : operand.load(at));
      const put = (j: number) => {
        const value = wide ? `sum.${COMPONENT[j]}` : 'sum';
        const at = `(c + ${j}u) * ${T}u + tap`;
        return partial ? k.scratch(partial).store(`part * ${size}u + ${at}`, value) : k.outputs[0]!.store(at, value);
      };
      const putSum = (j: number) => {
        const value = wide ? `total.${COMPONENT[j]}` : 'total';
        return partial
          ? k.scratch(partial).store(`${cut * size}u + part * ${C}u + c + ${j}u`, value)
          : k.outputs[1]!.store(`c + ${j}u`, value);
      };
      return wgsl`
let t = (${index}) * ${THREADS}u + lane;
if (t >= ${total}u) { return; }
let part = ${quotient('t', quads * T, total)};
let c = ${modulo('t', quads, total)} * ${lanes}u;
let tap = ${quotient(`(t - part * ${quads * T}u)`, quads, quads * T)};
let kh = ${quotient('tap', KW, T)};
let down = kh * ${dilation[0]}u - ${padding[0]}u;
let right = (tap - kh * ${KW}u) * ${dilation[1]}u - ${padding[1]}u;
var sum = ${zero};
var total = ${zero};
for (var line = part * ${chunk}u; line < min(${N * OH}u, part * ${chunk}u + ${chunk}u); line++) {
  let n = ${quotient('line', OH, N * OH)};
  let h = (line - n * ${OH}u) * ${stride[0]}u + down;
  if (h >= ${H}u && tap > 0u) { continue; }
  for (var j = 0u; j < ${OW}u; j++) {
    let d = ${load(dy, `(line * ${OW}u + j) * ${C}u + c`)};
    total += d;
    let w = j * ${stride[1]}u + right;
    if (h < ${H}u && w < ${W}u) { sum += d * ${load(x, `((n * ${H}u + h) * ${W}u + w) * ${C}u + c`)}; }
  }
}
${lines(lanes, put)}
if (tap == 0u) {
  ${lines(lanes, putSum)}
}
`;
    },
  };
  return withParts(kernel, { partial }, false, cut, { size, columns: C, sums: C });
}
