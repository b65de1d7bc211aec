// A line chart: uPlot for the lines, and around it what a canvas lacks: a name, a summary, a legend with the values under the
// pointer, and the numbers as a table. It draws at most five times a second, and not while the page is hidden.
import { LANGUAGE } from './language.ts';

// uPlot must come after the language.

import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import '../styles/charts.css';
import { timed } from '../page/timing.ts';
import { Legend, NumberTable, showReadings } from './chart-legend.tsx';
import { drawable, type LineChartProps, optionsOf } from './chart-options.ts';
import { onSchemeChange } from './palette.ts';

export type { ChartData, ChartSeries, LineChartProps } from './chart-options.ts';

/** Milliseconds between redraws. */
const PACE = 200;

export function LineChart(props: LineChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const readings = useRef<HTMLUListElement>(null);
  const drawn = useDrawing(props, place, readings);
  useEffect(() => drawn.current?.(), [props.version]);
  return (
    <figure class="chart">
      <div
        class="chart-plot"
        ref={place}
        role="img"
        aria-label={`${props.label}. ${props.summary}`}
        style={{ height: `${props.height}px` }}
      />
      <figcaption>
        <Legend series={props.series} list={readings} />
      </figcaption>
      {props.table && <NumberTable label={props.label} table={props.table} />}
    </figure>
  );
}

/** Keeps a uPlot of this kind of series in `place`; returns a function that requests a redraw. */
function useDrawing(
  props: LineChartProps,
  place: { readonly current: HTMLDivElement | null },
  readings: { readonly current: HTMLUListElement | null },
) {
  const latest = useRef(props);
  latest.current = props;
  const ask = useRef<(() => void) | undefined>(undefined);
  const kind = JSON.stringify([props.series, props.logX, props.logY, props.height, props.xLabel, props.yLabel]);
  useEffect(() => {
    const target = place.current;
    if (!target) return;
    const read = (plot: uPlot) => showReadings(plot, readings.current, LANGUAGE);
    const plot = new uPlot(optionsOf(latest.current, target.clientWidth, read), drawable(latest.current), target);
    let waiting: ReturnType<typeof setTimeout> | undefined;
    let last = performance.now();
    const draw = () => {
      waiting = undefined;
      if (document.hidden) return;
      last = performance.now();
      timed('chart', () => plot.setData(drawable(latest.current)));
    };
    ask.current = () => {
      waiting ??= setTimeout(draw, Math.max(0, last + PACE - performance.now()));
    };
    const sized = new ResizeObserver(() => {
      if (target.clientWidth > 0) plot.setSize({ width: target.clientWidth, height: latest.current.height });
    });
    sized.observe(target);
    const calm = onSchemeChange(() => plot.redraw(false, true));
    const shown = () => ask.current?.();
    document.addEventListener('visibilitychange', shown);
    return () => {
      clearTimeout(waiting);
      sized.disconnect();
      calm();
      document.removeEventListener('visibilitychange', shown);
      plot.destroy();
    };
  }, [kind]);
  return ask;
}
