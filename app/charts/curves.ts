// Curves of thousands of steps as a few hundred points: smoothed, thinned with peaks preserved, and aligned on one axis.

/** The weight of the previous mean at each step: a memory of about thirty steps. */
const KEEP = 0.97;

interface Smoothed {
  readonly values: number[];
  mean: number;
  weight: number;
}

const known = new WeakMap<readonly number[], Smoothed>();

/** The running mean of `values`; only values added since the last call are computed. */
export function smooth(values: readonly number[]): readonly number[] {
  let state = known.get(values);
  if (!state || state.values.length > values.length) {
    state = { values: [], mean: 0, weight: 0 };
    known.set(values, state);
  }
  for (let i = state.values.length; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isFinite(value)) {
      state.mean = KEEP * state.mean + (1 - KEEP) * value;
      state.weight = KEEP * state.weight + (1 - KEEP);
    }
    state.values.push(state.weight > 0 ? state.mean / state.weight : value);
  }
  return state.values;
}

/** The indices of at most `most` of `values` that preserve the curve's shape: the least and the greatest of each interval. */
export function thin(values: readonly number[], most: number): number[] {
  const n = values.length;
  if (n <= most) return Array.from(values, (_, i) => i);
  const stretches = Math.floor(most / 2);
  const chosen: number[] = [];
  for (let s = 0; s < stretches; s++) {
    const from = Math.floor((s * n) / stretches);
    const to = Math.floor(((s + 1) * n) / stretches);
    let low = from;
    let high = from;
    for (let i = from + 1; i < to; i++) {
      if (values[i]! < values[low]!) low = i;
      if (values[i]! > values[high]!) high = i;
    }
    chosen.push(Math.min(low, high));
    if (low !== high) chosen.push(Math.max(low, high));
  }
  if (chosen.at(-1) !== n - 1) chosen.push(n - 1);
  return chosen;
}

/** A separate line: ascending x, and its y. */
export interface Line {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** Lines on one axis: the x of all of them, ascending, and for each line its y, null where it has none. */
export function align(lines: readonly Line[]): [number[], ...(number | null)[][]] {
  const x = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  const place = new Map(x.map((value, i) => [value, i]));
  const ys = lines.map((line) => {
    const y = new Array<number | null>(x.length).fill(null);
    line.x.forEach((value, i) => {
      y[place.get(value)!] = line.y[i]!;
    });
    return y;
  });
  return [x, ...ys];
}

/** A line thinned to `most` points. */
export function lineOf(x: readonly number[], y: readonly number[], chosen: readonly number[]): Line {
  return { x: chosen.map((i) => x[i]!), y: chosen.map((i) => y[i]!) };
}
