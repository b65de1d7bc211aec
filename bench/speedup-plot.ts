// The speed-up over the CPU: a line for each size of the one along sizes of the other, and a ring where a line crosses equal speed.
import { px, text } from '../src/cli/svg.ts';
import type { Crossover, Finding, Speedup } from './findings.ts';
import { PLOT, picture, type Scale } from './picture.ts';
import { crossoverText, deviceWord } from './report.ts';

type Axis = 'batch' | 'width';

/** What a line is drawn with, as a class: dark to bright, in the order of their sizes. */
const LINES = [
  ['#3b30b8', '#9d97ff'],
  ['#7a1fa8', '#c58cff'],
  ['#ab2292', '#e889da'],
  ['#c23a63', '#f28aa4'],
  ['#c2521b', '#f6a06c'],
  ['#9c6a00', '#f3c055'],
  ['#5d7300', '#d3df5c'],
] as const;
const lineStyle = (mode: 0 | 1) =>
  LINES.map((colours, k) => `.tw-l${k}{stroke:${colours[mode]}}.tw-f${k}{fill:${colours[mode]}}`).join('');
/** Names keep a margin of the ground's colour, so that a line behind them does not strike them through. */
const STYLE = `
.tw-halo{stroke:#ffffff;stroke-width:4;paint-order:stroke}${lineStyle(0)}
@media (prefers-color-scheme:dark){.tw-halo{stroke:#14171c}${lineStyle(1)}}`;

/** Pixels between the dots of two lines at one place, so that their spreads are not one. */
const APART = 3;
/** Pixels between two names or numbers at least. */
const ROOM = 13;

export function speedupPlot(findings: readonly Finding[], along: Axis): string | undefined {
  const all = findings.filter((f) => f.type === 'speedup').sort((a, b) => a[along] - b[along]);
  const crossings = findings.filter((f) => f.type === 'crossover').filter((f) => f.along === along);
  const [first] = all;
  if (first === undefined) return undefined;
  const other = along === 'batch' ? 'width' : 'batch';
  const fixed = [...new Set(all.map((s) => s[other]))].sort((a, b) => a - b);
  const lines = fixed.map((size) => ({ size, points: all.filter((s) => s[other] === size) }));
  const xs = [...new Set(all.map((s) => s[along]))];
  const device = deviceWord(first);
  const [what, word] = along === 'batch' ? ['batch size', 'W'] : ['width W', 'batch'];
  const frame = {
    title: `A step of 784-W-10: ${device} against CPU, by ${what}`,
    captions: [
      `Measured on ${first.adapter}, against the CPU backend on one thread.`,
      `Medians; bars: lowest to highest round. ${crossingsText(crossings, device)}`,
    ],
    description: crossings.map(crossoverText).join(' '),
    xLabel: what,
    yLabel: 'times as fast as the CPU backend',
    xs,
    ys: [1, ...all.flatMap(({ min, max }) => [min, max])],
    xTicks: xs,
    yUnit: 'x',
    style: STYLE,
  };
  return picture(frame, (x, y) => [
    `<path class="tw-axis" stroke-dasharray="5 4" d="M${PLOT.left} ${px(y(1))}H${PLOT.right}"/>`,
    text(PLOT.left, 56, `Above 1x the ${device} is the faster one, below it the CPU.`, 'tw-muted'),
    ...lines.flatMap(({ points }, k) =>
      lineOf(points, along, k, (v) => x(v) + APART * (k - (lines.length - 1) / 2), y),
    ),
    ...namesOf(
      lines.map(({ size, points }, k) => {
        const last = points.at(-1)!;
        return { name: `${word} ${size}`, k, x: x(last[along]), y: y(last.median) };
      }),
    ),
    ...ringsOf(crossings, x, y),
  ]);
}

/** What the rings say, or why there are none. */
function crossingsText(crossings: readonly Crossover[], device: string): string {
  const kinds = new Set(crossings.map(({ crossing }) => crossing.kind));
  if (kinds.has('from')) return 'Rings: crossovers; broken where the rounds do not all agree.';
  if (kinds.size > 1) return 'No line crosses for good.';
  return kinds.has('always')
    ? `No crossover: the ${device} is the faster one everywhere.`
    : `No crossover: the ${device} never becomes the faster one.`;
}

function lineOf(points: readonly Speedup[], along: Axis, place: number, x: Scale, y: Scale): string[] {
  const path = points.map((p, k) => `${k === 0 ? 'M' : 'L'}${px(x(p[along]))} ${px(y(p.median))}`).join('');
  const k = place % LINES.length;
  return [
    ...points.map(
      (p) => `<path class="tw-l${k}" opacity="0.55" d="M${px(x(p[along]))} ${px(y(p.min))}V${px(y(p.max))}"/>`,
    ),
    `<path class="tw-l${k}" fill="none" stroke-width="2" d="${path}"/>`,
    ...points.map((p) => `<circle class="tw-f${k}" cx="${px(x(p[along]))}" cy="${px(y(p.median))}" r="3.5"/>`),
  ];
}

/** The lines' names at their ends, moved apart where they would cover each other. */
function namesOf(names: readonly { name: string; k: number; x: number; y: number }[]): string[] {
  const placed: { x: number; y: number }[] = [];
  return [...names]
    .sort((a, b) => a.y - b.y)
    .map(({ name, k, x, y }) => {
      const near = placed.filter((other) => Math.abs(other.x - x) < 40);
      const at = Math.max(y, ...near.map((other) => other.y + ROOM));
      placed.push({ x, y: at });
      return text(px(x + 14), Number(px(at)) + 4, name, `tw-f${k % LINES.length} tw-halo`, 'font-size="12"');
    });
}

/** Rings on the line of equal speed, their numbers one above the other where they are near. */
function ringsOf(crossings: readonly Crossover[], x: Scale, y: Scale): string[] {
  const found = crossings.flatMap(({ crossing, settled }) =>
    crossing.kind === 'from' ? { at: crossing.at, settled, rank: 0 } : [],
  );
  found.sort((a, b) => a.at - b.at);
  for (const [k, ring] of found.entries()) {
    const before = found[k - 1];
    if (before && x(ring.at) - x(before.at) < 2.5 * ROOM) ring.rank = before.rank + 1;
  }
  return found.flatMap(({ at, settled, rank }) => [
    `<circle class="tw-orange" fill="none" stroke-width="2.5"${settled ? '' : ' stroke-dasharray="3 3"'} cx="${px(x(at))}" cy="${px(y(1))}" r="7"/>`,
    text(
      px(x(at)),
      Number(px(y(1))) - 12 - ROOM * rank,
      `${Math.round(at)}`,
      'tw-text tw-halo',
      'text-anchor="middle" font-size="12"',
    ),
  ]);
}
