// Ctrl-C: the first asks the run to end well, the second ends the process at once. A reader that goes away (`| head`) also asks.
import { EXIT } from './exit.ts';

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Asks the run to end, as the first Ctrl-C does, because nobody reads standard output any more. */
  stop(): void;
  /** Leaves signals to Node again. */
  release(): void;
}

const CLOSED = new DOMException('Standard output was closed.', 'AbortError');

/** Why the run was asked to end, as the beginning of a sentence. */
export function reasonOf(signal: AbortSignal): 'Interrupted' | 'Standard output was closed' {
  return signal.reason === CLOSED ? 'Standard output was closed' : 'Interrupted';
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
    stop: () => controller.abort(CLOSED),
    release() {
      process.off('SIGINT', listener);
      process.off('SIGTERM', listener);
    },
  };
}
