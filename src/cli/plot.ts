// Loss and accuracy as a standalone SVG: light or dark as its viewer prefers, blue lines and orange circles
// (never colour alone), round ticks, and a text summary. Non-finite values are gaps, marked at the upper edge.
import { logTicks, type PlotPoint, roundStep, roundTicks, smooth, thin, tickText } from './plot-data.ts';
import { cut, opening, px, text } from './svg.ts';

export type { PlotPoint } from './plot-data.ts';

/** A plot of one quantity over the steps of a run. */
export interface PlotOptions {
  /** A value per step: a thin line under a smoothed one. */
  readonly train?: readonly PlotPoint[];
  /** A value per epoch: circles, on the same axes. */
  readonly validation?: readonly PlotPoint[];
  readonly title?: string;
  /** One line below, such as the adapter's name and the settings of the run. */
  readonly caption?: string;
  /** `auto` is linear unless the values span more than four powers of ten, as those of a diverged run do. */
  readonly scale?: 'linear' | 'log' | 'auto';
}

const WIDTH = 760;
const HEIGHT = 420;
const PLOT = { left: 72, right: WIDTH - 24, top: 76, bottom: HEIGHT - 78 };

/** The loss of a run. */
export function lossPlot(options: PlotOptions): string {
  return plot({ title: 'Loss', ...options }, 'loss', (v) => shortNumber(v));
}

/** The accuracy of a run, from fractions, in percent and never above 100. */
export function accuracyPlot(options: Omit<PlotOptions, 'scale'>): string {
  const inPercent = (points: readonly PlotPoint[] = []) => points.map(([step, v]): PlotPoint => [step, 100 * v]);
  const percent = {
    train: inPercent(options.train),
    validation: inPercent(options.validation),
    scale: 'linear',
  } as const;
  return plot({ title: 'Accuracy', ...options, ...percent }, 'accuracy (%)', (v) => `${v.toFixed(2)}%`, 100);
}

function plot(options: PlotOptions, unit: string, format: (value: number) => string, ceiling?: number): string {
  const { title = '', caption = '' } = options;
  const train = tidy(options.train);
  const validation = tidy(options.validation);
  const all = [...train, ...validation];
  const x = stepAxis(all);
  const y = valueAxis(all, options.scale ?? 'auto', ceiling);
  const smoothed = train.length >= 40 ? smooth(train, 400, y.log) : [];
  const summary = [describe('Training', train, smoothed, format), describe('Validation', validation, [], format)].join(
    ' ',
  );
  const parts = [
    opening({ width: WIDTH, height: HEIGHT, title, description: `${summary} ${caption}` }),
    text(PLOT.left, 32, cut(title, 70), 'tw-text', 'font-size="18" font-weight="600"'),
    legend(train, smoothed, validation, format),
    axes(x, y, unit),
    lines(train, smoothed, x, y),
    circles(validation, x, y),
    marks(all, x, y),
    all.length === 0
      ? text(
          (PLOT.left + PLOT.right) / 2,
          (PLOT.top + PLOT.bottom) / 2,
          'nothing was recorded',
          'tw-muted',
          'text-anchor="middle"',
        )
      : '',
    text(PLOT.left, HEIGHT - 18, cut(caption, 104), 'tw-muted', 'font-size="12"'),
    '</svg>',
  ];
  return `${parts.filter((part) => part !== '').join('\n')}\n`;
}

/** Valid steps in ascending order; values too extreme for axis arithmetic become infinite or 0 (f32 ends at 3e38). */
function tidy(points: readonly PlotPoint[] = []): PlotPoint[] {
  const tame = (value: number) => (Math.abs(value) > 1e140 ? value * Infinity : Math.abs(value) < 1e-140 ? 0 : value);
  const numbered = points.filter(([step]) => Math.abs(step) <= Number.MAX_SAFE_INTEGER);
  return numbered.map(([step, value]): PlotPoint => [step, tame(value)]).sort((a, b) => a[0] - b[0]);
}

/** From values to pixels. */
interface Axis {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
  readonly label: (tick: number) => string;
  /** Whether the axis has a place for the value. */
  readonly holds: (value: number) => boolean;
  readonly log: boolean;
}

function stepAxis(points: readonly PlotPoint[]): Axis {
  let [min, max] = extent(points.map(([step]) => step)) ?? [0, 1];
  if (min > 0 && min <= 0.05 * max) min = 0;
  if (min === max) [min, max] = [Math.max(Math.min(min, 0), min - 1), max + 1];
  const ticks = roundTicks(min, max, 8).filter(Number.isInteger);
  const step = roundStep(max - min, 8);
  const at = (value: number) => PLOT.left + ((value - min) / (max - min)) * (PLOT.right - PLOT.left);
  return { at, ticks, label: (tick) => tickText(tick, Math.max(1, step)), holds: Number.isFinite, log: false };
}

