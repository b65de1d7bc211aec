// How long the page's own work on the main thread takes, as `performance.measure` entries that a profiler (and a test) can read.

/** Runs `work` and records its duration as `thalweg <name>`. Entries are not stored: only observers see them. */
export function timed<T>(name: string, work: () => T): T {
  const label = `thalweg ${name}`;
  const start = performance.now();
  try {
    return work();
  } finally {
    performance.measure(label, { start, end: performance.now() });
    performance.clearMeasures(label);
  }
}
