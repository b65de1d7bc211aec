// GPU times: of each dispatch, from timestamp queries, in a separate pass so that nothing overlaps; and of a
// whole pass, by the host's clock where there are no timestamp queries.
import { type GpuRuntime, USAGE } from './runtime.ts';

/** What can be encoded into a pass. */
export interface Encoded {
  readonly label: string;
  encode(pass: GPUComputePassEncoder): void;
}

/** The clock of a measurement: the device's, or the host's from submit to completion. */
export type Clock = 'timestamp queries' | 'wall clock';

/** How long something took, by which clock. */
export interface Timing {
  readonly ms: number;
  readonly clock: Clock;
  /** The waiting host slept too long, so its clock gives an upper bound. */
  readonly overslept?: boolean;
}

/** The clock that {@link timePass} uses on this device. */
export function clockOf({ opened }: GpuRuntime): Clock {
  return opened.report.features.includes('timestamp-query') ? 'timestamp queries' : 'wall clock';
}

/**
 * The time of each dispatch: medians over `rounds` runs of all of them in order. Without timestamp queries each is submitted alone and
 * waited for, so its time includes the cost of a submit.
 */
export async function timeDispatches(
  runtime: GpuRuntime,
  dispatches: readonly Encoded[],
  rounds: number,
): Promise<{ readonly clock: Clock; readonly microseconds: readonly number[] }> {
  const clock = clockOf(runtime);
  const once = clock === 'timestamp queries' ? timestampEach : submitEach;
  let last = await once(runtime, dispatches); // warm-up
  const runs: number[][] = [];
  for (let round = 0; round < rounds; round++) {
    last = await once(runtime, dispatches, last);
    runs.push(last);
  }
  const microseconds = dispatches.map((_, n) => {
    const times = runs.map((run) => run[n]!).sort((a, b) => a - b);
    return times[times.length >> 1]!;
  });
  return { clock, microseconds };
}

/** Microseconds of each dispatch by the device's clock. */
async function timestampEach(runtime: GpuRuntime, dispatches: readonly Encoded[]): Promise<number[]> {
  const { read } = submitStamped(runtime, 'profile', dispatches);
  const times = await read();
  return dispatches.map((_, n) => Number(times[2 * n + 1]! - times[2 * n]!) / 1000);
}

/** Submits passes with a timestamp before and after each; `read` waits for them and returns nanoseconds. */
function submitStamped(
  runtime: GpuRuntime,
  label: string,
  passes: readonly Encoded[],
): { readonly since: number; read(): Promise<BigUint64Array> } {
  const count = 2 * passes.length;
  const querySet = runtime.device.createQuerySet({ label, type: 'timestamp', count });
  const resolved = runtime.buffer(label, count * 8, USAGE.QUERY_RESOLVE | USAGE.COPY_SRC);
  const staging = runtime.staging(count * 8);
  const free = () => {
    querySet.destroy();
    runtime.destroy(resolved);
  };
  let since = 0;
  const record = (encoder: GPUCommandEncoder) => {
    for (const [n, dispatch] of passes.entries()) {
      const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * n, endOfPassWriteIndex: 2 * n + 1 };
      recordPass(encoder, dispatch, { timestampWrites });
    }
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, count * 8);
    since = performance.now();
  };
  try {
    runtime.submit(label, record);
  } catch (error) {
    free();
    runtime.destroy(staging);
    throw error;
  }
  const read = () => runtime.readBack(staging, count * 8).finally(free);
  return { since, read: async () => new BigUint64Array(await read()) };
}

function recordPass(
  encoder: GPUCommandEncoder,
  { label, encode }: Encoded,
  more: Omit<GPUComputePassDescriptor, 'label'> = {},
): void {
  const pass = encoder.beginComputePass({ label, ...more });
  encode(pass);
  pass.end();
}

/** Microseconds of each dispatch by the host's clock, from submit to completion. */
async function submitEach(
  runtime: GpuRuntime,
  dispatches: readonly Encoded[],
  last: readonly number[] = [],
): Promise<number[]> {
  const times: number[] = [];
  for (const [n, dispatch] of dispatches.entries()) {
    const expected = (last[n] ?? 0) / 2 / 1000; // half, so as not to sleep through its end
    times.push(1000 * (await timePass(runtime, dispatch, expected)).ms);
  }
  return times;
}

/** The share of the expected time to sleep before polling the device, which takes a whole core. */
const SLEEP_SHARE = 0.9;
/** A completion reported within this many milliseconds had happened before the first poll. */
const READY_MS = 0.5;

/**
 * Waits for `done`, asleep for most of the `expected` milliseconds.
 * On a software adapter, a polling host would take processor time from the kernels.
 */
export async function waitFor(done: () => Promise<unknown>, expected: number, since: number): Promise<Timing> {
  const ms = expected * SLEEP_SHARE - (performance.now() - since);
  if (ms >= 1) await new Promise((resolve) => setTimeout(resolve, ms));
  const asked = performance.now();
  await done();
  const end = performance.now();
  return { ms: end - since, clock: 'wall clock', overslept: ms >= 1 && end - asked < READY_MS };
}

/** Submits one pass and measures the device's time for it; `expected`: its approximate milliseconds. */
export async function timePass(runtime: GpuRuntime, dispatch: Encoded, expected = 0): Promise<Timing> {
  const { label } = dispatch;
  if (clockOf(runtime) === 'wall clock') {
    let since = 0;
    runtime.submit(label, (encoder) => {
      recordPass(encoder, dispatch);
      since = performance.now();
    });
    return waitFor(() => runtime.done(), expected, since);
  }
  const { since, read } = submitStamped(runtime, label, [dispatch]);
  let times: BigUint64Array = new BigUint64Array();
  await waitFor(
    async () => {
      times = await read();
    },
    expected,
    since,
  );
  return { ms: Number(times[1]! - times[0]!) / 1e6, clock: 'timestamp queries' };
}

/** Milliseconds the host takes to record commands into a pass; nothing is submitted. */
export function timeRecording({ device }: GpuRuntime, { label, encode }: Encoded): number {
  const pass = device.createCommandEncoder({ label }).beginComputePass({ label });
  const since = performance.now();
  encode(pass);
  const ms = performance.now() - since;
  pass.end();
  return ms;
}

/** Milliseconds the host takes for `times` submits of a pass each, encoder and all; returns when the device is done. */
export async function timeSubmits(runtime: GpuRuntime, dispatch: Encoded, times: number): Promise<number> {
  const since = performance.now();
  for (let k = 0; k < times; k++) runtime.submit(dispatch.label, (encoder) => recordPass(encoder, dispatch));
  const ms = performance.now() - since;
  await runtime.done();
  return ms;
}
