// Pictures of what was found: the speed-up over the CPU along batch sizes and widths, with the crossovers marked, and the roofline:
// how near the ceilings every case came. Both axes are logarithmic throughout.
import { logTicks, tickText } from '../src/cli/plot-data.ts';
import { cut, opening, px, text } from '../src/cli/svg.ts';
import type { Bench, Ceiling } from './cases.ts';
import type { Crossover, Figure, Finding, Speedup } from './findings.ts';
import { crossoverText, deviceWord, formatFigure } from './report.ts';

const WIDTH = 760;
const HEIGHT = 460;
const PLOT = { left: 76, right: WIDTH - 60, top: 76, bottom: HEIGHT - 78 };

/** The pictures that the findings are enough for, by file name. */
export function plotsOf(findings: readonly Finding[], ceilings: Bench['ceilings']): Readonly<Record<string, string>> {
  const pictures: [string, string | undefined][] = [
    ['speedup-batch.svg', speedupPlot(findings, 'batch')],
    ['speedup-width.svg', speedupPlot(findings, 'width')],
    ['roofline-gpu.svg', rooflinePlot(findings, 'gpu', ceilings.gpu)],
    ['roofline-cpu.svg', rooflinePlot(findings, 'cpu', ceilings.cpu)],
  ];
  return Object.fromEntries(pictures.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** From values to pixels, logarithmically; the ends lie a little beyond the values. */
function logAxis(values: readonly number[], from: number, to: number) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = Math.max(1.15, (high / low) ** 0.06);
  const [min, max] = [low / margin, high * margin];
  const at = (value: number) => from + (Math.log(value / min) / Math.log(max / min)) * (to - from);
  return { min, max, at };
}

interface Frame {
  readonly title: string;
  readonly caption: string;
  readonly description: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xs: readonly number[];
  readonly ys: readonly number[];
  /** Where x is labelled; round numbers unless said. */
  readonly xTicks?: readonly number[];
}

/** A picture with axes, and what `draw` puts between them. */
function picture(frame: Frame, draw: (x: (v: number) => number, y: (v: number) => number) => string[]): string {
  const x = logAxis(frame.xs, PLOT.left, PLOT.right);
  const y = logAxis(frame.ys, PLOT.bottom, PLOT.top);
  const { title, caption, description } = frame;
  const middle = (PLOT.top + PLOT.bottom) / 2;
  const centre = 'text-anchor="middle"';
  const parts = [
    opening({ width: WIDTH, height: HEIGHT, title, description: `${description} ${caption}` }),
    text(PLOT.left, 32, cut(title, 72), 'tw-text', 'font-size="18" font-weight="600"'),
    ...logTicks(y.min, y.max, 7).flatMap((tick) => [
      `<path class="tw-grid" d="M${PLOT.left} ${px(y.at(tick))}H${PLOT.right}"/>`,
      text(PLOT.left - 10, Number(px(y.at(tick))) + 4.5, tickText(tick, tick), 'tw-muted', 'text-anchor="end"'),
    ]),
    ...(frame.xTicks ?? logTicks(x.min, x.max, 8)).flatMap((tick) => [
      `<path class="tw-axis" d="M${px(x.at(tick))} ${PLOT.bottom}v5"/>`,
      text(px(x.at(tick)), PLOT.bottom + 20, tickText(tick, tick), 'tw-muted', centre),
    ]),
    `<path class="tw-axis" d="M${PLOT.left} ${PLOT.bottom}H${PLOT.right}"/>`,
    text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 40, frame.xLabel, 'tw-muted', centre),
    text(20, middle, frame.yLabel, 'tw-muted', `${centre} transform="rotate(-90 20 ${middle})"`),
    ...draw(x.at, y.at),
    text(PLOT.left, HEIGHT - 18, cut(caption, 104), 'tw-muted', 'font-size="12"'),
    '</svg>',
  ];
  return `${parts.filter((part) => part !== '').join('\n')}\n`;
}

const DASHES = ['', '8 4', '3 3', '10 3 3 3', '1 4', '14 4', '6 2 1 2'];

/** A line for each size of the other, the crossovers as rings on the line of equal speed. */
function speedupPlot(findings: readonly Finding[], along: 'batch' | 'width'): string | undefined {
  const all = findings.filter((f) => f.type === 'speedup');
  const crossings = findings.filter((f) => f.type === 'crossover').filter((f) => f.along === along);
  const [first] = all;
  if (first === undefined) return undefined;
  const other = along === 'batch' ? 'width' : 'batch';
  const sorted = [...all].sort((a, b) => a[along] - b[along]);
  const fixed = [...new Set(all.map((s) => s[other]))].sort((a, b) => a - b);
  const xs = [...new Set(sorted.map((s) => s[along]))];
  const device = deviceWord(first);
  const frame: Frame = {
    title: `784-W-10 on the ${device} against the CPU, by ${along === 'batch' ? 'batch size' : 'width W'}`,
    caption: `${first.adapter} against the CPU backend; medians, lowest to highest round`,
    description: crossings.map(crossoverText).join(' '),
    xLabel: along === 'batch' ? 'batch size' : 'width W',
    yLabel: `times as fast as the CPU (${device})`,
    xs,
    ys: [1, ...all.flatMap(({ min, max }) => [min, max])],
    xTicks: xs,
  };
  return picture(frame, (x, y) => [
    `<path class="tw-axis" stroke-dasharray="2 3" d="M${PLOT.left} ${px(y(1))}H${PLOT.right}"/>`,
    text(PLOT.right + 6, y(1) + 4.5, 'equal', 'tw-muted'),
    ...fixed.flatMap((value, k) =>
      lineOf(
        sorted.filter((s) => s[other] === value),
        along,
        k,
        x,
        y,
      ),
    ),
    ...lineLegend(fixed.map((value) => `${other} ${value}`)),
    ...crossings.flatMap((c) => ringOf(c, x, y)),
  ]);
}

