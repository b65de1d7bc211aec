// From flags to a backend, and the line that reports it.
import type { Backend } from '../backend.ts';
import type { DeviceKind } from '../gpu/report.ts';
import { DeviceError } from '../graph/errors.ts';
import { digestOf, workText } from '../graph/tuning.ts';
import { openBackend as openInNode } from '../node/providers.ts';
import type { Call } from './context.ts';
import type { Settings } from './options.ts';

/** The backend that the flags select. @throws DeviceError that says what is missing and what to install. */
export async function openBackend(
  settings: Settings,
  warn: (text: string) => void,
  usual: DeviceKind = 'auto',
): Promise<Backend> {
  const { device = usual, adapter, requireGpu = false, fuse = true, deterministic = false, persistent } = settings;
  const how = { fuse, deterministic, ...(persistent !== undefined && { persistent }) };
  if (!requireGpu) return inFlags(openInNode({ device, ...how, ...(adapter && { adapter }) }, warn));
  const wanted = { device: 'gpu', adapter: adapter ?? 'hardware', ...how } as const;
  const backend = await inFlags(openInNode(wanted, warn), true);
  if (!backend.adapter.software) return backend;
  const { name } = backend.adapter;
  backend.dispose();
  throw new DeviceError(`--require-gpu: ${name}, is no GPU. Install a GPU driver, or leave --require-gpu out.`);
}

/** The library's errors name its options; here they name flags. */
async function inFlags(opening: Promise<Backend>, requireGpu = false): Promise<Backend> {
  try {
    return await opening;
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    throw new DeviceError(flagText(error.message, requireGpu), { cause: error });
  }
}

/** A sentence of the library about devices, with flags instead of options. */
export function flagText(text: string, requireGpu = false): string {
  const [allow, otherwise] = requireGpu
    ? ['Take it by leaving --require-gpu out', 'leave --require-gpu out']
    : ['Take it with --adapter software', 'use --device cpu'];
  return text
    .replaceAll("Take it with adapter 'software'", allow)
    .replaceAll('Or use device cpu', `Or ${otherwise}`)
    .replaceAll('Use the CPU backend', `${otherwise[0]!.toUpperCase()}${otherwise.slice(1)}`);
}

/** One line: what was chosen and, in short, why nothing better. */
export function deviceLine({ line, notes, kind, adapter }: Backend): string {
  if ((kind === 'gpu' && !adapter.software) || notes.length === 0) return line;
  // `thalweg info` prints the rest of the advice.
  const [why] = notes[0]!.split(/(?<=\.) (?=[A-Z])/);
  const software = notes.find((note) => note.includes("adapter 'software'"))?.split(':')[0];
  const instead = kind === 'cpu' && software ? ` --adapter software takes ${software}, on the same CPU.` : '';
  return `${line} ${flagText(why!)}${instead}`;
}

/** Which tuned kernels a backend may use, for a run's records; null for the defaults only. */
export function tuningFields({ tuning }: Backend) {
  return {
    tuning: tuning ? { file: tuning.source, digest: digestOf(tuning), used: tuning.used.map(workText) } : null,
  };
}

/** The fields that identify the device in every result. */
export function deviceFields({ kind, adapter }: Backend) {
  return { backend: kind, adapter: adapter.name, software: adapter.software };
}

/** Opens a backend for `work` and always closes it; `usual` is the default device. */
export async function withBackend<T>(
  { settings, output }: Pick<Call, 'settings' | 'output'>,
  work: (backend: Backend) => Promise<T>,
  usual: DeviceKind = 'auto',
): Promise<T> {
  const backend = await openBackend(settings, (text) => output.warn(text), usual);
  try {
    return await work(backend);
  } finally {
    backend.dispose();
  }
}
