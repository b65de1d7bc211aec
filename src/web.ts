// Devices where there is no Node: navigator.gpu, and the CPU.
import { type Backend, type BackendOptions, createBackendWith } from './backend.ts';
import { browserProvider } from './gpu/adapter.ts';

/**
 * The engine to run on: the browser's GPU, or the CPU. In Node it offers the CPU alone; `thalweg/node` brings Dawn.
 * @throws DeviceError where what was asked for is missing, with a sentence for each thing that was tried; OptionError.
 */
export function createBackend(options: BackendOptions = {}, ...extra: never[]): Promise<Backend> {
  return createBackendWith(browserProvider(), options, undefined, extra);
}
