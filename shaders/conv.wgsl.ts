// A convolution and its two gradients as products of the gemm family: one operand, or both, is read through a window instead of a
// matrix (implicit GEMM; nothing is unfolded in memory), and groups are its batch.
//
//   pass      rows            columns        summed over             a                     b
//   forward   (n, oh, ow)     o              (kh, kw, c)             x through the window  w
//   input     (n, h, w)       c              (kh, kw, o)             dy through it         w
//   filter    o               (kh, kw, c)    (n, oh, ow)             dy                    x through the window
//
// With a stride, an element of x is covered by every stride-th kernel element only: the rows of `input` are taken class by class (h mod
// stride, w mod stride), each along z with its own kernel elements, so that no product is with a zero between strides.
import type { Declaration, KernelSpec, KernelText, OperandText, Scratch } from '../src/graph/kernel.ts';
import { depthwiseKernel, isDepthwise } from './conv-depthwise.wgsl.ts';
import { type ConvVariant, type Facts, factsOf, pick, productOf } from './conv-facts.ts';
import { convRegisters } from './conv-registers.wgsl.ts';
import { operandsOf, withParts } from './gemm.wgsl.ts';
import {
  type Axis,
  type Frame,
  type GemmConfiguration,
  type GemmVariant,
  type Past,
  type Readers,
  reader,
  vec4,
} from './gemm-frame.wgsl.ts';
import { tileKernel } from './gemm-tiles.wgsl.ts';
import { modulo, quotient, wgsl } from './wgsl.ts';

/** One kernel, or two where K is cut into parts. */
export function convKernel(v: ConvVariant, c: GemmConfiguration): readonly KernelSpec[] {
  // In registers both operands of `forward` lie along channels: one is read as the other.
  const alike = c.kernel === 'registers' && v.pass === 'forward';
  const f = factsOf(alike ? { ...v, directA: v.directA && v.directB, directB: v.directA && v.directB } : v);
  if (isDepthwise(f)) return depthwiseKernel(f, c.splitK ?? 1);
  const product = productOf(f);
  // Parts of K are whole rounds of tiles; in registers, whole lines of dy.
  const [length, step] = c.kernel === 'tiles' ? [product.K, c.BK] : [v.N * v.OH, 1];
  const split = c.kernel === 'tiles' ? !product.raggedK : v.pass === 'filter';
  const chunk = split ? Math.ceil(length / (c.splitK ?? 1) / step) * step : length;
  const parts = Math.ceil(length / chunk);
  const frame = convFrame(f, product, parts, chunk, length);
  const kernel = c.kernel === 'tiles' ? tileKernel(product, c, frame) : convRegisters(f, product, c, frame);
  return withParts({ ...kernel, ...operandsOf(frame) }, frame, v.bias === true, parts, sumSizes(f));
}

function sumSizes({ pass, N, H, W, C, O, OH, OW, T, Cg, columnSums }: Facts) {
  const size = { forward: N * OH * OW * O, input: N * H * W * C, filter: O * T * Cg }[pass];
  return { size, columns: O, sums: columnSums ? O : 0 };
}

