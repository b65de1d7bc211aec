// Contour lines over a grid, by marching squares: in each cell, the edges that the level crosses are joined.

/** A grid of heights, row by row. */
export interface Grid {
  readonly values: ArrayLike<number>;
  readonly n: number;
}

type Place = readonly [x: number, y: number];

/** The segments of the line at `level`, in units of cells from the grid's first corner: x along a row, y from row to row. */
export function contour({ values, n }: Grid, level: number): (readonly [Place, Place])[] {
  const segments: (readonly [Place, Place])[] = [];
  for (let row = 0; row + 1 < n; row++) {
    for (let column = 0; column + 1 < n; column++) {
      const crossings = crossingsOf(values, n, row, column, level);
      for (let k = 0; k + 1 < crossings.length; k += 2) segments.push([crossings[k]!, crossings[k + 1]!]);
    }
  }
  return segments;
}

/** The points where the level crosses a cell's edges, in order around it: 0, 2 or 4. */
function crossingsOf(values: ArrayLike<number>, n: number, row: number, column: number, level: number): Place[] {
  const corners: readonly Place[] = [
    [column, row],
    [column + 1, row],
    [column + 1, row + 1],
    [column, row + 1],
  ];
  const heights = corners.map(([x, y]) => values[y * n + x]!);
  if (!heights.every(Number.isFinite)) return [];
  return corners.flatMap((from, k) => {
    const to = corners[(k + 1) % 4]!;
    const [a, b] = [heights[k]!, heights[(k + 1) % 4]!];
    if (a < level === b < level) return [];
    const t = (level - a) / (b - a);
    return [[from[0] + t * (to[0] - from[0]), from[1] + t * (to[1] - from[1])] as const];
  });
}

/** Levels that divide the heights into equal shares, from low to high: the areas between neighbouring lines are equal. */
export function levelsOf({ values }: Grid, count: number): number[] {
  const sorted = Array.from(values)
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  return Array.from({ length: count }, (_, k) => sorted[Math.floor(((k + 0.5) / count) * sorted.length)]!);
}

/** An SVG path of a contour; `x` and `y` place cells in the picture. */
export function pathOf(
  segments: readonly (readonly [Place, Place])[],
  x: (column: number) => number,
  y: (row: number) => number,
): string {
  const at = ([column, row]: Place) => `${x(column).toFixed(1)} ${y(row).toFixed(1)}`;
  return segments.map(([a, b]) => `M${at(a)}L${at(b)}`).join('');
}
