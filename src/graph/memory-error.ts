// Programs that need more memory than a device gives: found out before anything is allocated, with the batch that would fit.
import { DeviceError } from './errors.ts';

/** A program's values exceed a limit of the device. */
export class MemoryError extends DeviceError {
  /** What exceeds which limit, in sentences. */
  readonly facts: string;
  /** The largest batch that fits, estimated from a program for batches of so many rows. */
  readonly largest: (rows: number) => number;

  constructor(facts: string, largest: (rows: number) => number) {
    super(`${facts} Use a smaller batch or model.`);
    this.facts = facts;
    this.largest = largest;
  }
}

/**
 * The result of compiling a program for batches of `rows` rows. @throws DeviceError with the largest batch that would fit, estimated from
 * values that grow with the batch, if the memory does not suffice
 */
export async function compiledFor<T>(rows: number, compiling: Promise<T>): Promise<T> {
  try {
    return await compiling;
  } catch (error) {
    if (!(error instanceof MemoryError)) throw error;
    const most = Math.floor(error.largest(rows));
    const advice = most > 0 ? `The largest batch that fits is about ${most}: lower batchSize.` : 'Use a smaller model.';
    throw new DeviceError(`${error.facts} ${advice}`, { cause: error });
  }
}

/** `1.5 GB`. */
export function megabytes(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
