// Work that is asked for faster than it can be done, as a slider does: one piece at a time, and of those that wait the newest.

/** A function that does `work` for what it is called with, leaving out what was overtaken meanwhile. `work` must not throw. */
export function newest<T>(work: (wanted: T) => Promise<void>): (wanted: T) => void {
  let waiting: { readonly wanted: T } | undefined;
  let busy = false;
  const go = async () => {
    busy = true;
    while (waiting) {
      const { wanted } = waiting;
      waiting = undefined;
      await work(wanted);
    }
    busy = false;
  };
  return (wanted) => {
    waiting = { wanted };
    if (!busy) void go();
  };
}
