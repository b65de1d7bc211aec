// The roofline: how near the ceilings every case came, below the roof that memory (slanted) and arithmetic (flat) make.
import { px, text } from '../src/cli/svg.ts';
import type { Ceiling } from './cases.ts';
import type { Figure, Finding } from './findings.ts';
import { PLOT, picture } from './picture.ts';
import { deviceWord, formatFigure } from './report.ts';

/** Suites that are arithmetic over memory, by the shape of their marks. */
const MARKS: Readonly<Record<string, (x: string, y: string) => string>> = {
  matmul: (x, y) => `<circle class="tw-dot" cx="${x}" cy="${y}" r="4.5"/>`,
  step: (x, y) => `<path class="tw-dot" d="M${x} ${y}m-5 4.5h10l-5 -9z"/>`,
  bandwidth: (x, y) => `<path class="tw-dot" d="M${x} ${y}m-4.5 -4.5h9v9h-9z"/>`,
  'cpu-vs-gpu': (x, y) => `<path class="tw-dot" d="M${x} ${y}m0 -6l6 6l-6 6l-6 -6z"/>`,
};

/** Speed over arithmetic intensity, below the roof that memory (slanted) and arithmetic (flat) make. */
export function rooflinePlot(
  findings: readonly Finding[],
  backend: 'gpu' | 'cpu',
  ceiling?: Ceiling,
): string | undefined {
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
  const frame = {
    title: `Roofline of the ${device}`,
    captions: [
      `Measured on ${first.adapter}.`,
      'Dots: cases of the benchmark. Roof: multiply-adds (flat) and copies (slanted) alone, measured as well.',
    ],
    description: `${dots.length} cases, the nearest at ${bestOf(dots)} of its ceiling.`,
    xLabel: 'arithmetic intensity, FLOP a byte',
    yLabel: 'GFLOP/s',
    xs: [...xs, ...ends],
    ys: [...points.map((p) => p.y), ceiling.gflops, roof(ends[0])],
  };
  return picture(frame, (x, y) => [
    `<path class="tw-blue" fill="none" stroke-width="2.25" d="M${px(x(ends[0]))} ${px(y(roof(ends[0])))}L${px(x(ridge))} ${px(y(ceiling.gflops))}L${px(x(ends[1]))} ${px(y(roof(ends[1])))}"/>`,
    ...roofNames(ceiling, [x(ends[0]), y(roof(ends[0]))], [x(ridge), y(ceiling.gflops)], x(ends[1])),
    ...points.map((p) => MARKS[p.f.suite]!(px(x(p.x)), px(y(p.y)))),
    ...legend([...new Set(dots.map((f) => f.suite))]),
  ]);
}

/** What the roof's halves are, along them. */
function roofNames(
  { gflops, gbps }: Ceiling,
  [x0, y0]: readonly [number, number],
  [x1, y1]: readonly [number, number],
  end: number,
): string[] {
  const small = 'font-size="12"';
  const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2 - 8];
  const angle = Math.round((Math.atan2(y1 - y0, x1 - x0) * 180) / Math.PI);
  const turned = `${small} text-anchor="middle" transform="rotate(${angle} ${px(x)} ${px(y)})"`;
  // Where memory hardly binds there is no room for its name.
  const room = Math.hypot(x1 - x0, y1 - y0) > 70;
  return [
    text(px(end), Number(px(y1)) - 8, `${formatFigure(gflops)} GFLOP/s`, 'tw-text', `${small} text-anchor="end"`),
    room ? text(px(x), Number(px(y)), `${formatFigure(gbps)} GB/s`, 'tw-text', turned) : '',
  ];
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
