// Convolutions in registers, for adapters whose barriers are not cheap: a thread decodes the places of its rows once, then loops over the
// kernel's elements outside and over channels inside, with no division and no multiplication per element.
import type { KernelSpec, KernelText, OperandText } from '../src/graph/kernel.ts';
import { type Facts, pick } from './conv-facts.ts';
import { type Frame, type GemmVariant, type RegisterConfiguration, vec4 } from './gemm-frame.wgsl.ts';
import { inRegisters } from './gemm-registers.wgsl.ts';
import { lines, modulo, quotient, range, wgsl } from './wgsl.ts';

export function convRegisters(f: Facts, product: GemmVariant, c: RegisterConfiguration, frame: Frame): KernelSpec {
  return inRegisters(product, c, frame, (k, multiply) =>
    f.pass === 'filter' ? filterLoops(f, k, c, product, frame, multiply) : tapLoops(f, k, c, product, frame),
  );
}

/** Along one axis of the image that rows lie on: the coordinate of kernel element t at row r is `start_r` + t · step. */
interface Walk {
  readonly size: number;
  /** WGSL of how many kernel elements there are, and of which element of the kernel the t-th is. */
  readonly count: string;
  readonly element: (t: string) => string;
  /** Signed. */
  readonly step: number;
}

/** forward and input: rows are places of an image, k = (kernel element, channel). */
function tapLoops(f: Facts, k: KernelText, c: RegisterConfiguration, product: GemmVariant, frame: Frame): string {
  const { rows, columns } = c;
  const forward = f.pass === 'forward';
  const { Cg, Og, KW, T, stride, dilation, padding, classes, G } = f;
  const [rowsHigh, rowsWide] = forward ? [f.OH, f.OW] : [f.CH, f.CW];
  const [height, width, channels, depth] = forward ? [f.H, f.W, f.C, Cg] : [f.OH, f.OW, f.O, Og];
  const phase = modulo('batch', classes, classes * G);
  const phaseOf = [quotient(phase, stride[1], classes), modulo(phase, stride[1], classes)];
  /** The start of a row along an axis, from its place `i`. */
  const start = (axis: 0 | 1, i: string) => {
    if (forward) return `${i} * ${stride[axis]}u - ${padding[axis]}u`;
    const { origin } = axis === 0 ? f.rows : f.columns;
    return `${i} + ${pick(
      origin.map((n) => n >>> 0),
      phaseOf[axis]!,
    )}`;
  };
  const walk = (axis: 0 | 1): Walk => {
    const size = axis === 0 ? height : width;
    const kernel = axis === 0 ? f.KH : f.KW;
    if (forward) return { size, count: `${kernel}u`, element: (t) => t, step: dilation[axis] };
    const { counts, first, step, move } = axis === 0 ? f.rows : f.columns;
    const at = phaseOf[axis]!;
    return { size, count: pick(counts, at), element: (t) => `${pick(first, at)} + ${t} * ${step}u`, step: -move };
  };
  const [h, w] = [walk(0), walk(1)];
  // Rows next to each other in one line of the image differ by a constant.
  const inLine = rowsWide % rows === 0;
  const across = forward ? stride[1] : 1;
  const group = G === 1 ? '0u' : forward ? 'batch' : quotient('batch', classes, classes * G);
  const decoded = (r: number) => wgsl`
let p${r} = min(row + ${r}u, M - 1u);
let n${r} = ${quotient(`p${r}`, rowsHigh * rowsWide, product.M)};
let i${r} = ${quotient(`(p${r} - n${r} * ${rowsHigh * rowsWide}u)`, rowsWide, rowsHigh * rowsWide)};
let top${r} = ${start(0, `i${r}`)};
let left${r} = ${start(1, `(p${r} - (n${r} * ${rowsHigh}u + i${r}) * ${rowsWide}u)`)};
let base${r} = ((n${r} * ${height}u + top${r}) * ${width}u + left${r}) * ${channels}u + ${group} * ${depth}u;
`;
  const beside = (r: number) => wgsl`
let top${r} = top0;
let left${r} = left0 + ${r * across}u;
let base${r} = base0 + ${r * across * channels}u;
`;
  const vec = forward ? frame.vecA && frame.vecB : frame.vecA;
  const vecB = frame.vecB;
  const unit = vec ? 4 : 1;
  const place = (r: number) =>
    f.inside && forward
      ? `let at${r} = (base${r} + reach) / ${unit}u;`
      : `let in${r} = top${r} + downward < ${height}u && left${r} + rightward < ${width}u;
let at${r} = select(0u, base${r} + reach, in${r}) / ${unit}u;`;
  const masked = (r: number, value: string) =>
    f.inside && forward ? value : `select(${vec ? 'vec4f(0.0)' : '0.0'}, ${value}, in${r})`;
  const [a, b] = k.inputs as [OperandText, OperandText];
  const acc = (r: number, sum: (h: number) => string) => lines(columns / 4, (q) => `acc${r}_${q} += ${sum(q)};`);
  const loadA = (r: number) => `let a${r} = ${masked(r, vec ? a.load4(`at${r} + d`) : a.load(`at${r} + d`))};`;
  const within = (n: number) => (product.N % columns > 0 ? `min(col + ${n}u, N - 1u)` : `(col + ${n}u)`);
  const inner = forward
    ? vec
      ? `${lines(columns, (n) => `let b${n} = ${b.load4(`filter${n} + d`)};`)}
${lines(rows, (r) => acc(r, (q) => vec4((j) => `dot(a${r}, b${q * 4 + j})`)))}`
      : `${lines(columns / 4, (q) => `let b${q} = ${vec4((j) => b.load(`filter${q * 4 + j} + d`))};`)}
${lines(rows, (r) => acc(r, (q) => `a${r} * b${q}`))}`
    : inputInner();
  /** b at channel d · unit + j of a kernel element: a row of four columns. */
  function weights(j: number, q: number): string {
    const at = `kernel + (d * ${unit}u + ${j}u) * ${T * Cg}u`;
    if (vecB)
      return b.load4(
        `(${at} + ${product.N % columns > 0 ? `min(col + ${q * 4}u, ${Cg - 4}u)` : `col + ${q * 4}u`}) / 4u`,
      );
    return vec4((i) => b.load(`${at} + ${within(q * 4 + i)}`));
  }
  function inputInner(): string {
    const terms = vec ? 4 : 1;
    return `${lines(terms, (j) => lines(columns / 4, (q) => `let b${j}_${q} = ${weights(j, q)};`))}
${lines(rows, (r) =>
  acc(r, (q) =>
    range(terms)
      .map((j) => `a${r}${vec ? `.${'xyzw'[j]}` : ''} * b${j}_${q}`)
      .join(' + '),
  ),
)}`;
  }
  const filters = forward
    ? lines(
        columns,
        (n) => `let filter${n} = ((${group} * ${Og}u + ${within(n)}) * ${T}u + kh * ${KW}u + kw) * ${Cg / unit}u;`,
      )
    : `let kernel = (${group} * ${Og}u * ${T}u + kh * ${KW}u + kw) * ${Cg}u;`;
  const signed = (n: number) => `${n >>> 0}u`;
  return wgsl`
${lines(rows, (r) => (r > 0 && inLine ? beside(r) : decoded(r)))}
for (var th = 0u; th < ${h.count}; th++) {
  let kh = ${h.element('th')};
  let downward = th * ${signed(h.step)};
  for (var tw = 0u; tw < ${w.count}; tw++) {
    let kw = ${w.element('tw')};
    let rightward = tw * ${signed(w.step)};
    let reach = (downward * ${width}u + rightward) * ${channels}u;
    ${lines(rows, place)}
    ${filters}
    for (var d = 0u; d < ${depth / unit}u; d++) {
      ${lines(rows, loadA)}
      ${inner}
    }
  }
}
`;
}

