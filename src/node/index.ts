// Thalweg for Node: all of `thalweg`, with devices from Dawn and data sets from files, and with every op's method on tensors, since nothing
// is bundled.
import '../ops/index.ts';

export * from '../index.ts';
export type { CifarFolderOptions, CifarOptions } from './cifar.ts';
export * as datasets from './datasets.ts';
export type { MnistOptions } from './mnist.ts';
export { createBackend } from './providers.ts';