function valueAxis(points: readonly PlotPoint[], scale: 'linear' | 'log' | 'auto', ceiling?: number): Axis {
  const values = points.map(([, value]) => value).filter(Number.isFinite);
  const positive = extent(values.filter((value) => value > 0));
  const spread = positive === undefined ? 1 : positive[1] / positive[0];
  const height = PLOT.bottom - PLOT.top;
  if (positive !== undefined && (scale === 'log' || (scale === 'auto' && spread > 1e4))) {
    const [min, max] =
      spread > 1.01 ? [positive[0] / spread ** 0.04, positive[1] * spread ** 0.04] : [positive[0] / 2, positive[1] * 2];
    const ticks = logTicks(min, max, 8);
    const step = max / min < 10 ? roundStep(max - min, 8) : undefined;
    const at = (value: number) => PLOT.bottom - (Math.log(value / min) / Math.log(max / min)) * height;
    return {
      at,
      ticks,
      label: (tick) => tickText(tick, step ?? tick),
      holds: (value) => Number.isFinite(value) && value > 0,
      log: true,
    };
  }
  const [min, max] = linearRange(extent(values) ?? [0, 1], ceiling);
  const step = roundStep(max - min, 6);
  const at = (value: number) => PLOT.bottom - ((value - min) / (max - min)) * height;
  return {
    at,
    ticks: roundTicks(min, max, 6),
    label: (tick) => tickText(tick, step),
    holds: Number.isFinite,
    log: false,
  };
}

/** Widened to whole ticks; down to 0 if that costs less than half of the height. */
function linearRange([low, high]: readonly [number, number], ceiling = Number.POSITIVE_INFINITY): [number, number] {
  let [min, max] = [low, high];
  if (min >= 0 && min < 0.5 * max) min = 0;
  const size = Math.max(Math.abs(min), Math.abs(max));
  if (max - min <= 1e-9 * size) [min, max] = [min - Math.max(1e-6, size * 0.1), max + Math.max(1e-6, size * 0.1)];
  const step = roundStep(max - min, 6);
  return [Math.floor(min / step + 1e-9) * step, Math.min(ceiling, Math.ceil(max / step - 1e-9) * step)];
}

function axes(x: Axis, y: Axis, unit: string): string {
  const parts: string[] = [];
  for (const tick of y.ticks) {
    const at = px(y.at(tick));
    parts.push(`<path class="tw-grid" d="M${PLOT.left} ${at}H${PLOT.right}"/>`);
    parts.push(text(PLOT.left - 10, Number(at) + 4.5, y.label(tick), 'tw-muted', 'text-anchor="end"'));
  }
  for (const tick of x.ticks) {
    const at = px(x.at(tick));
    parts.push(`<path class="tw-axis" d="M${at} ${PLOT.bottom}v5"/>`);
    parts.push(text(at, PLOT.bottom + 20, x.label(tick), 'tw-muted', 'text-anchor="middle"'));
  }
  parts.push(`<path class="tw-axis" d="M${PLOT.left} ${PLOT.bottom}H${PLOT.right}"/>`);
  parts.push(text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 40, 'step', 'tw-muted', 'text-anchor="middle"'));
  const middle = (PLOT.top + PLOT.bottom) / 2;
  parts.push(text(20, middle, unit, 'tw-muted', `text-anchor="middle" transform="rotate(-90 20 ${middle})"`));
  return parts.join('\n');
}

function lines(train: readonly PlotPoint[], smoothed: readonly PlotPoint[], x: Axis, y: Axis): string {
  const raw = path(thin(train, PLOT.right - PLOT.left), x, y);
  const over = path(smoothed, x, y);
  const parts: string[] = [];
  const draw = (d: string, look: string) => {
    if (d !== '') parts.push(`<path class="tw-blue" fill="none" d="${d}" ${look} stroke-linejoin="round"/>`);
  };
  draw(raw, smoothed.length === 0 ? 'stroke-width="2"' : 'stroke-width="1" opacity="0.35"');
  draw(over, 'stroke-width="2.25" stroke-linecap="round"');
  // A point without neighbours on the axis would leave no line.
  train.forEach(([step, value], i) => {
    const alone = ![train[i - 1], train[i + 1]].some((other) => other !== undefined && y.holds(other[1]));
    if (alone && y.holds(value))
      parts.push(`<circle class="tw-solo" cx="${px(x.at(step))}" cy="${px(y.at(value))}" r="4"/>`);
  });
  return parts.join('\n');
}