function convFrame(f: Facts, product: GemmVariant, parts: number, chunk: number, length: number): Frame {
  const { pass, G, O, C, Cg, Og, T, classes, bias } = f;
  const z = G * (pass === 'input' ? classes : 1);
  const whole = parts === 1;
  const { size, sums } = sumSizes(f);
  const partial: Scratch | undefined = whole ? undefined : { name: 'parts', type: 'f32', size: parts * (size + sums) };
  // Channels are read four at a time if groups begin at whole vec4s.
  const vecC = Cg % 4 === 0;
  const vecO = Og % 4 === 0;
  const vecA = f.directA && (pass === 'forward' ? vecC : vecO);
  const vecB = f.directB && vecC;
  const offsets = {
    forward: [`batch * ${Cg}u`, `batch * ${Og * T * Cg}u`],
    input: ['batch', 'batch'],
    filter: [`batch * ${Og}u`, `batch * ${Cg}u`],
  }[pass];
  const store = (k: KernelText, at: string, value: string, channel: string) =>
    partial
      ? k.scratch(partial).store(`part * ${size}u + ${at}`, value)
      : k.outputs[0]!.store(at, `${value}${bias ? ` + ${k.inputs[2]!.load(channel)}` : ''}`);
  return {
    sizes: `const M = ${product.M}u;\nconst N = ${product.N}u;\n${product.raggedK ? '' : `const K = ${product.K}u;`}`,
    each: (at, statements) => wgsl`
let z = ${at};
#if ${whole}
let batch = z;
#else
let part = z % ${parts}u;
let batch = z / ${parts}u;
let end = min(${length}u, part * ${chunk}u + ${chunk}u);
#endif
let offsetA = ${offsets[0]!};
let offsetB = ${offsets[1]!};
#if ${product.raggedK === true}
let K = ${lengthOf(f, 'batch')};
#endif
${statements}
`,
    z: z * parts,
    from: whole ? '0u' : `part * ${chunk}u`,
    to: whole ? (product.raggedK ? 'K' : `${length}u`) : 'end',
    partial,
    put: (k, row, col, value) => {
      if (pass === 'forward') {
        const channel = G === 1 ? col : `batch * ${Og}u + ${col}`;
        return store(k, `${row} * ${O}u + ${channel}`, value, channel);
      }
      if (pass === 'filter') return store(k, `(batch * ${Og}u + ${row}) * N + ${col}`, value, '');
      const group = G === 1 ? col : `(${quotient('batch', classes, z)}) * ${Cg}u + ${col}`;
      if (classes === 1) return store(k, `${row} * ${C}u + ${group}`, value, '');
      const place = k.declare(placeOf(f));
      const at = `${place}(batch, ${row})`;
      return `if (${at} != ${OUTSIDE}) { ${store(k, `${at} * ${C}u + ${group}`, value, '')} }`;
    },
    putSum: (k, row, value) => {
      const channel = `batch * ${Og}u + ${row}`;
      return partial
        ? k.scratch(partial).store(`${parts * size}u + part * ${O}u + ${channel}`, value)
        : k.outputs[1]!.store(channel, value);
    },
    vecA,
    vecB,
    readers: (k, past) => readersOf(k, f, product, { vecA, vecB }, past),
  };
}

/** What {@link placeOf} gives for a row of a class that is past the image. */
const OUTSIDE = '0xffffffffu';

/** `placeOf(z, row)`: the element of the image (n, h, w) that is row `row` of a class. */
function placeOf(f: Facts): Declaration {
  const { N, H, W, CH, CW, stride, classes, G } = f;
  return {
    name: 'placeOf',
    text: (name) => `fn ${name}(z: u32, row: u32) -> u32 {
  let class_ = ${modulo('z', classes, classes * G)};
  let n = ${quotient('row', CH * CW, N * CH * CW)};
  let r = row - n * ${CH * CW}u;
  let i = ${quotient('r', CW, CH * CW)};
  let h = i * ${stride[0]}u + ${quotient('class_', stride[1], classes)};
  let w = (r - i * ${CW}u) * ${stride[1]}u + ${modulo('class_', stride[1], classes)};
  return select(${OUTSIDE}, (n * ${H}u + h) * ${W}u + w, h < ${H}u && w < ${W}u);
}`,
  };
}

/** The length of the sum in the class at z. */
function lengthOf(f: Facts, z: string): string {
  const { rows, columns, stride, classes, G, Og } = f;
  const at = modulo(z, classes, classes * G);
  return `${pick(rows.counts, quotient(at, stride[1], classes))} * ${pick(columns.counts, modulo(at, stride[1], classes))} * ${Og}u`;
}

