// A lost device does not end a run: the work restarts on another device, from the last save.
import type { Backend } from '../backend.ts';
import type { DeviceKind } from '../gpu/report.ts';
import { DeviceError } from '../graph/errors.ts';
import type { Call } from './context.ts';
import { withBackend } from './device.ts';

/** The limit of device losses: this many within this many milliseconds. */
const [WINDOW, MOST] = [60_000, 3];

/** Opens a backend for `work`, and another, after `onLoss`, whenever its device is lost, up to the limit. */
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

/** The result of `work`, or its error if the device was lost meanwhile. */
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
