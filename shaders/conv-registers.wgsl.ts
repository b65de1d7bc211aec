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

/** WGSL of an operand of forward and input: before the loops, at each kernel element, and at each channel, or four, of it. */
interface Operand {
  readonly before?: string;
  readonly atElement: string;
  readonly atChannel: string;
}

/** forward and input: rows are places of an image, k = (kernel element, channel). */
function tapLoops(f: Facts, k: KernelText, c: RegisterConfiguration, product: GemmVariant, frame: Frame): string {
  const forward = f.pass === 'forward';
  const image = imageOf(f);
  // Channels are read four at a time if those of an image are.
  const unit = (forward ? frame.vecA && frame.vecB : frame.vecA) ? 4 : 1;
  const a = imageRows(f, k, c, product, unit);
  const b = forward ? filterColumns(f, k, c, product, unit) : weightColumns(f, k, c, product, unit, frame.vecB);
  const [h, w] = [walkOf(f, 0), walkOf(f, 1)];
  return wgsl`
${a.before!}
for (var th = 0u; th < ${h.count}; th++) {
  let kh = ${h.element('th')};
  let downward = th * ${signed(h.step)};
  for (var tw = 0u; tw < ${w.count}; tw++) {
    let kw = ${w.element('tw')};
    let rightward = tw * ${signed(w.step)};
    let reach = (downward * ${image.width}u + rightward) * ${image.channels}u;
    ${a.atElement}
    ${b.atElement}
    for (var d = 0u; d < ${image.depth / unit}u; d++) {
      ${a.atChannel}
      ${b.atChannel}
      ${lines(c.rows, (r) => lines(c.columns / 4, (q) => `acc${r}_${q} += ${termOf(forward, unit, r, q)};`))}
    }
  }
}
`;
}

/** What a row and a quad of columns add up at a channel, or four. */
function termOf(forward: boolean, unit: number, r: number, q: number): string {
  if (forward) return unit === 4 ? vec4((j) => `dot(a${r}, b${q * 4 + j})`) : `a${r} * b${q}`;
  return range(unit)
    .map((j) => `a${r}${unit === 4 ? `.${COMPONENT[j]}` : ''} * b${j}_${q}`)
    .join(' + ');
}

/** The image that a is, with the channels of a group, and the places that rows are. */
function imageOf(f: Facts) {
  return f.pass === 'forward'
    ? { height: f.H, width: f.W, channels: f.C, depth: f.Cg, rowsHigh: f.OH, rowsWide: f.OW }
    : { height: f.OH, width: f.OW, channels: f.O, depth: f.Og, rowsHigh: f.CH, rowsWide: f.CW };
}

function signed(n: number): string {
  return `${n >>> 0}u`;
}

/** The class of input's rows along an axis. */
function phaseOf({ stride, classes, G }: Facts, axis: 0 | 1): string {
  const phase = modulo('batch', classes, classes * G);
  return axis === 0 ? quotient(phase, stride[1], classes) : modulo(phase, stride[1], classes);
}

function groupOf({ pass, classes, G }: Facts): string {
  if (G === 1) return '0u';
  return pass === 'forward' ? 'batch' : quotient('batch', classes, classes * G);
}

/** Along one axis of the image that rows lie on: the coordinate of kernel element t at row r is `start_r` + t · step. */
interface Walk {
  /** WGSL of how many kernel elements there are, and of which element of the kernel the t-th is. */
  readonly count: string;
  readonly element: (t: string) => string;
  /** Signed. */
  readonly step: number;
}

function walkOf(f: Facts, axis: 0 | 1): Walk {
  if (f.pass === 'forward') return { count: `${axis === 0 ? f.KH : f.KW}u`, element: (t) => t, step: f.dilation[axis] };
  const { counts, first, step, move } = axis === 0 ? f.rows : f.columns;
  const at = phaseOf(f, axis);
  return { count: pick(counts, at), element: (t) => `${pick(first, at)} + ${t} * ${step}u`, step: -move };
}

