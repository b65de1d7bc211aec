// Where the tests' device comes from in Node: Dawn. In the browser gpu-web.ts takes this file's place (see vite.config.ts).
import type { OpenedDevice } from '../src/gpu/adapter.ts';
import { dawnProvider } from '../src/node/dawn.ts';

/**
 * SwiftShader where it runs, so that tests see the same adapter on every such machine; `THALWEG_TEST_ADAPTER` names another
 * (a part of its name, as `--adapter` takes).
 */
export const TEST_ADAPTER =
  process.env['THALWEG_TEST_ADAPTER'] ??
  (process.platform === 'linux' && process.arch === 'x64' ? 'swiftshader' : undefined);

export const IN_BROWSER: boolean = false;

export async function openDevice(): Promise<OpenedDevice> {
  const choice = TEST_ADAPTER === undefined ? undefined : { name: TEST_ADAPTER };
  const { opened, refused } = await dawnProvider().open(choice, { allowSoftware: true });
  if (!opened) throw new Error(`no WebGPU device for the tests: ${refused.join(' ')}`);
  return opened;
}
