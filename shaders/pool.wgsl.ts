// Pools over images (N, H, W, C): the maximum or the sum of each window, and their gradients, in which each element of dx gathers from the
// windows that cover it. A lane computes four channels where C allows it.
import type { Capabilities } from '../src/graph/capabilities.ts';
import type { Declaration, KernelSpec, KernelText } from '../src/graph/kernel.ts';
import { decodedLanes, type Lane, laneOf, loaded, overLanes, quads, repeated, stored } from './lanes.wgsl.ts';
import { f32, quotient, u32, wgsl } from './wgsl.ts';

/** The windows of a pool along one axis. */
export interface PoolAxis {
  /** Elements of the axis. */
  readonly size: number;
  /** Windows. */
  readonly places: number;
  /**
   * Window o has `kernel` elements, `dilation` apart, the first at o · stride - before. Undefined for adaptive windows, which reach from
   * floor(o · size / places) to ceil((o + 1) · size / places).
   */
  readonly slide?: {
    readonly kernel: number;
    readonly stride: number;
    readonly before: number;
    readonly dilation: number;
  };
}

export interface PoolVariant {
  readonly N: number;
  readonly C: number;
  readonly rows: PoolAxis;
  readonly columns: PoolAxis;
  readonly gpu: Capabilities;
  /** Whether the first input is a plain f32 buffer. */
  readonly direct: boolean;
}

// ---- windows and elements

/** `body` for the numbers from floor(i · to / from) to ceil((i + 1) · to / from). */
function overRange(i: string, from: number, to: number, name: string, body: (at: string) => string): string {
  const bound = (from + 1) * to + from;
  const first = quotient(`(${i} * ${u32(to)})`, from, bound);
  const end = quotient(`(${i} * ${u32(to)} + ${u32(to + from - 1)})`, from, bound);
  return `for (var ${name} = ${first}; ${name} < ${end}; ${name}++) {\n${body(name)}\n}`;
}

const reach = (axis: NonNullable<PoolAxis['slide']>) => (axis.kernel - 1) * axis.dilation + 1;

/** Whether some window reaches outside its axis. */
function overhangs({ size, places, slide }: PoolAxis): boolean {
  return slide !== undefined && (slide.before > 0 || (places - 1) * slide.stride - slide.before + reach(slide) > size);
}

/** Statements for each element of window `o` that lies in the image, in order; `body` is given its number, a name. */
function overWindow(axis: PoolAxis, o: string, name: string, body: (at: string) => string): string {
  const { size, places, slide } = axis;
  if (!slide) return overRange(o, places, size, name, body);
  const { kernel, stride, before, dilation } = slide;
  return repeated(kernel, `${name}Tap`, (tap) => {
    // Below 0 it wraps around to a large number, so one comparison checks both ends.
    const at = `let ${name} = ${o} * ${u32(stride)} + ${tap} * ${u32(dilation)} - ${u32(before)};`;
    return overhangs(axis) ? `${at}\nif (${name} < ${u32(size)}) {\n${body(name)}\n}` : `${at}\n${body(name)}`;
  });
}

/**
 * Statements for each window that covers element `i`, from the last to the first, or at least these (`exact` is false: more may be among
 * them).
 */
function overCover(axis: PoolAxis, i: string, name: string, exact: boolean, body: (o: string) => string): string {
  const { size, places, slide } = axis;
  if (!slide) return overRange(i, size, places, name, body);
  const { stride, before } = slide;
  const count = Math.ceil(reach(slide) / stride);
  const last = quotient(`(${i} + ${u32(before)})`, stride, size + before);
  return repeated(count, `${name}Step`, (step) => {
    const covered = `${i} + ${u32(before)} - ${name} * ${u32(stride)} < ${u32(reach(slide))}`;
    const inside = `${name} < ${u32(places)}${exact && reach(slide) % stride > 0 ? ` && ${covered}` : ''}`;
    return `let ${name} = ${last} - ${step};\nif (${inside}) {\n${body(name)}\n}`;
  });
}

// ---- forward

/** Whether an f32, or which of four, is NaN, by its bits: WGSL lets compilers assume x == x. */
function nansOf({ float, uint, bool }: Lane): Declaration {
  return {
    name: 'nansOf',
    text: (name) => `fn ${name}(x: ${float}) -> ${bool} {
  return (bitcast<${uint}>(x) & ${uint}(0x7fffffffu)) > ${uint}(0x7f800000u);
}`,
  };
}