/** A line through the points, broken where the axis has no place for the value. */
function path(points: readonly PlotPoint[], x: Axis, y: Axis): string {
  let d = '';
  let pen: 'M' | 'L' = 'M';
  for (const [step, value] of points) {
    if (y.holds(value)) {
      d += `${pen}${px(x.at(step))} ${px(y.at(value))}`;
      pen = 'L';
    } else pen = 'M';
  }
  return d.includes('L') ? d : '';
}

function circles(points: readonly PlotPoint[], x: Axis, y: Axis): string {
  const d = path(points, x, y);
  const parts =
    d === '' ? [] : [`<path class="tw-orange" fill="none" d="${d}" stroke-width="1.5" stroke-dasharray="5 4"/>`];
  const radius = points.length > 60 ? 2 : 4.5;
  for (const [step, value] of thin(points, 200)) {
    if (y.holds(value))
      parts.push(
        `<circle class="tw-dot" cx="${px(x.at(step))}" cy="${px(y.at(value))}" r="${radius}" stroke-width="1.5"/>`,
      );
  }
  return parts.join('\n');
}

/** A cross at the upper edge for each value off the axis, and a legend. */
function marks(points: readonly PlotPoint[], x: Axis, y: Axis): string {
  const lost = points.filter(([, value]) => !y.holds(value));
  if (lost.length === 0) return '';
  const columns = new Set(lost.map(([step]) => Math.round(x.at(step) / 8) * 8));
  const at = PLOT.top + 4;
  const parts = [...columns].map(
    (c) => `<path class="tw-orange" stroke-width="1.75" d="M${c - 3.5} ${at - 3.5}l7 7m0 -7l-7 7"/>`,
  );
  const finite = lost.every(([, value]) => Number.isFinite(value));
  const why = finite ? 'not above 0' : 'not finite';
  parts.push(
    text(
      PLOT.right,
      32,
      `✕ ${lost.length} ${lost.length === 1 ? 'value' : 'values'} ${why}`,
      'tw-muted',
      'text-anchor="end"',
    ),
  );
  return parts.join('\n');
}

function legend(
  train: readonly PlotPoint[],
  smoothed: readonly PlotPoint[],
  validation: readonly PlotPoint[],
  format: (value: number) => string,
): string {
  const parts: string[] = [];
  let at = PLOT.left;
  const entry = (label: string, mark: (at: number) => string) => {
    parts.push(mark(at), text(at + 30, 57, label, 'tw-text'));
    at += 30 + label.length * 7.2 + 24;
  };
  const last = (points: readonly PlotPoint[]) => {
    const value = points[points.length - 1]?.[1] ?? Number.NaN;
    return Number.isFinite(value) ? format(value) : 'not finite';
  };
  const line =
    (width: number, extra = '') =>
    (a: number) =>
      `<path class="tw-blue" stroke-width="${width}" ${extra} d="M${a} 52.5h22"/>`;
  if (smoothed.length > 0) {
    entry('train, each step', line(1, 'opacity="0.5"'));
    entry(`train, smoothed: ${last(smoothed)}`, line(2.25));
  } else if (train.length > 0) entry(`train: ${last(train)}`, line(2));
  if (validation.length > 0) {
    entry(
      `validation: ${last(validation)}`,
      (a) =>
        `<path class="tw-orange" stroke-width="1.5" stroke-dasharray="5 4" d="M${a} 52.5h22"/><circle class="tw-dot" cx="${a + 11}" cy="52.5" r="4.5" stroke-width="1.5"/>`,
    );
  }
  return parts.join('\n');
}

/** The curve in a sentence, for screen readers. */
function describe(
  name: string,
  points: readonly PlotPoint[],
  smoothed: readonly PlotPoint[],
  format: (value: number) => string,
): string {
  const finite = (smoothed.length > 0 ? smoothed : points).filter(([, value]) => Number.isFinite(value));
  const first = finite[0];
  const last = finite[finite.length - 1];
  if (first === undefined || last === undefined) return '';
  const lost = points.length - points.filter(([, value]) => Number.isFinite(value)).length;
  const gaps = lost === 0 ? '' : ` ${lost} values are not finite.`;
  if (first === last) return `${name}: ${format(first[1])} at step ${first[0]}.${gaps}`;
  return `${name}: from ${format(first[1])} at step ${first[0]} to ${format(last[1])} at step ${last[0]}.${gaps}`;
}

function extent(values: readonly number[]): [number, number] | undefined {
  if (values.length === 0) return undefined;
  // Not Math.min(...values): a long run has more values than a call can take arguments.
  return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
}

function shortNumber(value: number): string {
  const size = Math.abs(value);
  return value !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : value.toFixed(4);
}
