// Ctrl-C, SIGTERM and SIGHUP: the first asks the run to end cleanly, the second ends the process at once. A standard output that can no
// longer be written (`| head`, a full disk) also asks.
import { EXIT } from './exit.ts';

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Asks the run to end, like the first Ctrl-C, because standard output is closed or full. */
  stop(why: 'closed' | 'full'): void;
  /** Restores Node's signal handling. */
  release(): void;
}

const STOPPED = {
  closed: new DOMException('Standard output was closed', 'AbortError'),
  full: new DOMException('Standard output could not be written', 'AbortError'),
} as const;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Why the run was asked to end, as the beginning of a sentence. */
export function reasonOf({ reason }: AbortSignal): string {
  return Object.values(STOPPED).includes(reason) ? reason.message : 'Interrupted';
}

/** Listens for signals; `onFirst` is called at the first. If the verb has nothing to save, the first ends the process. */
export function listenForInterrupt(onFirst: () => void, { saves }: { readonly saves: boolean }): Interrupt {
  const controller = new AbortController();
  const listener = () => {
    if (!saves || controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
    onFirst();
  };
  for (const name of SIGNALS) process.on(name, listener);
  return {
    signal: controller.signal,
    stop: (why) => controller.abort(STOPPED[why]),
    release() {
      for (const name of SIGNALS) process.off(name, listener);
    },
  };
}
