// Devices in Node: Dawn, and the CPU.
import { type Backend, type BackendOptions, createBackendWith } from '../backend.ts';
import { attachFastRows } from '../ops/fast-rows.ts';
import { dawnProvider } from './dawn.ts';
import { threadsOf } from './threads.ts';
import { keptTuning } from './tuning.ts';

// As the module is loaded, so that no program's bits depend on when a backend was created.
attachFastRows();

/**
 * The engine to run on: a hardware GPU through Dawn if there is one, else the CPU; a software adapter if requested. It uses the kernels
 * that `thalweg tune` stored for the adapter, unless `deterministic` is true; an unusable table is reported by a process warning. @throws
 * DeviceError if the requested device is missing, with a sentence for each candidate; OptionError.
 */
export function createBackend(options: BackendOptions = {}, ...extra: never[]): Promise<Backend> {
  return openBackend(options, (warning) => process.emitWarning(warning), extra);
}

/** The same with another way to report warnings. */
export function openBackend(
  options: BackendOptions,
  warn: (text: string) => void,
  extra: readonly unknown[] = [],
): Promise<Backend> {
  return createBackendWith(dawnProvider(), options, (report) => keptTuning(report, warn), extra, threadsOf);
}
