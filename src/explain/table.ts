// Text tables and figures in monospace: pure functions of data to text.

/** A column of {@link table}: its heading and alignment. */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Rows under headings, columns two spaces apart, with rules; rows of `footer` are under a second rule. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  footer: readonly (readonly string[])[] = [],
): string {
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...[...rows, ...footer].map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, i) =>
        align === 'right' ? (cells[i] ?? '').padStart(widths[i] ?? 0) : (cells[i] ?? '').padEnd(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const rule = '─'.repeat(widths.reduce((sum, w) => sum + w + 2, -2));
  const lines = [line(columns.map(({ title }) => title)), rule, ...rows.map(line)];
  if (footer.length > 0) lines.push(rule, ...footer.map(line));
  return lines.join('\n');
}

/** `12,560` */
export function formatInteger(value: number): string {
  return `${value}`.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** `820 B`, `50.8 KiB`, `1.2 GiB` */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = bytes;
  let unit = 0;
  while (size >= 1023.95 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}
