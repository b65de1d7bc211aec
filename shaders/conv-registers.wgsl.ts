// Convolutions in registers, for adapters whose barriers are not cheap: a thread decodes the places of its rows once, then loops over the
// kernel's elements outside and over channels inside, with no division and no multiplication per element.
import type { KernelSpec, KernelText, OperandText } from '../src/graph/kernel.ts';
import { type Facts, pick } from './conv-facts.ts';
import { type Exchange, exchange, exchanged } from './exchange.wgsl.ts';
import { COMPONENT, type Frame, type GemmVariant, type RegisterConfiguration, vec4 } from './gemm-frame.wgsl.ts';
import { inRegisters, reachOf } from './gemm-registers.wgsl.ts';
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
  const lanes = c.x * c.y;
  /** The rows that a thread reads: its own share, where lanes exchange them. */
  const [ofRows, ofColumns] = [c.share === 'a' && exchange(rows, lanes), c.share === 'b' && exchange(columns, lanes)];
  const reads = ofRows ? ofRows.loads : rows;
  const rowAt = (r: number) => `row + ${ofRows ? ofRows.own(r) : `${r}u`}`;
  const across = forward ? stride[1] : 1;
  const group = G === 1 ? '0u' : forward ? 'batch' : quotient('batch', classes, classes * G);
  const decoded = (r: number) => wgsl`
let p${r} = min(${rowAt(r)}, M - 1u);
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
  const loadA = (r: number) =>
    `let ${ofRows ? 'aOwn' : 'a'}${r} = ${masked(r, vec ? a.load4(`at${r} + d`) : a.load(`at${r} + d`))};`;
  const pastN = product.N % reachOf(c).columns > 0;
  const within = (n: string) => (pastN ? `min(col + ${n}, N - 1u)` : `(col + ${n})`);
  /** Column n of forward, or a thread's load n of them. */
  const columnAt = (n: number) => (ofColumns ? ofColumns.own(n) : `${n}u`);
  const filterReads = ofColumns ? ofColumns.loads : columns;
  const filter = (n: number) => (vec ? b.load4(`filter${n} + d`) : b.load(`filter${n} + d`));
  const columnOf = (n: number) => (ofColumns ? ofColumns.value(n, 'bOwn') : filter(n));
  const inner = forward
    ? `${ofColumns ? lines(filterReads, (n) => `let bOwn${n} = ${filter(n)};`) : ''}
${
  vec
    ? `${lines(columns, (n) => `let b${n} = ${columnOf(n)};`)}
${lines(rows, (r) => acc(r, (q) => vec4((j) => `dot(a${r}, b${q * 4 + j})`)))}`
    : `${lines(columns / 4, (q) => `let b${q} = ${vec4((j) => columnOf(q * 4 + j))};`)}
${lines(rows, (r) => acc(r, (q) => `a${r} * b${q}`))}`
}`
    : inputInner();
  /** b at channel d · unit + j of a kernel element: a row of four columns, of which `n` is the first. */
  function weights(j: string, n: string): string {
    const at = `kernel + (d * ${unit}u + ${j}) * ${T * Cg}u`;
    if (vecB) return b.load4(`(${at} + ${pastN ? `min(col + ${n}, ${Cg - 4}u)` : `col + ${n}`}) / 4u`);
    return vec4((i) => b.load(`${at} + ${within(i === 0 ? n : `${n} + ${i}u`)}`));
  }
  function inputInner(): string {
    const [terms, quads] = [vec ? 4 : 1, columns / 4];
    const row = (i: number) => `b${Math.floor(i / quads)}_${i % quads}`;
    const loads = ofColumns
      ? exchanged('bOwn', terms * quads, lanes, (i) => weights(`${i} / ${quads}u`, `${i} % ${quads}u * 4u`), row)
      : lines(terms * quads, (i) => `let ${row(i)} = ${weights(`${Math.floor(i / quads)}u`, `${(i % quads) * 4}u`)};`);
    return `${loads}
