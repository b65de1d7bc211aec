// Findings for people: a table a suite, as text or as Markdown, with what was left out and what follows below it.
import { formatMs } from '../src/cli/progress.ts';
import { type Column, formatInteger, table } from '../src/cli/table.ts';
import {
  type Crossover,
  type Figure,
  type Finding,
  type Refused,
  type Share,
  type Skipped,
  type Speedup,
  UNITS,
} from './findings.ts';

/** How tables are written. */
export type Format = 'text' | 'markdown';

/** `0.0123`, `1.23`, `12.3`, `1,235`: three figures, more where they stand before the point. */
export function formatFigure(value: number): string {
  const size = Math.abs(value);
  if (size >= 999.5) return formatInteger(Math.round(value));
  return size >= 99.95 ? value.toFixed(0) : value.toPrecision(3);
}

/** `GPU`, `software GPU`, `CPU`: what a processor does is never called a GPU's. */
export function deviceWord({
  backend,
  software,
}: {
  readonly backend: 'gpu' | 'cpu';
  readonly software: boolean;
}): string {
  if (backend === 'cpu') return 'CPU';
  return software ? 'software GPU' : 'GPU';
}

/** What a suite found, under a heading that names every adapter. */
export function suiteReport(suite: string, findings: readonly Finding[], format: Format = 'text'): string {
  const figures = findings.filter((f) => f.type === 'figure');
  const speedups = findings.filter((f) => f.type === 'speedup');
  const parts = [heading(suite, findings, format)];
  if (figures.length > 0) parts.push(figureTable(figures, format));
  if (speedups.length > 0) parts.push(speedupTable(speedups, format));
  const shares = findings.filter((f) => f.type === 'share');
  if (shares.length > 0) parts.push(shareTable(shares, format));
  const notes = findings.flatMap((f) => noteOf(f) ?? []);
  if (notes.length > 0) parts.push(notes.map((note) => (format === 'text' ? note : `- ${note}`)).join('\n'));
  return parts.join('\n\n');
}

function heading(suite: string, findings: readonly Finding[], format: Format): string {
  const adapters = [...new Set(findings.map(({ adapter }) => adapter))].join(' and ');
  const text = `${suite}${adapters === '' ? ': nothing was measured' : `, on ${adapters}`}`;
  return format === 'text' ? text : `### ${text}`;
}

const COLUMNS: readonly Column[] = [
  { title: 'case' },
  { title: 'on' },
  { title: 'median', align: 'right' },
  { title: 'min', align: 'right' },
  { title: 'max', align: 'right' },
  { title: 'unit' },
  { title: 'of ceiling', align: 'right' },
  { title: 'bound by' },
  { title: 'one takes', align: 'right' },
  { title: 'dispatches', align: 'right' },
  { title: 'examples/s', align: 'right' },
];

function figureTable(figures: readonly Figure[], format: Format): string {
  const rows = figures.map((f) => [
    f.name,
    deviceWord(f),
    ...[f.median, f.min, f.max].map(formatFigure),
    f.unit,
    f.ofCeiling === null ? '' : shareText(f.ofCeiling),
    f.bound ?? '',
    UNITS[f.unit] === 'lower' ? '' : formatMs(f.ms),
    f.dispatches === undefined || f.backend === 'cpu' ? '' : `${f.dispatches}`,
    f.examplesPerSecond === undefined ? '' : formatInteger(Math.round(f.examplesPerSecond)),
  ]);
  // Columns without a word say nothing.
  const used = COLUMNS.map((_, k) => rows.some((row) => row[k] !== ''));
  const keep = <T>(list: readonly T[]) => list.filter((_, k) => used[k]);
  return tableOf(keep(COLUMNS), rows.map(keep), format);
}

/** `0.12%`, `9.9%`, `57%` */
export function shareText(share: number): string {
  return share < 0.0995 ? `${(100 * share).toPrecision(2)}%` : `${Math.round(100 * share)}%`;
}

