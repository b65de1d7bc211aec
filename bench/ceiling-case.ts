// What the ceilings of the GPU and of the CPU share: what a case is, how large its arrays are, what multiply-adds come to.
import type { Backend } from '../src/backend.ts';
import type { Bench, Case } from './cases.ts';
import { CHAIN_STEP } from './kernels.wgsl.ts';

/** Whether a backend computes on a processor, as a GPU or not: its arrays are smaller. */
export function onProcessor({ kind, adapter }: Backend): boolean {
  return kind === 'cpu' || adapter.software;
}

/** Elements of an array: more than a GPU's caches hold; less where a processor has to get through them in a round. */
export function arrayElements(backend: Backend): number {
  return onProcessor(backend) ? 2 ** 21 : 2 ** 24;
}

export function ceilingCase(
  bench: Bench,
  { unit, perRun, ...rest }: Pick<Case, 'name' | 'backend' | 'unit' | 'prepare'> & { readonly perRun: number },
): Case {
  return { ...rest, kind: rest.name, unit, amount: perRun / 1e9, backend: rest.backend ?? bench.backend };
}

/** Near one, so that a chain grows with every turn: one that settled would hide turns that are missing. */
export const FACTORS = [0.999, 1.001] as const;

/** What a thread of the multiply-add computes from each x, in doubles: `turns` turns of each chain. */
export function chained(x: Float32Array, chains: number, turns: number): Float64Array {
  return Float64Array.from(x, (a) => {
    let sum = 0;
    for (let chain = 0; chain < chains; chain++) {
      let c = chain * CHAIN_STEP;
      for (let k = 0; k < turns; k++) c = c * a + 0.5;
      sum += c;
    }
    return sum;
  });
}
