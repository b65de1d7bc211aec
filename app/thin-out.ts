// Bounds curves of long runs: beyond a maximum, every second one of the older points is dropped, repeatedly, so that the beginning is kept
// coarsely and the last part whole.

/** The maximum points of a curve, and how many of the last ones are always kept. */
export const [MOST_POINTS, WHOLE_POINTS] = [40_000, 10_000];

/** Thins parallel lists at the same indices; returns whether it did. */
export function thinOut(...lists: readonly number[][]): boolean {
  const length = lists[0]?.length ?? 0;
  if (length <= MOST_POINTS) return false;
  const older = length - WHOLE_POINTS;
  for (const list of lists) {
    let at = 0;
    for (let i = 0; i < length; i++) if (i >= older || i % 2 === 0) list[at++] = list[i]!;
    list.length = at;
  }
  return true;
}