function lineOf(
  points: readonly Speedup[],
  along: 'batch' | 'width',
  place: number,
  x: (v: number) => number,
  y: (v: number) => number,
): string[] {
  const path = points.map((p, k) => `${k === 0 ? 'M' : 'L'}${px(x(p[along]))} ${px(y(p.median))}`).join('');
  const dash = DASHES[place % DASHES.length];
  const aside = 3 * (place % DASHES.length); // else the spreads of two lines would be one
  return [
    `<path class="tw-blue" fill="none" stroke-width="2" stroke-dasharray="${dash}" d="${path}"/>`,
    ...points.flatMap((p) => [
      `<path class="tw-blue" opacity="0.5" d="M${px(x(p[along]) + aside)} ${px(y(p.min))}V${px(y(p.max))}"/>`,
      `<circle class="tw-solo" cx="${px(x(p[along]))}" cy="${px(y(p.median))}" r="3.5"/>`,
    ]),
  ];
}

function lineLegend(names: readonly string[]): string[] {
  return names.flatMap((name, k) => {
    const at = PLOT.left + Math.round(k * Math.min(105, (WIDTH - 16 - PLOT.left) / names.length));
    return [
      `<path class="tw-blue" stroke-width="2" stroke-dasharray="${DASHES[k % DASHES.length]}" d="M${at} 53h28"/>`,
      text(at + 34, 57, name, 'tw-text', 'font-size="12"'),
    ];
  });
}

/** A ring; broken where the rounds do not all agree. */
function ringOf({ crossing, settled }: Crossover, x: (v: number) => number, y: (v: number) => number): string[] {
  if (crossing.kind !== 'from') return [];
  const at = px(x(crossing.at));
  return [
    `<circle class="tw-orange" fill="none" stroke-width="2.5"${settled ? '' : ' stroke-dasharray="3 3"'} cx="${at}" cy="${px(y(1))}" r="7"/>`,
    text(at, Number(px(y(1))) - 12, `${Math.round(crossing.at)}`, 'tw-text', 'text-anchor="middle" font-size="12"'),
  ];
}

/** Suites that are arithmetic over memory, by the shape of their marks. */
const MARKS: Readonly<Record<string, (x: string, y: string) => string>> = {
  matmul: (x, y) => `<circle class="tw-dot" cx="${x}" cy="${y}" r="4.5"/>`,
  step: (x, y) => `<path class="tw-dot" d="M${x} ${y}m-5 4.5h10l-5 -9z"/>`,
  bandwidth: (x, y) => `<path class="tw-dot" d="M${x} ${y}m-4.5 -4.5h9v9h-9z"/>`,
  'cpu-vs-gpu': (x, y) => `<path class="tw-dot" d="M${x} ${y}m0 -6l6 6l-6 6l-6 -6z"/>`,
};

/** Speed over arithmetic intensity, below the roof that memory (slanted) and arithmetic (flat) make. */
function rooflinePlot(findings: readonly Finding[], backend: 'gpu' | 'cpu', ceiling?: Ceiling): string | undefined {
  const dots = findings
    .filter((f) => f.type === 'figure')
    .filter((f) => f.backend === backend && MARKS[f.suite] && (f.flops ?? 0) > 0);
  const [first] = dots;
  if (!first || !ceiling) return undefined;
  const points = dots.map((f) => ({ f, x: f.flops! / f.bytes!, y: f.flops! / f.ms / 1e6 }));
  const ridge = ceiling.gflops / ceiling.gbps;
  const xs = [...points.map((p) => p.x), ridge];
  const ends = [Math.min(...xs) / 1.5, Math.max(...xs) * 1.5] as const;
  const roof = (x: number) => Math.min(ceiling.gflops, x * ceiling.gbps);
  const device = deviceWord(first);
  const frame: Frame = {
    title: `Roofline of the ${device}`,
    caption: `${first.adapter}; ceilings measured: ${formatFigure(ceiling.gflops)} GFLOP/s, ${formatFigure(ceiling.gbps)} GB/s`,
    description: `${dots.length} cases, the nearest at ${bestOf(dots)} of its ceiling.`,
    xLabel: 'arithmetic intensity, FLOP a byte',
    yLabel: 'GFLOP/s',
    xs: [...xs, ...ends],
    ys: [...points.map((p) => p.y), ceiling.gflops, roof(ends[0])],
  };
  return picture(frame, (x, y) => [
    `<path class="tw-blue" fill="none" stroke-width="2.25" d="M${px(x(ends[0]))} ${px(y(roof(ends[0])))}L${px(x(ridge))} ${px(y(ceiling.gflops))}L${px(x(ends[1]))} ${px(y(roof(ends[1])))}"/>`,
    ...points.map((p) => MARKS[p.f.suite]!(px(x(p.x)), px(y(p.y)))),
    ...legend([...new Set(dots.map((f) => f.suite))]),
  ]);
}

function bestOf(figures: readonly Figure[]): string {
  return `${Math.round(100 * Math.max(...figures.map((f) => f.ofCeiling ?? 0)))}%`;
}

function legend(names: readonly string[]): string[] {
  return names.flatMap((name, k) => [
    MARKS[name]!(`${PLOT.left + 6 + k * 120}`, '53'),
    text(PLOT.left + 18 + k * 120, 57, name, 'tw-text'),
  ]);
}
