// Text tables for the terminal: the layers of a model, a confusion matrix, a gradient check. Pure functions of data to text.

import { type Column, formatBytes, formatInteger, table } from '../explain/table.ts';

export { type Column, formatBytes, formatInteger, table };

/** One layer in {@link summaryTable}. A batch axis of any size may be given as a letter: `['B', 16]`. */
export interface LayerRow {
  readonly layer: string;
  readonly outputShape: readonly (number | string)[];
  readonly parameters: number;
  /** Operations of its forward for one example. */
  readonly flops: number;
}

/**
 * Layer, output shape, parameters, operations; then the totals, that of the parameters term by term, and the bytes. `flops` counts what
 * forward computes between the layers too.
 */
export function summaryTable(
  layers: readonly LayerRow[],
  { bytes, flops }: { readonly bytes: number; readonly flops: number },
): string {
  const terms = layers.map(({ parameters }) => parameters).filter((n) => n > 0);
  const total = terms.reduce((a, b) => a + b, 0);
  const rows = layers.map(({ layer, outputShape, parameters, flops }) => [
    layer,
    `[${outputShape.join(', ')}]`,
    formatInteger(parameters),
    formatInteger(flops),
  ]);
  const columns: Column[] = [
    { title: 'Layer' },
    { title: 'Output shape' },
    { title: 'Parameters', align: 'right' },
    { title: 'FLOP', align: 'right' },
  ];
  const sum = terms.length > 1 ? `${terms.map(formatInteger).join(' + ')} = ` : '';
  const text = table(columns, rows, [['Total', '', formatInteger(total), formatInteger(flops)]]);
  return `${text}\n${sum}${formatInteger(total)} parameters, ${formatBytes(bytes)}; FLOP of one example's forward, a multiply-add as two`;
}

/**
 * A confusion matrix: a row for each actual class, a column for each predicted one, and the row's fraction of correct predictions.
 * `counts[actual][predicted]`.
 */
export function confusionTable(
  counts: readonly (readonly number[])[],
  labels: readonly string[] = counts.map((_, i) => `${i}`),
): string {
  const columns: Column[] = [{ title: 'actual', align: 'right' }];
  for (const label of labels) columns.push({ title: label, align: 'right' });
  columns.push({ title: 'right', align: 'right' });
  let right = 0;
  let all = 0;
  const rows = counts.map((row, actual) => {
    const total = row.reduce((a, b) => a + b, 0);
    right += row[actual] ?? 0;
    all += total;
    return [
      labels[actual] ?? `${actual}`,
      ...row.map((n) => (n === 0 ? '·' : formatInteger(n))),
      percent(row[actual] ?? 0, total),
    ];
  });
  const footer = ['all', ...labels.map(() => ''), percent(right, all)];
  return `Confusion matrix (rows: actual, columns: predicted)\n${table(columns, rows, [footer])}`;
}

/** The most classes of a table; of more, the pairs that are confused most are listed. */
const MOST_CLASSES = 20;
/** How many pairs. */
const PAIRS = 20;

/** What is predicted for what: a table, or of many classes the worst pairs. */
export function confusionText(
  counts: readonly (readonly number[])[],
  labels: readonly string[] = counts.map((_, i) => `${i}`),
): string {
  if (counts.length <= MOST_CLASSES) return confusionTable(counts, labels);
  const pairs = counts.flatMap((row, actual) => {
    const total = row.reduce((a, b) => a + b, 0);
    return row.map((count, predicted) => ({ actual, predicted, count, total }));
  });
  const wrong = pairs.filter(({ actual, predicted, count }) => actual !== predicted && count > 0);
  const worst = wrong.sort((a, b) => b.count - a.count || b.count / b.total - a.count / a.total).slice(0, PAIRS);
  if (worst.length === 0) return `No example of the ${counts.length} classes is taken for another class.`;
  const columns: Column[] = [
    { title: 'actual' },
    { title: 'predicted' },
    { title: 'examples', align: 'right' },
    { title: 'of actual', align: 'right' },
  ];
  const rows = worst.map(({ actual, predicted, count, total }) => [
    labels[actual]!,
    labels[predicted]!,
    formatInteger(count),
    percent(count, total),
  ]);
  const which = wrong.length > PAIRS ? `the worst ${PAIRS} of ${formatInteger(wrong.length)} pairs` : 'every pair';
  return `What is confused among the ${counts.length} classes: ${which}\n${table(columns, rows)}`;
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)}%`;
}

/** The errors of one parameter's gradient, relative, as norms. */
export interface GradcheckRow {
  readonly name: string;
  readonly shape: readonly number[];
  /** CPU in doubles against finite differences. */
  readonly finiteDifference?: number;
  /** The device against the CPU; absent if there is only the CPU. */
  readonly device?: number;
}

/** The largest errors allowed. */
export interface GradcheckLimits {
  readonly finiteDifference: number;
  readonly device: number;
}

/** Whether every error of the row is within the limits. NaN is not, nor is a row that checked nothing. */
export function gradcheckPasses(row: GradcheckRow, limits: GradcheckLimits): boolean {
  if (row.finiteDifference === undefined && row.device === undefined) return false;
  const within = (error: number | undefined, limit: number) => error === undefined || error <= limit;
  return within(row.finiteDifference, limits.finiteDifference) && within(row.device, limits.device);
}

/** A row for each parameter, worst first, the limits below, and a verdict for each. `deviceName`: `GPU`, `software GPU`. */
export function gradcheckTable(rows: readonly GradcheckRow[], limits: GradcheckLimits, deviceName = 'GPU'): string {
  const columns: Column[] = [
    { title: 'Parameter' },
    { title: 'Shape' },
    { title: 'CPU vs finite differences', align: 'right' },
    { title: `${deviceName} vs CPU`, align: 'right' },
    { title: '' },
  ];
  const error = (value: number | undefined) => (value === undefined ? '-' : value.toExponential(2));
  const excess = (row: GradcheckRow) => {
    const worst = Math.max((row.finiteDifference ?? 0) / limits.finiteDifference, (row.device ?? 0) / limits.device);
    return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
  };
  const sorted = [...rows].sort((a, b) => Math.sign(excess(b) - excess(a)) || 0);
  const body = sorted.map((row) => [
    row.name,
    `[${row.shape.join(', ')}]`,
    error(row.finiteDifference),
    error(row.device),
    gradcheckPasses(row, limits) ? 'ok' : 'FAILED',
  ]);
  const allowed = ['allowed', '', error(limits.finiteDifference), error(limits.device), ''];
  return table(columns, body, [allowed]);
}
