// Which examples go where when a data set is split in two: by a seeded shuffle, and with labels so that each class keeps its proportion.
import type { HostArray } from '../graph/dtype.ts';
import { Random } from './random.ts';

/** The examples of the two parts, in the order of the shuffle. */
export interface Partition {
  readonly train: Uint32Array;
  readonly validation: Uint32Array;
}

/** `count` of `size` examples for validation. With `labels`, one for each example, every class contributes its proportion. */
export function partition(size: number, count: number, seed: number, labels?: HostArray): Partition {
  const order = Uint32Array.from({ length: size }, (_, i) => i);
  const random = new Random(seed);
  for (let i = size - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  if (!labels) return { train: order.subarray(count), validation: order.subarray(0, count) };
  const sizes = new Map<number, number>();
  for (const i of order) sizes.set(labels[i]!, (sizes.get(labels[i]!) ?? 0) + 1);
  const shares = sharesOf([...sizes.values()], count);
  const left = new Map([...sizes.keys()].map((label, c) => [label, shares[c]!]));
  const taken = order.map((i) => {
    const n = left.get(labels[i]!)!;
    if (n > 0) left.set(labels[i]!, n - 1);
    return Math.min(n, 1);
  });
  return { train: order.filter((_, k) => taken[k] === 0), validation: order.filter((_, k) => taken[k] === 1) };
}

/**
 * How many of `count` examples each class contributes, by class size: size · count / total, to within one. A class of several examples
 * contributes at least one and keeps at least one, if possible.
 */
export function sharesOf(sizes: readonly number[], count: number): number[] {
  const total = sizes.reduce((a, b) => a + b, 0);
  const exact = sizes.map((n) => (n * count) / total);
  const shares = exact.map(Math.floor);
  for (const kept of [1, 0]) {
    const bounds = exact.map((share, c) => {
      const both = sizes[c]! > 1 ? kept : 0;
      return [Math.max(Math.ceil(share - 1), both), Math.min(Math.floor(share + 1), sizes[c]! - both)] as const;
    });
    for (const [c, [least, most]] of bounds.entries()) shares[c] = Math.min(Math.max(shares[c]!, least), most);
    for (;;) {
      const missing = count - shares.reduce((a, b) => a + b, 0);
      if (missing === 0) return shares;
      const sign = Math.sign(missing);
      const off = (c: number) => sign * (exact[c]! - shares[c]!);
      const able = [...bounds.keys()].filter((c) => shares[c] !== bounds[c]![sign < 0 ? 0 : 1]);
      if (able.length === 0) break;
      able.sort((a, b) => off(b) - off(a));
      for (const c of able.slice(0, Math.abs(missing))) shares[c]! += sign;
    }
  }
  return shares;
}
