// The files of a run, and safe reads of an earlier run's files.
import { constants } from 'node:buffer';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readText, withFile } from '../node/read-file.ts';
import { headerEnd, readHeader } from '../train/safetensors.ts';

/** The files of a run. */
export const FILES = {
  config: 'config.json',
  metrics: 'metrics.jsonl',
  checkpoint: 'checkpoint.safetensors',
  weights: 'weights.safetensors',
  loss: 'loss.svg',
  accuracy: 'accuracy.svg',
} as const;

/** A checkpoint to continue from. */
export interface Resumed {
  readonly file: string;
  readonly bytes: Uint8Array;
  /** The run's folder, if a folder was given. */
  readonly folder: string | undefined;
}

/** Reads the argument of --resume: a run's folder or a checkpoint. @throws FileError */
export async function readResumed(path: string): Promise<Resumed> {
  const folder = await isFolder(path);
  const file = folder ? join(path, FILES.checkpoint) : path;
  return { file, bytes: readWeights(file), folder: folder ? path : undefined };
}

/** What determines a run's bits besides its settings. */
export interface RanOn {
  readonly adapter: string;
  /** The digest of its tuning; undefined for the default kernels. */
  readonly tuning: string | undefined;
}

/** The device recorded in the config.json beside a run's checkpoint; undefined if there is none to read. */
export function ranOnBeside(checkpoint: string): RanOn | undefined {
  try {
    const config: unknown = JSON.parse(readText(join(dirname(checkpoint), FILES.config)));
    const { adapterName: adapter, tuning } = config as { adapterName?: unknown; tuning?: { digest?: unknown } | null };
    return typeof adapter === 'string' ? { adapter, tuning: tuning ? String(tuning.digest) : undefined } : undefined;
  } catch {
    return undefined;
  }
}

export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** The bytes of a safetensors file, read after its header was checked. @throws FileError, CheckpointError */
export function readWeights(path: string): Uint8Array {
  return withFile(path, (file) => {
    const end = headerEnd(file.read(0, 8), path, file.size);
    readHeader(file.read(0, end), path, file.size);
    return file.read(0, file.size);
  });
}

/** The lines of a metrics.jsonl up to a step; none if there is no such file. */
export function linesUpTo(path: string, step: number): string[] {
  if (!existsSync(path)) return [];
  const text = readText(path, constants.MAX_STRING_LENGTH);
  return text.split('\n').filter((line) => {
    try {
      return JSON.parse(line).step <= step;
    } catch {
      return false; // a partial line, left by a crash
    }
  });
}