${lines(rows, (r) =>
  acc(r, (q) =>
    range(terms)
      .map((j) => `a${r}${vec ? `.${COMPONENT[j]}` : ''} * b${j}_${q}`)
      .join(' + '),
  ),
)}`;
  }
  const filters = forward
    ? lines(
        filterReads,
        (n) =>
          `let filter${n} = ((${group} * ${Og}u + ${within(columnAt(n))}) * ${T}u + kh * ${KW}u + kw) * ${Cg / unit}u;`,
      )
    : `let kernel = (${group} * ${Og}u * ${T}u + kh * ${KW}u + kw) * ${Cg}u;`;
  const signed = (n: number) => `${n >>> 0}u`;
  return wgsl`
${lines(reads, (r) => (r > 0 && inLine && !ofRows ? beside(r) : decoded(r)))}
for (var th = 0u; th < ${h.count}; th++) {
  let kh = ${h.element('th')};
  let downward = th * ${signed(h.step)};
  for (var tw = 0u; tw < ${w.count}; tw++) {
    let kw = ${w.element('tw')};
    let rightward = tw * ${signed(w.step)};
    let reach = (downward * ${width}u + rightward) * ${channels}u;
    ${lines(reads, place)}
    ${filters}
    for (var d = 0u; d < ${depth / unit}u; d++) {
      ${lines(reads, loadA)}
      ${ofRows ? lines(rows, (r) => `let a${r} = ${ofRows.value(r, 'aOwn')};`) : ''}
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
  const lanes = c.x * c.y;
  /** Quads of rows and of columns that a thread reads: its own share, where lanes exchange them. */
  const [ofRows, ofColumns] = [
    c.share === 'a' && exchange(rows / 4, lanes),
    c.share === 'b' && exchange(columns / 4, lanes),
  ];
  const [rowReads, columnReads] = [ofRows ? ofRows.loads : rows / 4, ofColumns ? ofColumns.loads : columns / 4];
  const quadAt = (of: Exchange | false, q: number, j = 0) =>
    of ? `${of.own(q)} * 4u${j === 0 ? '' : ` + ${j}u`}` : `${q * 4 + j}u`;
  // With vec4s a quad of columns is one kernel element; else each column is.
  const ends = range(columnReads * 4).filter((n) => !vecB || n % 4 === 0);
  const decoded = (n: number) => wgsl`
let f${n} = min(col + ${quadAt(ofColumns, n >> 2, n & 3)}, N - ${vecB ? 4 : 1}u);
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
let ${ofColumns ? 'bOwn' : 'b'}${q} = ${vecB ? value(q * 4) : vec4((j) => value(q * 4 + j))};`;
  };
  const pastM = product.M % reachOf(c).rows > 0;
  const within = (n: string, width: number) => (pastM ? `min(${n}, M - ${width}u)` : n);
  const loadDy = (q: number) => {
    const at = (j: number) => `row + ${quadAt(ofRows, q, j)}`;
    return `let ${ofRows ? 'aOwn' : 'a'}${q} = ${
      vecA ? dy.load4(`(dyAt + ${within(at(0), 4)}) / 4u`) : vec4((j) => dy.load(`dyAt + ${within(at(j), 1)}`))
    };`;
  };
  const all = (name: string, count: number, of: Exchange | false) =>
    of ? lines(count, (q) => `let ${name}${q} = ${of.value(q, `${name}Own`)};`) : '';
  return wgsl`
${ends.map(decoded).join('\n')}
for (var y = ${frame.from}; y < ${frame.to}; y++) {
  let n = ${quotient('y', OH, f.N * OH)};
  let top = (y - n * ${OH}u) * ${stride[0]}u;
  ${inside ? '' : ends.map((e) => `let line${e} = down${e} + top < ${H}u;`).join('\n')}
  var line = (n * ${H}u + top) * ${W * C}u;
  var dyAt = y * ${OW * O}u + offsetA;
  for (var across = 0u; across < ${OW * stride[1]}u; across += ${stride[1]}u) {
    ${lines(rowReads, loadDy)}
    ${lines(columnReads, loadX)}
    ${all('a', rows / 4, ofRows)}
    ${all('b', columns / 4, ofColumns)}
    ${multiply}
    line += ${stride[1] * C}u;
    dyAt += ${O}u;
  }
}
`;
}
