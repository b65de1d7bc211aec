// The GPU that tests run on: one device per test file, opened at first use and closed at its end.
import { afterAll } from 'vitest';
import { GpuExecutor } from '../src/compile/gpu-executor.ts';
import type { OpenedDevice } from '../src/gpu/adapter.ts';
import type { Capabilities } from '../src/graph/op.ts';
import { dawnProvider } from '../src/node/dawn.ts';

let opening: Promise<OpenedDevice> | undefined;

/** The device of this test file. */
export function openTestDevice(): Promise<OpenedDevice> {
  opening ??= open();
  return opening;
}

/** An engine on the device of this test file; `capabilities` makes it choose kernels as another adapter would. */
export async function testExecutor(capabilities: Partial<Capabilities> = {}): Promise<GpuExecutor> {
  const executor = new GpuExecutor(await openTestDevice(), capabilities);
  executors.push(executor);
  return executor;
}

const executors: GpuExecutor[] = [];

/**
 * SwiftShader where it runs, so that tests see the same adapter on every such machine; `THALWEG_TEST_ADAPTER` names another
 * (a part of its name, as `--adapter` takes).
 */
export const TEST_ADAPTER =
  process.env['THALWEG_TEST_ADAPTER'] ??
  (process.platform === 'linux' && process.arch === 'x64' ? 'swiftshader' : undefined);

async function open(): Promise<OpenedDevice> {
  const { opened, refused } = await dawnProvider().open(
    TEST_ADAPTER === undefined ? undefined : { name: TEST_ADAPTER },
    {
      allowSoftware: true,
    },
  );
  if (!opened) throw new Error(`no WebGPU device for the tests: ${refused.join(' ')}`);
  return opened;
}

afterAll(async () => {
  if (!opening) return;
  // A validation error that nothing awaited fails the file.
  await Promise.all(executors.map((executor) => executor.runtime.settle()));
  (await opening).close();
});
