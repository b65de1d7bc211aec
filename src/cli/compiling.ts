// Compilation progress: software adapters take seconds per kernel.
import type { Backend } from '../backend.ts';
import type { Output } from './output.ts';

/** Milliseconds of compiling before it is shown. */
const QUIET_MS = 2000;
const EVERY_MS = 250;

/** Shows the number of compiled kernels until the returned function is called. */
export function showCompiling({ executor }: Backend, { progress }: Pick<Output, 'progress'>): () => void {
  const { pipelines, compiled } = executor.counters;
  const started = performance.now();
  const timer = setInterval(() => {
    const ms = performance.now() - started;
    const [wanted, done] = [executor.counters.pipelines - pipelines, executor.counters.compiled - compiled];
    if (ms >= QUIET_MS && done < wanted)
      progress.status(`compiling the kernels: ${done} of ${wanted} after ${Math.round(ms / 1000)} s`);
  }, EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
