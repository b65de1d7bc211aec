// The surroundings of a line chart: the legend with the values under the pointer, and the numbers as a table.
import { useState } from 'preact/hooks';
import type uPlot from 'uplot';
import { type ChartSeries, type LineChartProps, shortText } from './chart-options.ts';

interface LegendProps {
  readonly series: readonly ChartSeries[];
  readonly list: { current: HTMLUListElement | null };
}

/** The name of each line, and its value under the pointer. */
export function Legend({ series, list }: LegendProps) {
  return (
    <ul class="chart-legend" ref={list}>
      {series.map((one) => (
        <li key={one.name}>
          <svg
            class="chart-key"
            viewBox="0 0 24 10"
            aria-hidden="true"
            style={{ color: `var(--${one.color}, ${one.color})` }}
          >
            {one.points ? (
              <circle cx="12" cy="5" r="3.5" class="chart-key-point" />
            ) : (
              <line
                x1="0"
                x2="24"
                y1="5"
                y2="5"
                stroke-width={(one.width ?? 1.5) + 0.5}
                stroke-dasharray={one.dash?.join(' ')}
              />
            )}
          </svg>
          {one.name} <b class="chart-reading" aria-hidden="true" />
        </li>
      ))}
      <li class="chart-at" aria-hidden="true" />
    </ul>
  );
}

/** Writes the values nearest to the pointer into the legend, or clears them without a pointer. */
export function showReadings(plot: uPlot, list: HTMLUListElement | null, language: string): void {
  if (!list) return;
  const { idx, left } = plot.cursor;
  const at = left !== undefined && left >= 0 && typeof idx === 'number' ? idx : undefined;
  list.querySelectorAll('.chart-reading').forEach((place, i) => {
    place.textContent = at === undefined ? '' : near(plot.data[i + 1] as (number | null)[] | undefined, at);
  });
  const x = at === undefined ? undefined : plot.data[0][at];
  const where = list.querySelector('.chart-at');
  if (where)
    where.textContent = x === undefined ? '' : `at ${x.toLocaleString(language, { maximumSignificantDigits: 6 })}`;
}

/** The value at an index, or its nearest neighbour with a value. */
function near(values: (number | null)[] | undefined, at: number): string {
  for (let off = 0; values && off < 40; off++) {
    const value = values[at - off] ?? values[at + off];
    if (typeof value === 'number') return shortText(value);
  }
  return '';
}

type Table = NonNullable<LineChartProps['table']>;

export function NumberTable({ label, table }: { readonly label: string; readonly table: Table }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="details" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Numbers as a table</summary>
      {open && <TableBody label={label} table={table} />}
    </details>
  );
}

function TableBody({ label, table }: { readonly label: string; readonly table: Table }) {
  const { head, rows } = table();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reached by keyboard.
    <section class="chart-table" tabIndex={0} aria-label={`${label}: numbers`}>
      <table>
        <thead>
          <tr>
            {head.map((text) => (
              <th key={text} scope="col">
                {text}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row[0]}>
              {row.map((text, i) => (
                <td key={head[i]}>{text}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
