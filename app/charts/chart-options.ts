// A line chart's properties as uPlot's options and data: axes, ranges, colours that follow the scheme.
import type uPlot from 'uplot';
import { colorOf } from './palette.ts';

export interface ChartSeries {
  readonly name: string;
  /** `blue` is the CSS variable `--blue`, and so on; or a CSS colour. */
  readonly color: string;
  readonly width?: number;
  /** Lengths of dashes and gaps in pixels. */
  readonly dash?: readonly number[];
  /** Points instead of a line. */
  readonly points?: boolean;
}

export type ChartData = [number[] | Float64Array, ...(number | null)[][]];

export interface LineChartProps {
  readonly label: string;
  readonly summary: string;
  readonly height: number;
  readonly series: readonly ChartSeries[];
  readonly data: () => ChartData;
  /** Draws again when it changes. */
  readonly version: number;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly logY?: boolean;
  readonly logX?: boolean;
  readonly table?: () => { head: string[]; rows: string[][] };
}

/** Values above this are not drawn. */
const OFF = 1e15;

export function optionsOf(props: LineChartProps, width: number, read: (plot: uPlot) => void): uPlot.Options {
  const axis = (label: string): uPlot.Axis => ({
    label,
    labelSize: 18,
    labelFont: '12px system-ui, sans-serif',
    font: '12px system-ui, sans-serif',
    stroke: () => colorOf('ink-soft'),
    grid: { stroke: () => colorOf('grid'), width: 1 },
    ticks: { show: false },
    gap: 4,
    space: 44,
  });
  return {
    width: Math.max(width, 200),
    height: props.height,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    padding: [10, 12, 0, 0],
    scales: {
      x: { time: false, distr: props.logX ? 3 : 1, range: rangeOf(props.logX, true) },
      y: { distr: props.logY ? 3 : 1, range: rangeOf(props.logY, false) },
    },
    axes: [
      { ...axis(props.xLabel), size: 22, ...(props.logX && { values: axisText }) },
      { ...axis(props.yLabel), size: 50, space: 28, values: axisText },
    ],
    series: [{}, ...props.series.map(seriesOf)],
    hooks: { setCursor: [read], setData: [read] },
  };
}

function seriesOf(series: ChartSeries): uPlot.Series {
  return {
    label: series.name,
    stroke: () => colorOf(series.color),
    width: series.points ? 0 : (series.width ?? 1.5),
    dash: series.dash && [...series.dash],
    spanGaps: true,
    paths: series.points ? () => null : undefined,
    points: series.points
      ? { show: true, size: 8, width: 2, fill: () => colorOf('paper'), stroke: () => colorOf(series.color) }
      : { show: false },
  };
}

function axisText(_: uPlot, values: readonly (number | null)[]): string[] {
  return values.map((value) => (value === null ? '' : shortText(value)));
}

/** A number for an axis or a read-out: at most 6 characters. */
export function shortText(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(0).replace('+', '');
  return String(Number(value.toPrecision(4)));
}

/** From the least to the greatest, with padding unless it is the x axis. */
function rangeOf(log: boolean | undefined, x: boolean): uPlot.Range.Function {
  return (_, low, high) => {
    if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high))
      return log ? [0.01, 1] : [0, 1];
    if (x) return low === high ? (log ? [low / 2, high * 2] : [low, low + 1]) : [low, high];
    if (log) return [10 ** (Math.log10(low) - 0.05), 10 ** (Math.log10(high) + 0.05)];
    const room = (high - low || Math.abs(high) || 1) * 0.05;
    return [low >= 0 && low < (high - low) * 2 ? 0 : low - room, high + room];
  };
}

/** The data without values that cannot be drawn. */
export function drawable({ data, series, logY }: LineChartProps): uPlot.AlignedData {
  const [x, ...ys] = data();
  const clean = series.map((_, i) =>
    (ys[i] ?? []).map((y) => (y === null || !(Math.abs(y) < OFF) || (logY && y <= 0) ? null : y)),
  );
  return [Array.from(x), ...clean];
}
