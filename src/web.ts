// Devices where there is no Node: navigator.gpu, and the CPU.
import { type Backend, type BackendOptions, createBackendWith } from './backend.ts';
import { browserProvider } from './gpu/adapter.ts';

/**
 * The engine to run on: the browser's GPU, or the CPU. In Node it offers only the CPU; `thalweg/node` adds Dawn. @throws DeviceError if the
 * requested device is missing, with a sentence for each candidate; OptionError.
 */
export function createBackend(options: BackendOptions = {}, ...extra: never[]): Promise<Backend> {
  return createBackendWith(browserProvider(), options, undefined, extra);
}
