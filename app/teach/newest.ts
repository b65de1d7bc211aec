// Work requested faster than it can be done, as by a slider: one piece at a time, then the newest waiting one.

/** A function that does `work` for its argument, skipping requests superseded meanwhile. `work` must not throw. */
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