/** a: rows of an image, each decoded once; zeros around the image. */
function imageRows(f: Facts, k: KernelText, c: RegisterConfiguration, { M }: GemmVariant, unit: number): Operand {
  const { rows, share } = c;
  const { stride, padding } = f;
  const forward = f.pass === 'forward';
  const { height, width, channels, depth, rowsHigh, rowsWide } = imageOf(f);
  const shared = share === 'a' ? exchange(rows, c.x * c.y) : undefined;
  /** The start of a row along an axis, from its place `i`. */
  const start = (axis: 0 | 1, i: string) => {
    if (forward) return `${i} * ${stride[axis]}u - ${padding[axis]}u`;
    const { origin } = axis === 0 ? f.rows : f.columns;
    return `${i} + ${pick(
      origin.map((n) => n >>> 0),
      phaseOf(f, axis),
    )}`;
  };
  // Rows next to each other in one line of the image differ by a constant.
  const inLine = rowsWide % rows === 0 && !shared;
  /** A row that is there: lanes that share load for rows past the last, too. */
  const rowAt = (r: number) =>
    inLine && share === 'b' ? `min(row, M - ${rows}u)` : `min(row + ${shared?.own(r) ?? `${r}u`}, M - 1u)`;
  const decoded = (r: number) => wgsl`
let p${r} = ${rowAt(r)};
let n${r} = ${quotient(`p${r}`, rowsHigh * rowsWide, M)};
let i${r} = ${quotient(`(p${r} - n${r} * ${rowsHigh * rowsWide}u)`, rowsWide, rowsHigh * rowsWide)};
let top${r} = ${start(0, `i${r}`)};
let left${r} = ${start(1, `(p${r} - (n${r} * ${rowsHigh}u + i${r}) * ${rowsWide}u)`)};
let base${r} = ((n${r} * ${height}u + top${r}) * ${width}u + left${r}) * ${channels}u + ${groupOf(f)} * ${depth}u;
`;
  const across = forward ? stride[1] : 1;
  const beside = (r: number) => wgsl`
let top${r} = top0;
let left${r} = left0 + ${r * across}u;
let base${r} = base0 + ${r * across * channels}u;
`;
  const inside = f.inside && forward;
  const place = (r: number) =>
    inside
      ? `let at${r} = (base${r} + reach) / ${unit}u;`
      : `let in${r} = top${r} + downward < ${height}u && left${r} + rightward < ${width}u;
let at${r} = select(0u, base${r} + reach, in${r}) / ${unit}u;`;
  const x = k.inputs[0]!;
  const load = (r: number) => {
    const value = unit === 4 ? x.load4(`at${r} + d`) : x.load(`at${r} + d`);
    const masked = inside ? value : `select(${unit === 4 ? 'vec4f(0.0)' : '0.0'}, ${value}, in${r})`;
    return `let ${shared ? 'aOwn' : 'a'}${r} = ${masked};`;
  };
  const loads = shared?.loads ?? rows;
  return {
    before: lines(loads, (r) => (r > 0 && inLine ? beside(r) : decoded(r))),
    atElement: lines(loads, place),
    atChannel: `${lines(loads, load)}
${shared ? lines(rows, (r) => `let a${r} = ${shared.value(r, 'aOwn')};`) : ''}`,
  };
}

/** Column n of y, an expression, or the last one. */
function columnIn({ N }: GemmVariant, c: RegisterConfiguration): (n: string) => string {
  const past = N % reachOf(c).columns > 0;
  return (n) => (past ? `min(col + ${n}, N - 1u)` : `(col + ${n})`);
}

/** b of forward: a column is a filter, its channels side by side. */
function filterColumns(f: Facts, k: KernelText, c: RegisterConfiguration, v: GemmVariant, unit: number): Operand {
  const { Cg, Og, KW, T } = f;
  const { columns, share } = c;
  const shared = share === 'b' ? exchange(columns, c.x * c.y) : undefined;
  const loads = shared?.loads ?? columns;
  const column = columnIn(v, c);
  const w = k.inputs[1]!;
  const load = (n: number) => (unit === 4 ? w.load4(`filter${n} + d`) : w.load(`filter${n} + d`));
  const value = (n: number) => shared?.value(n, 'bOwn') ?? load(n);
  return {
    atElement: lines(
      loads,
      (n) =>
        `let filter${n} = ((${groupOf(f)} * ${Og}u + ${column(shared?.own(n) ?? `${n}u`)}) * ${T}u + kh * ${KW}u + kw) * ${Cg / unit}u;`,
    ),
    atChannel: `${shared ? lines(loads, (n) => `let bOwn${n} = ${load(n)};`) : ''}
${
  unit === 4
    ? lines(columns, (n) => `let b${n} = ${value(n)};`)
    : lines(columns / 4, (q) => `let b${q} = ${vec4((j) => value(q * 4 + j))};`)
}`,
  };
}

/** b of input: columns are the channels of a filter's element, so quads of them are vec4s. */
function weightColumns(
  f: Facts,
  k: KernelText,
  c: RegisterConfiguration,
  v: GemmVariant,
  unit: number,
  vec: boolean,
): Operand {
  const { Cg, Og, KW, T } = f;
  const { columns, share } = c;
  const quads = columns / 4;
  const column = columnIn(v, c);
  const past = v.N % reachOf(c).columns > 0;
  const w = k.inputs[1]!;
  /** The quad that begins at column n, of channel d · unit + j. */
  const quad = (j: string, n: string) => {
    const at = `kernel + (d * ${unit}u + ${j}) * ${T * Cg}u`;
    if (vec) return w.load4(`(${at} + ${past ? `min(col + ${n}, ${Cg - 4}u)` : `col + ${n}`}) / 4u`);
    return vec4((i) => w.load(`${at} + ${column(i === 0 ? n : `${n} + ${i}u`)}`));
  };
  const name = (i: number) => `b${Math.floor(i / quads)}_${i % quads}`;
  return {
    atElement: `let kernel = (${groupOf(f)} * ${Og}u * ${T}u + kh * ${KW}u + kw) * ${Cg}u;`,
    atChannel:
      share === 'b'
        ? exchanged('bOwn', unit * quads, c.x * c.y, (i) => quad(`${i} / ${quads}u`, `${i} % ${quads}u * 4u`), name)
        : lines(unit * quads, (i) => `let ${name(i)} = ${quad(`${Math.floor(i / quads)}u`, `${(i % quads) * 4}u`)};`),
  };
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
