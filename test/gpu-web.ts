// Where the tests' device comes from in a browser: navigator.gpu, by the library's own provider for pages.
import { browserProvider, type OpenedDevice } from '../src/gpu/adapter.ts';

export const IN_BROWSER: boolean = true;

export async function openDevice(): Promise<OpenedDevice> {
  const { opened, refused } = await browserProvider().open(undefined, { allowSoftware: true });
  if (!opened) throw new Error(`no WebGPU device for the tests: ${refused.join(' ')}`);
  return opened;
}
