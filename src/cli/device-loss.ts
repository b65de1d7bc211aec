// A device that is lost is no end: the work begins again on another, from what was saved.
import type { Backend } from '../backend.ts';
import type { DeviceKind } from '../gpu/report.ts';
import { DeviceError } from '../graph/errors.ts';
import type { Call } from './context.ts';
import { withBackend } from './device.ts';

/** Devices lost within this many milliseconds, and how many of them are too many. */
const [WINDOW, MOST] = [60_000, 3];

/** Opens a backend for `work`, and another, after `onLoss`, each time that its device is lost, unless that is too often. */
export async function withBackends<T>(
  call: Call,
  work: (backend: Backend) => Promise<T>,
  onLoss: (reason: string) => Promise<void>,
  usual: DeviceKind = 'auto',
): Promise<T> {
  for (let losses: number[] = []; ; ) {
    const outcome = await withBackend(call, (backend) => orLost(backend, () => work(backend)), usual);
    if ('done' in outcome) return outcome.done;
    const now = performance.now();
    losses = [...losses.filter((at) => at > now - WINDOW), now];
    if (losses.length > MOST || call.signal.aborted) throw outcome.lost;
    await onLoss(outcome.lost.message.replace(/ Create a new backend .*/, ''));
  }
}

/** What `work` gives, or its error where the device was lost meanwhile. */
async function orLost<T>({ executor }: Backend, work: () => Promise<T>): Promise<{ done: T } | { lost: DeviceError }> {
  let lost = false;
  executor.lost.catch(() => {
    lost = true;
  });
  try {
    return { done: await work() };
  } catch (error) {
    if (lost && error instanceof DeviceError) return { lost: error };
    throw error;
  }
}
