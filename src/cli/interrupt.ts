// Ctrl-C: the first asks the run to end well, the second ends the process at once.
import { EXIT } from './exit.ts';

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Asks the run to end, as the first Ctrl-C does. */
  stop(): void;
  /** Leaves signals to Node again. */
  release(): void;
}

/** Listens for SIGINT and SIGTERM; `onFirst` is called at the first. */
export function listenForInterrupt(onFirst: () => void): Interrupt {
  const controller = new AbortController();
  const listener = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
    onFirst();
  };
  process.on('SIGINT', listener);
  process.on('SIGTERM', listener);
  return {
    signal: controller.signal,
    stop: () => controller.abort(),
    release() {
      process.off('SIGINT', listener);
      process.off('SIGTERM', listener);
    },
  };
}
