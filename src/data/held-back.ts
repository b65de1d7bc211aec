// The part of a training set that is held out for testing if its source has no test set: a tenth, chosen by a shuffle with a fixed seed.

/** The fraction of a training set held out for testing if there is no test set. */
export const HELD_BACK = 0.1;
/** The seed of the shuffle. */
export const HELD_BACK_SEED = 0;

/** Says so, after a description of the source without its full stop. */
export function heldBackText(source: string, held: number, of: number): string {
  const count = (n: number) => n.toLocaleString('en-US');
  return `${source}, which holds no test set: ${count(held)} of its ${count(of)} examples, chosen at random with seed ${HELD_BACK_SEED}, are held out for testing.`;
}
