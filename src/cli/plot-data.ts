// The data of a plot: round ticks, a smoothed line, and no more points than pixels.

/** Step and value. Values may be NaN or infinite; steps ascend. */
export type PlotPoint = readonly [step: number, value: number];

/** Round numbers (1, 2 or 5 times a power of ten) within `[min, max]`, about `count` of them. */
export function roundTicks(min: number, max: number, count: number): number[] {
  const step = roundStep(max - min, count);
  const ticks: number[] = [];
  if (!(step > 0) || !Number.isFinite(step)) return [min];
  // As many digits as distinguish neighbours: 0.3, not 0.30000000000000004, yet 149879157129 and not 149879157000.
  const digits = Math.min(17, Math.ceil(Math.log10(Math.max(Math.abs(min), Math.abs(max), step) / step)) + 2);
  for (let i = Math.ceil(min / step - 1e-9); i <= Math.floor(max / step + 1e-9) && ticks.length < 100; i++) {
    ticks.push(Number((i * step).toPrecision(digits)));
  }
  return ticks;
}

/** The step of {@link roundTicks}. */
export function roundStep(span: number, count: number): number {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5].find((f) => f * power >= rough * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** Ticks of a logarithmic axis: 1-2-5 over few decades, powers of ten over many, round numbers within one. */
export function logTicks(min: number, max: number, count: number): number[] {
  const decades = Math.log10(max / min);
  if (decades < 1) return roundTicks(min, max, count).filter((tick) => tick > 0);
  const factors = decades <= 3 ? [1, 2, 5] : [1];
  const stride = Math.max(1, Math.ceil(decades / count));
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++) {
    if (power % stride !== 0) continue;
    for (const factor of factors) {
      const tick = Number(`${factor}e${power}`);
      if (tick >= min * (1 - 1e-9) && tick <= max * (1 + 1e-9)) ticks.push(tick);
    }
  }
  return ticks;
}

/** A tick's label: thousands separated, decimals as few as the neighbours allow, exponents beyond. */
export function tickText(tick: number, step: number): string {
  if (tick === 0) return '0';
  const size = Math.abs(tick);
  if (size >= 1e6 || size < 1e-4) return tick.toExponential(1).replace('.0e', 'e').replace('e+', 'e');
  const digits = Math.min(8, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  const [whole = '', part] = tick.toFixed(digits).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  return part === undefined ? grouped : `${grouped}.${part}`;
}

/**
 * A centred moving average at up to `samples` of the points, geometric for a logarithmic axis. Its window
 * (a twentieth of the points at most) narrows towards the start, so that a steep first fall is not delayed. A non-finite point is kept and
 * left out of the averages.
 */
export function smooth(points: readonly PlotPoint[], samples: number, geometric = false): PlotPoint[] {
  const n = points.length;
  const values = points.map(([, value]) => (geometric ? Math.log(value) : value));
  const half = Math.floor(n / 40);
  const taken = Math.min(n, samples);
  const smoothed: PlotPoint[] = [];
  for (let k = 0; k < taken; k++) {
    const i = taken === 1 ? n - 1 : Math.round((k * (n - 1)) / (taken - 1));
    const left = Math.min(half, i);
    const window = values.slice(i - left, Math.min(i + left, n - 1) + 1).filter(Number.isFinite);
    // Divided before it is summed: values near the largest float must not overflow.
    const mean = window.reduce((sum, value) => sum + value / window.length, 0);
    const [step, value] = points[i]!;
    const gap = !Number.isFinite(values[i]!);
    smoothed.push([step, gap ? (Number.isFinite(value) ? Number.NaN : value) : geometric ? Math.exp(mean) : mean]);
  }
  return smoothed;
}

/** At most four points for each of `columns` equal spans of steps: lowest, highest and, to keep the gaps, a non-finite one. */
export function thin(points: readonly PlotPoint[], columns: number): PlotPoint[] {
  const first = points[0];
  const last = points[points.length - 1];
  if (first === undefined || last === undefined || points.length <= 2 * columns) return [...points];
  const span = last[0] - first[0] || 1;
  const kept: PlotPoint[] = [];
  for (let i = 0; i < points.length; ) {
    const column = Math.floor(((points[i]![0] - first[0]) / span) * columns);
    let low = -1;
    let high = -1;
    let gap = -1;
    for (; i < points.length && Math.floor(((points[i]![0] - first[0]) / span) * columns) === column; i++) {
      const value = points[i]![1];
      if (!Number.isFinite(value)) gap = i;
      else {
        if (low < 0 || value < points[low]![1]) low = i;
        if (high < 0 || value > points[high]![1]) high = i;
      }
    }
    for (const j of [...new Set([low, high, gap])].filter((j) => j >= 0).sort((a, b) => a - b)) kept.push(points[j]!);
  }
  return kept;
}
