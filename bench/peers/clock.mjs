// The clock of a block: work is handed over, most of the time it takes is slept, then its result is waited for.

/**
 * Milliseconds of blocks. A pending promise makes Dawn poll, which takes a core from a software adapter: on a device that
 * works by itself (`sleeps`), the host sleeps for nine tenths of the shortest time it knows, and waits then.
 * @param {{ sleeps: boolean }} how
 */
export function blockClock({ sleeps }) {
  /** @type {number[]} milliseconds a step of the last blocks, as far as that is known */
  let known = [];
  let blocks = 0;
  /**
   * @param {number} steps
   * @param {() => Promise<void> | void} hand hands the steps over
   * @param {() => Promise<unknown>} wait waits until they are done
   */
  return async (steps, hand, wait) => {
    const began = performance.now();
    await hand();
    const rest = 0.9 * Math.min(...known) * steps - (performance.now() - began);
    const slept = sleeps && Number.isFinite(rest) && rest >= 1;
    if (slept) await new Promise((resolve) => setTimeout(resolve, rest));
    const asked = performance.now();
    await wait();
    const done = performance.now();
    const ms = done - began;
    // Answered at once: overslept, nobody knows by how much. Without this, a sleep too long would confirm itself.
    const likely = slept && done - asked < 1 ? ms / 2 : ms;
    // The first block has compiled shaders and says nothing.
    if (blocks++ > 0) known = [...known, likely / steps].slice(-3);
    return ms;
  };
}