/** What a kernel of pools has in common: `x` names the lane's elements of the first input at a pixel of an image. */
function forward(
  variant: PoolVariant,
  parts: (k: KernelText, lane: Lane) => Record<'start' | 'element' | 'end', string>,
) {
  const { N, C, rows, columns, gpu, direct } = variant;
  const lane = laneOf(C);
  const channels = C / lane.width;
  const count = N * rows.places * columns.places * channels;
  const spec = overLanes(count, gpu, (k) => {
    const { start, element, end } = parts(k, lane);
    const x = loaded(k.inputs[0]!, lane, lane.float, 'source', direct);
    const window = overWindow(rows, 'row', 'h', (h) =>
      overWindow(
        columns,
        'column',
        'w',
        (w) => wgsl`
let here = ${h} * ${u32(columns.size)} + ${w};
let source = (image + here) * ${u32(channels)} + c;
let x = ${x};
${element}
`,
      ),
    );
    return wgsl`
${decodedLanes(['n', 'row', 'column', 'c'], [N, rows.places, columns.places, channels])}
let image = n * ${u32(rows.size * columns.size)};
${start}
${window}
${end}
`;
  });
  return { ...spec, ...quads(lane, direct) };
}

/**
 * y, the maximum of each window, and its place, the number of its pixel in the image: of equals the first in row-major order; NaN is
 * the largest.
 */
export function maxPoolKernel(variant: PoolVariant): KernelSpec {
  return forward(variant, (k, lane) => {
    const { float, uint, bool } = lane;
    const first = firstPixel(variant);
    return {
      start: wgsl`
var y = ${float}(bitcast<f32>(0xff800000u | zero));
var place = ${uint}(${first ?? '0xffffffffu'});
var found = ${bool}(false);
`,
      element: wgsl`
let nan = ${k.declare(nansOf(lane))}(x);
let better = !found & (nan | (x > y)${first === undefined ? ` | (place == ${uint}(0xffffffffu))` : ''});
y = select(y, x, better);
place = select(place, ${uint}(here), better);
found = found | nan;
`,
      end: `${stored(k.outputs[0]!, lane, 't', 'y')}\n${stored(k.outputs[1]!, lane, 't', 'place')}`,
    };
  });
}

/** The first pixel of a window, if it surely lies in the image: where all elements are -Infinity, none is larger than the first. */
function firstPixel({ rows, columns }: PoolVariant): string | undefined {
  if (!rows.slide || !columns.slide || overhangs(rows) || overhangs(columns)) return undefined;
  return `row * ${u32(rows.slide.stride * columns.size)} + column * ${u32(columns.slide.stride)}`;
}

/** y, the sum of each window's elements divided by `divisor`. */
export function avgPoolKernel(variant: PoolVariant, divisor: number): KernelSpec {
  return forward(variant, (k, lane) => ({
    start: `var y = ${lane.float}(0.0);`,
    element: 'y += x;',
    end: `${divisor === 1 ? '' : `y *= ${f32(1 / divisor)};\n`}${stored(k.outputs[0]!, lane, 't', 'y')}`,
  }));
}

// ---- backward

/** A gradient's element from dy's at one of its windows; `k` counts inputs. */
interface Backward {
  /** Whether a window counts only if its maximum is at this pixel: input 1 is the places. */
  readonly max: boolean;
  /** The divisor of an average. */
  readonly divisor: number;
}

/** dx from dy and the places: each element sums dy of the windows whose maximum it is. */
export function maxPoolGradKernel(variant: PoolVariant): KernelSpec {
  return gradKernel(variant, { max: true, divisor: 1 });
}

/** dx from dy: each element sums dy of the windows that it is in, divided by `divisor`. */
export function avgPoolGradKernel(variant: PoolVariant, divisor: number): KernelSpec {
  return gradKernel(variant, { max: false, divisor });
}

function gradKernel(variant: PoolVariant, backward: Backward): KernelSpec {
  return isDisjoint(variant) ? blockKernel(variant, backward) : coverKernel(variant, backward);
}

/** `let`s of a window's dy, and of its place: `d` and `p`. */
function windowText(
  { inputs: [dy, places] }: KernelText,
  lane: Lane,
  direct: boolean,
  { max, divisor }: Backward,
  at: string,
): string {
  const d = loaded(dy!, lane, lane.float, 'at', direct);
  return wgsl`
let at = ${at};
let d = ${divisor === 1 ? d : `${d} * ${f32(1 / divisor)}`};
${max ? `let p = ${loaded(places!, lane, lane.uint, 'at')};` : ''}
`;
}