function readersOf(
  k: KernelText,
  f: Facts,
  product: GemmVariant,
  { vecA, vecB }: Pick<Frame, 'vecA' | 'vecB'>,
  past: Past,
): Readers {
  const { pass, O } = f;
  const [a, b] = k.inputs;
  const M: Axis = [product.M, past.pastM];
  const N: Axis = [product.N, past.pastN];
  const K: Axis = [product.K, past.pastK];
  switch (pass) {
    case 'forward':
      return {
        readA: k.declare(windowReader('readA', a!, f, vecA, M, K)),
        readB: k.declare(reader('readB', b!, vecB, N, K)),
      };
    case 'input':
      return {
        readA: k.declare(gradientReader(a!, f, vecA, M, past.pastK)),
        readB: k.declare(weightReader(b!, f, vecB, N)),
      };
    case 'filter':
      return {
        readA: k.declare(reader('readA', a!, vecA, K, M, O)),
        readB: k.declare(windowReader('readB', b!, f, vecB, K, N)),
      };
  }
}

/**
 * `read(offset, place, feature)`: x at four neighbouring features (kh, kw, c) of the window at a place (n, oh, ow), with zeros around the
 * image. Past the last feature zeros, or as vec4 the last four; past the last place, that one.
 */
function windowReader(
  name: string,
  x: OperandText,
  f: Facts,
  vec: boolean,
  [places, pastPlaces]: Axis,
  [features, pastFeatures]: Axis,
): Declaration {
  const { H, W, C, Cg, T, KW, OH, OW, stride, padding, dilation, inside } = f;
  const element = (i: string, load: (at: string) => string, zero: string) => {
    const tap = quotient('i', Cg, features);
    return `let i = ${i};
  let tap = ${tap};
  let kh = ${quotient('tap', KW, T)};
  let h = top + kh * ${dilation[0]}u;
  let w = left + (tap - kh * ${KW}u) * ${dilation[1]}u;
  let at = offset + ((n * ${H}u + ${inside ? 'h' : `min(h, ${H - 1}u)`}) * ${W}u + ${inside ? 'w' : `min(w, ${W - 1}u)`}) * ${C}u + i - tap * ${Cg}u;
  return ${inside ? load('at') : `select(${zero}, ${load('at')}, h < ${H}u && w < ${W}u)`};`;
  };
  const place = `let p = ${pastPlaces ? `min(place, ${places - 1}u)` : 'place'};
  let n = ${quotient('p', OH * OW, places)};
  let r = p - n * ${OH * OW}u;
  let oh = ${quotient('r', OW, OH * OW)};
  let top = oh * ${stride[0]}u - ${padding[0]}u;
  let left = (r - oh * ${OW}u) * ${stride[1]}u - ${padding[1]}u;`;
  if (vec)
    return {
      name,
      text: (name) => `fn ${name}(offset: u32, place: u32, feature: u32) -> vec4f {
  ${place}
  ${element(pastFeatures ? `min(feature, ${features - 4}u)` : 'feature', (at) => x.load4(`${at} / 4u`), 'vec4f(0.0)')}
}`,
    };
  const one: Declaration = {
    name: `${name}One`,
    text: (name) => `fn ${name}(offset: u32, n: u32, top: u32, left: u32, feature: u32) -> f32 {
  ${pastFeatures ? `if (feature >= ${features}u) { return 0.0; }` : ''}
  ${element('feature', (at) => x.load(at), '0.0')}
}`,
  };
  return {
    name,
    uses: [one],
    text: (name, one) => `fn ${name}(offset: u32, place: u32, feature: u32) -> vec4f {
  ${place}
  return ${vec4((c) => `${one}(offset, n, top, left, feature + ${c}u)`)};
}`,
  };
}

/** WGSL that splits k of `input` at z: kernel element (kh, kw), and `o` within the group. */
function tapOf(f: Facts, k: string): string {
  const { Og, T, rows, columns, stride, classes, G } = f;
  const phase = classes === 1 ? '0u' : 'phase';
  const widths = pick(columns.counts, modulo(phase, stride[1], classes));
  const perRow = columns.counts.every((n) => n === columns.counts[0])
    ? quotient('tap', Math.max(1, columns.counts[0]!), T)
    : `tap / ${widths}`;
  return `let phase = ${modulo('z', classes, classes * G)};
  let tap = ${quotient(k, Og, T * Og)};
  let o = ${k} - tap * ${Og}u;
  let th = ${perRow};
  let kh = ${pick(rows.first, quotient(phase, stride[1], classes))} + th * ${rows.step}u;
  let kw = ${pick(columns.first, modulo(phase, stride[1], classes))} + (tap - th * ${widths}) * ${columns.step}u;`;
}

