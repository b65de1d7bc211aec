// The memory that a program will own against the adapter's limits, before any of it is allocated.
import type { Binding, Memory } from '../gpu/memory.ts';
import { DeviceError } from '../graph/errors.ts';
import { MemoryError, megabytes } from '../graph/memory-error.ts';

/** @throws MemoryError if a dispatch binds more of a buffer than the adapter binds at once */
export function checkBindings(
  kernel: string,
  bindings: readonly Binding[],
  owned: readonly Memory[],
  maxBinding: number,
): void {
  const big = bindings.find(({ words }) => words * 4 > maxBinding);
  if (!big) return;
  const facts = `${kernel}: it binds ${big.words * 4} bytes of ${big.memory.label}, but this adapter binds at most ${maxBinding}.`;
  // Parameters and data do not grow with the batch.
  if (!owned.includes(big.memory)) throw new DeviceError(`${facts} Use a smaller batch or model.`);
  throw exceeds(facts, owned, maxBinding);
}

/** @throws MemoryError if a buffer is larger than the adapter's largest */
export function checkBuffers(label: string, owned: readonly Memory[], maxBuffer: number): void {
  const big = owned.find(({ bytes }) => bytes > maxBuffer);
  if (!big) return;
  const facts = `${label}: ${big.label} takes ${big.bytes} bytes, more than this adapter's largest buffer (${maxBuffer}).`;
  throw exceeds(facts, owned, maxBuffer);
}

function exceeds(facts: string, owned: readonly Memory[], most: number): MemoryError {
  const sizes = owned.map(({ bytes }) => bytes);
  const all = sizes.reduce((sum, bytes) => sum + bytes, 0);
  return new MemoryError(
    `${facts} The program's values take ${megabytes(all)} in all.`,
    (rows) => (rows * most) / Math.max(...sizes),
  );
}
