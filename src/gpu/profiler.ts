// GPU time of each dispatch, from timestamp queries: a pass of its own for each, so that nothing overlaps.
import { DeviceError } from '../graph/errors.ts';
import type { GpuRuntime } from './runtime.ts';

/** A dispatch that can be encoded into a pass. */
export interface Timed {
  readonly label: string;
  encode(pass: GPUComputePassEncoder): void;
}

/** Microseconds that each dispatch took, in order, over one run of all of them. @throws DeviceError without timestamps. */
export async function timeDispatches(runtime: GpuRuntime, dispatches: readonly Timed[]): Promise<number[]> {
  const { device } = runtime;
  if (!device.features.has('timestamp-query')) {
    throw new DeviceError(
      `GPU ${runtime.opened.report.name}: it has no timestamp queries, so dispatches cannot be timed.`,
    );
  }
  const count = dispatches.length * 2;
  const querySet = device.createQuerySet({ label: 'profile', type: 'timestamp', count });
  const resolved = device.createBuffer({ label: 'profile', size: count * 8, usage: 512 | 4 }); // QUERY_RESOLVE | COPY_SRC
  const staging = runtime.staging(count * 8);
  const encoder = device.createCommandEncoder({ label: 'profile' });
  for (const [n, dispatch] of dispatches.entries()) {
    const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * n, endOfPassWriteIndex: 2 * n + 1 };
    const pass = encoder.beginComputePass({ label: dispatch.label, timestampWrites });
    dispatch.encode(pass);
    pass.end();
  }
  encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, staging, 0, count * 8);
  runtime.submit(encoder);
  const times = new BigUint64Array(await runtime.readBack(staging, count * 8));
  querySet.destroy();
  resolved.destroy();
  return dispatches.map((_, n) => Number(times[2 * n + 1]! - times[2 * n]!) / 1000);
}