/** `readA(z, row, k)` of `input`: dy at four neighbouring k = (kernel element of the class, o) for an element of x. */
function gradientReader(dy: OperandText, f: Facts, vec: boolean, [M, pastM]: Axis, pastK: boolean): Declaration {
  const { OH, OW, O, Og, CH, CW, stride, padding, dilation, classes, G } = f;
  const group = G === 1 ? '' : `${quotient('z', classes, classes * G)} * ${Og}u + `;
  const place = (name: 'h' | 'w', axis: 0 | 1, size: number) => {
    const [element, k, p] =
      axis === 0
        ? ['i', 'kh', quotient('phase', stride[1], classes)]
        : ['j', 'kw', modulo('phase', stride[1], classes)];
    const from = stride[axis] === 1 ? element : `${element} * ${stride[axis]}u + ${p}`;
    return `let ${name} = i32(${from} + ${padding[axis]}u) - i32(${k} * ${dilation[axis]}u);
  let o${name} = u32(max(${name}, 0))${stride[axis] === 1 ? '' : ` / ${stride[axis]}u`};
  let ${name}Inside = ${name} >= 0 && o${name} < ${size}u;`;
  };
  const element = (k: string, load: (at: string) => string, zero: string) => `${tapOf(f, k)}
  ${place('h', 0, OH)}
  ${place('w', 1, OW)}
  let at = ${group}((n * ${OH}u + min(oh, ${OH - 1}u)) * ${OW}u + min(ow, ${OW - 1}u)) * ${O}u + o;
  return select(${zero}, ${load('at')}, hInside && wInside);`;
  const split = `let p = ${pastM ? `min(row, ${M - 1}u)` : 'row'};
  let n = ${quotient('p', CH * CW, M)};
  let r = p - n * ${CH * CW}u;
  let i = ${quotient('r', CW, CH * CW)};
  let j = r - i * ${CW}u;`;
  if (vec)
    return {
      name: 'readA',
      text: (name) => `fn ${name}(z: u32, row: u32, k: u32) -> vec4f {
  ${split}
  ${element('k', (at) => dy.load4(`${at} / 4u`), 'vec4f(0.0)')}
}`,
    };
  const one: Declaration = {
    name: 'readAOne',
    text: (name) => `fn ${name}(z: u32, n: u32, i: u32, j: u32, k: u32) -> f32 {
  ${pastK ? `if (k >= ${lengthOf(f, 'z')}) { return 0.0; }` : ''}
  ${element('k', (at) => dy.load(at), '0.0')}
}`,
  };
  return {
    name: 'readA',
    uses: [one],
    text: (name, one) => `fn ${name}(z: u32, row: u32, k: u32) -> vec4f {
  ${split}
  return ${vec4((c) => `${one}(z, n, i, j, k + ${c}u)`)};
}`,
  };
}

/** `readB(z, k, c)` of `input`: w at k = (kernel element of the class, o) and four neighbouring channels; zeros past the last, or as vec4 the last four. */
function weightReader(w: OperandText, f: Facts, vec: boolean, [N, pastN]: Axis): Declaration {
  const { T, KW, Cg, Og, classes, G } = f;
  const group = G === 1 ? '' : `${quotient('z', classes, classes * G)} * ${Og}u + `;
  const one = (c: number) =>
    pastN ? `select(0.0, ${w.load(`at + min(c + ${c}u, ${N - 1}u)`)}, c + ${c}u < ${N}u)` : w.load(`at + c + ${c}u`);
  return {
    name: 'readB',
    text: (name) => `fn ${name}(z: u32, k: u32, c: u32) -> vec4f {
  ${tapOf(f, 'k')}
  let at = ((${group}min(o, ${Og - 1}u)) * ${T}u + kh * ${KW}u + kw) * ${Cg}u;
  return ${vec ? w.load4(`(at + ${pastN ? `min(c, ${N - 4}u)` : 'c'}) / 4u`) : vec4(one)};
}`,
  };
}
