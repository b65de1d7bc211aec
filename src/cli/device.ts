// From flags to a backend, and how it is told which one it is.
import type { Backend } from '../backend.ts';
import { DeviceError } from '../graph/errors.ts';
import { createBackend } from '../node/providers.ts';
import type { Settings } from './options.ts';

/** The backend that the flags ask for. @throws DeviceError that says what is missing and what to install. */
export async function openBackend({ device = 'auto', adapter, requireGpu = false }: Settings): Promise<Backend> {
  if (!requireGpu) return createBackend({ device, ...(adapter && { adapter }) });
  const backend = await createBackend({ device: 'gpu', adapter: adapter ?? 'hardware' });
  if (!backend.adapter.software) return backend;
  const { name } = backend.adapter;
  backend.dispose();
  throw new DeviceError(`--require-gpu: ${name}, is no GPU. Install a GPU driver, or leave --require-gpu out.`);
}

/** What was chosen and, in short, why nothing better was: one line. */
export function deviceLine({ line, notes, kind, adapter }: Backend): string {
  const wanting = kind === 'cpu' || adapter.software;
  // A note's advice is for `thalweg info`, which prints it all.
  const why = notes[0]?.split(/(?<=\.) (?=[A-Z])/)[0];
  return wanting && why ? `${line} ${why}` : line;
}

/** The fields that every result names its device by. */
export function deviceFields({ kind, adapter }: Backend) {
  return { backend: kind, adapter: adapter.name, software: adapter.software };
}

/** Opens a backend for `work` and closes it, whatever happens. */
export async function withBackend<T>(settings: Settings, work: (backend: Backend) => Promise<T>): Promise<T> {
  const backend = await openBackend(settings);
  try {
    return await work(backend);
  } finally {
    backend.dispose();
  }
}