/** filter: rows are output channels, columns are (kernel element, channel), summed over the lines of dy and along them. */
function filterLoops(
  f: Facts,
  k: KernelText,
  c: RegisterConfiguration,
  product: GemmVariant,
  frame: Frame,
  multiply: string,
): string {
  const { rows, columns } = c;
  const { H, W, C, O, OH, OW, KW, T, Cg, stride, padding, dilation, inside } = f;
  const { vecA, vecB } = frame;
  const [dy, x] = k.inputs as [OperandText, OperandText];
  // With vec4s a quad of columns is one kernel element; else each column is.
  const ends = vecB ? range(columns / 4).map((q) => q * 4) : range(columns);
  const decoded = (n: number) => wgsl`
let f${n} = min(col + ${n}u, N - ${vecB ? 4 : 1}u);
let tap${n} = ${quotient(`f${n}`, Cg, product.N)};
let kh${n} = ${quotient(`tap${n}`, KW, T)};
let down${n} = kh${n} * ${dilation[0]}u - ${padding[0]}u;
let right${n} = (tap${n} - kh${n} * ${KW}u) * ${dilation[1]}u - ${padding[1]}u;
let base${n} = (down${n} * ${W}u + right${n}) * ${C}u + f${n} - tap${n} * ${Cg}u + offsetB;
`;
  const value = (n: number) => {
    const at = inside ? `base${n} + line` : `select(0u, base${n} + line, in${n})`;
    const loaded = vecB ? x.load4(`(${at}) / 4u`) : x.load(at);
    return inside ? loaded : `select(${vecB ? 'vec4f(0.0)' : '0.0'}, ${loaded}, in${n})`;
  };
  const loadX = (q: number) => {
    const own = vecB ? [q * 4] : range(4).map((j) => q * 4 + j);
    const flags = inside ? '' : own.map((n) => `let in${n} = line${n} && right${n} + across < ${W}u;`).join('\n');
    return `${flags}
let b${q} = ${vecB ? value(q * 4) : vec4((j) => value(q * 4 + j))};`;
  };
  const within = (n: string) => (product.M % rows > 0 ? `min(${n}, M - 1u)` : n);
  const quads = product.M % rows > 0 ? 'min' : '';
  const loadDy = (q: number) =>
    vecA
      ? `let a${q} = ${dy.load4(`(dyAt + ${quads ? `min(row + ${q * 4}u, M - 4u)` : `row + ${q * 4}u`}) / 4u`)};`
      : `let a${q} = ${vec4((j) => dy.load(`dyAt + ${within(`row + ${q * 4 + j}u`)}`))};`;
  return wgsl`
${ends.map(decoded).join('\n')}
for (var y = ${frame.from}; y < ${frame.to}; y++) {
  let n = ${quotient('y', OH, f.N * OH)};
  let top = (y - n * ${OH}u) * ${stride[0]}u;
  ${inside ? '' : ends.map((e) => `let line${e} = down${e} + top < ${H}u;`).join('\n')}
  var line = (n * ${H}u + top) * ${W * C}u;
  var dyAt = y * ${OW * O}u + offsetA;
  for (var across = 0u; across < ${OW * stride[1]}u; across += ${stride[1]}u) {
    ${lines(rows / 4, loadDy)}
    ${lines(columns / 4, loadX)}
    ${multiply}
    line += ${stride[1] * C}u;
    dyAt += ${O}u;
  }
}
`;
}