/** Widths down, batch sizes across. */
function speedupTable(speedups: readonly Speedup[], format: Format): string {
  const axis = (key: 'batch' | 'width') => [...new Set(speedups.map((s) => s[key]))].sort((a, b) => a - b);
  const batches = axis('batch');
  const columns = ['width', ...batches.map((batch) => `batch ${batch}`)].map(
    (title): Column => ({ title, align: 'right' }),
  );
  const rows = axis('width').map((width) => [
    `${width}`,
    ...batches.map((batch) => {
      const found = speedups.find((s) => s.width === width && s.batch === batch);
      return found ? `${formatFigure(found.median)}x (${formatFigure(found.min)}-${formatFigure(found.max)})` : '-';
    }),
  ]);
  const caption = `How many times as fast as the CPU backend the ${deviceWord(speedups[0]!)} (${speedups[0]!.adapter}) makes a step: median (lowest-highest round)`;
  return `${caption}\n\n${tableOf(columns, rows, format)}`;
}

function shareTable(shares: readonly Share[], format: Format): string {
  const { of, gflops } = shares[0]!;
  const columns: Column[] = [{ title: 'case' }, { title: 'of the fastest product', align: 'right' }];
  const rows = shares.map(({ name, share }) => [name, shareText(share)]);
  return `Shares of the fastest product, ${of} at ${formatFigure(gflops)} GFLOP/s\n\n${tableOf(columns, rows, format)}`;
}

function noteOf(finding: Finding): string | undefined {
  switch (finding.type) {
    case 'skipped':
      return skippedText(finding);
    case 'refused':
      return refusedText(finding);
    case 'crossover':
      return crossoverText(finding);
    default:
      return undefined;
  }
}

export function skippedText(skipped: Skipped): string {
  return `skipped: ${skipped.name} on ${deviceWord(skipped)}: ${skipped.reason.replace(/\.$/, '')}.`;
}

export function refusedText({ name, adapter, reason }: Refused): string {
  return `WRONG: ${name} on ${adapter}: ${reason}`;
}

/** From where on the GPU is the faster one, or that it is nowhere, or everywhere. */
export function crossoverText(found: Crossover): string {
  return `${crossingText(found)}${found.settled ? '' : ' The rounds do not all agree.'}`;
}

function crossingText(found: Crossover): string {
  const { along, fixed, range, crossing } = found;
  const device = deviceWord(found);
  const at = along === 'batch' ? `width ${fixed}` : `batch ${fixed}`;
  const [what, from] = along === 'batch' ? ['batch sizes', 'a batch of'] : ['widths', 'a width of'];
  const span = range[0] === range[1] ? `${what} ${range[0]}` : `${what} ${range[0]} to ${range[1]}`;
  if (crossing.kind === 'always') return `${at}: no crossover; the ${device} is faster at all of the ${span}.`;
  if (crossing.kind === 'never') {
    const [x, ratio] = crossing.best;
    const best = `the ${device} reaches ${formatFigure(ratio)}x at ${x}`;
    if (ratio > 1) return `${at}: no crossover that lasts over ${span}; ${best}, and less than 1x beyond.`;
    return `${at}: no crossover; the CPU backend is not slower at any of the ${span}; ${best}.`;
  }
  const [[x0, r0], [x1, r1]] = [crossing.from, crossing.to];
  const between = `${formatFigure(r0)}x at ${x0}, ${formatFigure(r1)}x at ${x1}`;
  return `${at}: crossover; the ${device} is faster from ${from} about ${Math.round(crossing.at)} on (${between}).`;
}

/** A table of text or of Markdown. */
export function tableOf(columns: readonly Column[], rows: readonly (readonly string[])[], format: Format): string {
  if (format === 'text') return table(columns, rows);
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = columns.map(({ align }) => (align === 'right' ? '---:' : '---'));
  return [line(columns.map(({ title }) => title)), line(rule), ...rows.map(line)].join('\n');
}
