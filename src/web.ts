// What the package is where there is no Node: devices from navigator.gpu, and the data sets that need no file system.
import { type Backend, type BackendOptions, createBackendWith } from './backend.ts';
import { arrayDataset, split } from './data/dataset.ts';
import { digits } from './data/digits.ts';
import { mnist } from './data/mnist-web.ts';
import { browserProvider } from './gpu/adapter.ts';

/**
 * The engine to run on: the browser's GPU, or the CPU. In Node it offers the CPU alone; `thalweg/node` brings Dawn.
 * @throws DeviceError where what was asked for is missing, with a sentence for each thing that was tried; OptionError.
 */
export function createBackend(options: BackendOptions = {}, ...extra: never[]): Promise<Backend> {
  return createBackendWith(browserProvider(), options, undefined, extra);
}

/** Data sets: `digits` needs no network; `mnist` is fetched once and kept by the browser. */
export const datasets = { mnist, digits, array: arrayDataset, split } as const;
