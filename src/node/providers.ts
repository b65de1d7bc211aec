// Devices in Node: Dawn, and the CPU.
import { type Backend, type BackendOptions, createBackendWith } from '../backend.ts';
import { dawnProvider } from './dawn.ts';
import { keptTuning } from './tuning.ts';

/**
 * The engine to run on: a GPU through Dawn where there is one, else the CPU; a software adapter where it is asked for. It uses what `thalweg tune` kept
 * for the adapter, unless `deterministic` is true; a table that cannot be used is told by a warning of the process.
 * @throws DeviceError where what was asked for is missing, with a sentence for each thing that was tried; OptionError.
 */
export function createBackend(options: BackendOptions = {}, ...extra: never[]): Promise<Backend> {
  return openBackend(options, (warning) => process.emitWarning(warning), extra);
}

/** The same with warnings told otherwise. */
export function openBackend(
  options: BackendOptions,
  warn: (text: string) => void,
  extra: readonly unknown[] = [],
): Promise<Backend> {
  return createBackendWith(dawnProvider(), options, (report) => keptTuning(report, warn), extra);
}
