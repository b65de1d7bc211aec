// Formatting of numbers.

const GROUPED = new Intl.NumberFormat('en');

/** 13,002 */
export function count(value: number): string {
  return GROUPED.format(value);
}

/** 91.2 %, or a dash for undefined. */
export function percent(share: number | undefined): string {
  return share === undefined || Number.isNaN(share) ? '–' : `${(100 * share).toFixed(1)} %`;
}

/** A loss, with four significant digits. */
export function lossText(value: number | undefined): string {
  if (value === undefined) return '–';
  if (!Number.isFinite(value)) return 'not finite';
  return value !== 0 && (Math.abs(value) >= 1e5 || Math.abs(value) < 1e-4)
    ? value.toExponential(2)
    : value.toPrecision(4);
}

/** A rate per second: a plain number. */
export function rateText(value: number | undefined): string {
  if (value === undefined) return '–';
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
}

/** 850 ms, 12.3 s, 2 min 05 s, 1 h 20 min. */
export function duration(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return '–';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** 52 KB */
export function bytesText(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(bytes < 1e4 ? 1 : 0)} KB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** 784–16–16–10 */
export function widthsText(hidden: readonly number[]): string {
  return [784, ...hidden, 10].join('–');
}
