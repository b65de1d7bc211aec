// The GPU that tests run on: one device per test file, opened at first use and closed at its end. Test files that import this
// and nothing of Node's run in a browser too.
import { afterAll } from 'vitest';
import { GpuExecutor } from '../src/compile/executor.ts';
import type { OpenedDevice } from '../src/gpu/adapter.ts';
import type { Capabilities } from '../src/graph/capabilities.ts';
import { openDevice } from './gpu-node.ts';

/** Small tiles of products: software adapters compile those of a GPU's own table for seconds. Those are in gemm.test.ts. */
export const SMALL_TILES: Partial<Capabilities> = {
  tuned: ({ kind }) => (kind === 'product' ? { kernel: 'tiles', BM: 16, BN: 16, BK: 4, TM: 4, TN: 4 } : undefined),
};

let opening: Promise<OpenedDevice> | undefined;

/** The device of this test file. */
export function openTestDevice(): Promise<OpenedDevice> {
  opening ??= openDevice();
  return opening;
}

/** An engine on the device of this test file; `capabilities` makes it choose kernels as another adapter would. */
export async function testExecutor(
  capabilities: Partial<Capabilities> = {},
  options: { readonly fuse?: boolean; readonly persistent?: boolean } = {},
): Promise<GpuExecutor> {
  const executor = new GpuExecutor(await openTestDevice(), capabilities, options);
  executors.push(executor);
  return executor;
}

const executors: GpuExecutor[] = [];

afterAll(async () => {
  if (!opening) return;
  // A validation error that nothing awaited fails the file.
  await Promise.all(executors.map((executor) => executor.runtime.settle()));
  (await opening).close();
});