/** Each lane gathers from the windows that cover its elements. */
function coverKernel(variant: PoolVariant, backward: Backward): KernelSpec {
  const { N, C, rows, columns, gpu, direct } = variant;
  const { max } = backward;
  const lane = laneOf(C);
  const channels = C / lane.width;
  const spec = overLanes(N * rows.size * columns.size * channels, gpu, (k) => {
    const window = (oh: string, ow: string) => wgsl`
${windowText(k, lane, direct, backward, `((n * ${u32(rows.places)} + ${oh}) * ${u32(columns.places)} + ${ow}) * ${u32(channels)} + c`)}
dx += ${max ? `select(${lane.float}(0.0), d, p == ${lane.uint}(here))` : 'd'};
`;
    return wgsl`
${decodedLanes(['n', 'row', 'column', 'c'], [N, rows.size, columns.size, channels])}
${max ? `let here = row * ${u32(columns.size)} + column;` : ''}
var dx = ${lane.float}(0.0);
${overCover(rows, 'row', 'oh', !max, (oh) => overCover(columns, 'column', 'ow', !max, (ow) => window(oh, ow)))}
${stored(k.outputs[0]!, lane, 't', 'dx')}
`;
  });
  return { ...spec, ...quads(lane, direct) };
}

/** Whether windows do not overlap: an element is in one at most. */
export function isDisjoint({ rows, columns }: Pick<PoolVariant, 'rows' | 'columns'>): boolean {
  return [rows, columns].every(({ slide }) => slide && slide.dilation === 1 && slide.kernel <= slide.stride);
}

/** Blocks along an axis, each from a window's first element to the next one's: also before the first window and after the last. */
function blocksOf({ size, slide }: PoolAxis): number {
  return Math.ceil((size + slide!.before) / slide!.stride);
}

/** Each lane loads dy of one window, and stores all elements from there to the next window. */
function blockKernel(variant: PoolVariant, backward: Backward): KernelSpec {
  const { N, C, rows, columns, gpu, direct } = variant;
  const { max } = backward;
  const lane = laneOf(C);
  const channels = C / lane.width;
  const [blockRows, blockColumns] = [blocksOf(rows), blocksOf(columns)];
  const spec = overLanes(N * blockRows * blockColumns * channels, gpu, (k) => {
    const nearest = (name: string, { places }: PoolAxis, blocks: number) =>
      blocks > places ? `min(${name}, ${u32(places - 1)})` : name;
    const at = `((n * ${u32(rows.places)} + ${nearest('row', rows, blockRows)}) * ${u32(columns.places)} + ${nearest('column', columns, blockColumns)}) * ${u32(channels)} + c`;
    const inside = [...inWindow(rows, 'row', 'hTap'), ...inWindow(columns, 'column', 'wTap')];
    const element = wgsl`
let here = h * ${u32(columns.size)} + w;
#if ${max}
let dx = select(${lane.float}(0.0), d, p == ${lane.uint}(here));
#else
let dx = ${inside.length > 0 ? `select(${lane.float}(0.0), d, ${inside.join(' && ')})` : 'd'};
#endif
let to = (n * ${u32(rows.size * columns.size)} + here) * ${u32(channels)} + c;
${stored(k.outputs[0]!, lane, 'to', 'dx')}
`;
    return wgsl`
${decodedLanes(['n', 'row', 'column', 'c'], [N, blockRows, blockColumns, channels])}
${windowText(k, lane, direct, backward, at)}
${overBlock(rows, 'row', 'h', overBlock(columns, 'column', 'w', element))}
`;
  });
  return { ...spec, ...quads(lane, direct) };
}

/** The conditions on which an element of a block is in its window. */
function inWindow(axis: PoolAxis, o: string, tap: string): string[] {
  const { kernel, stride } = axis.slide!;
  return [
    ...(kernel < stride ? [`${tap} < ${u32(kernel)}`] : []),
    ...(blocksOf(axis) > axis.places ? [`${o} < ${u32(axis.places)}`] : []),
  ];
}

/** `body` for each element of block `o` that lies in the image: its number is `name`, its tap `nameTap`. */
function overBlock(axis: PoolAxis, o: string, name: string, body: string): string {
  const { size, slide } = axis;
  const { stride, before } = slide!;
  const text = wgsl`
let ${name} = ${o} * ${u32(stride)} + ${name}Tap - ${u32(before)};
${before === 0 && size % stride === 0 ? body : `if (${name} < ${u32(size)}) {\n${body}\n}`}
`;
  return `for (var ${name}Tap = 0u; ${name}Tap < ${u32(stride)}; ${name}Tap++) {\n${text}\n}`;
}
