// What a few rounds say: medians, spreads, ratios of things that were timed side by side, and where a curve crosses one.

/** The middle of some numbers, and their ends. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @throws RangeError of no numbers at all. */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('spreadOf: there are no values. Time at least one round.');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

/**
 * How many times longer `a` took than `b`: round by round, since whatever disturbed a round disturbed both of its halves. The
 * ends are the lowest and the highest round, so they are the uncertainty of the median.
 */
export function ratioOf(a: readonly number[], b: readonly number[]): Spread {
  if (a.length !== b.length) throw new RangeError(`ratioOf: ${a.length} rounds against ${b.length}. Pair them.`);
  return spreadOf(a.map((value, round) => value / b[round]!));
}

/** Where something is first so many times as fast, over ascending `x`: a batch size, a width. */
export type Crossing =
  /** From the least x on. */
  | { readonly kind: 'always' }
  /** Nowhere; `best` is the point that came nearest. */
  | { readonly kind: 'never'; readonly best: Point }
  /** From `at` on, between the points `from` and `to`, the last one below and the first of those above. */
  | { readonly kind: 'from'; readonly at: number; readonly from: Point; readonly to: Point };

/** An abscissa, and how many times as fast the one is as the other. */
export type Point = readonly [x: number, ratio: number];

/**
 * From which x on the ratio stays above one, as far as was measured: a curve that comes back below one crosses again later.
 * Between two points it is taken to be a power of x, a straight line where both axes are logarithmic.
 */
export function crossingOf(points: readonly Point[]): Crossing {
  if (points.length === 0) throw new RangeError('crossingOf: there are no points. Measure one at least.');
  const below = points.map(([, ratio]) => ratio > 1).lastIndexOf(false);
  if (below < 0) return { kind: 'always' };
  const from = points[below]!;
  const to = points[below + 1];
  if (to === undefined) return { kind: 'never', best: points.reduce((a, b) => (b[1] > a[1] ? b : a)) };
  const share = Math.log(1 / from[1]) / Math.log(to[1] / from[1]);
  return { kind: 'from', at: from[0] * (to[0] / from[0]) ** share, from, to };
}
