// Random choices for the rows of a batch: whole numbers that are functions of (seed, step, row of the data set) alone, the same bits on
// CPU and GPU. Augmentation reads them; a choice has its own slot, so that adding another one does not change it.
import { MUL_HIGH, PHILOX } from '../../shaders/random.wgsl.ts';
import { modulo, quotient, u32 } from '../../shaders/wgsl.ts';
import { ShapeError } from '../graph/errors.ts';
import type { Declaration } from '../graph/kernel.ts';
import type { Op } from '../graph/op.ts';
import { philox } from '../graph/random.ts';
import { formatShape } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { checkCounter } from './random.ts';

/** A choice, which is a column of the result. */
export interface Choice {
  /** Which of the row's random words it uses. */
  readonly slot: number;
  /** The number of choices, at most 2^21: the result is from 0 to below it. */
  readonly below: number;
}

interface RowChoices {
  /** Distinguishes the choices of one tensor from another's. */
  readonly stream: number;
  readonly choices: readonly Choice[];
}

/** The last counter word distinguishes these from dropout masks (0), initial values (1) and shuffles (2). */
const PURPOSE = 3;
const counterEnd = (block: number) => PURPOSE + block * 256;

/**
 * Choice c of row b is ⌊w · below / 2^32⌋ for w = word slot % 4 of Philox counter (rows[b], stream, step, 3 + 256 · ⌊slot / 4⌋) under the
 * seed.
 */
export const rowChoicesOp: Op<RowChoices> = {
  name: 'rowChoices',
  cost: 100,
  shape: ([step, seed, rows], { choices }) => {
    checkCounter('rowChoices', 'step', step!, 1);
    checkCounter('rowChoices', 'seed', seed!, 2);
    if (rows!.dtype !== 'u32' || rows!.shape.length !== 1)
      throw new ShapeError(`rowChoices: rows is ${rows!.dtype} ${formatShape(rows!.shape)}. It must be u32 [B].`);
    return [{ shape: [rows!.shape[0]!, choices.length], dtype: 'u32' }];
  },
  cpu: ([step, seed, rows], [y], { stream, choices }) => {
    const [t, k0, k1] = [step!.data[0]!, seed!.data[0]!, seed!.data[1]!];
    const blocks = [...new Set(choices.map(({ slot }) => slot >> 2))];
    const bits = new Uint32Array(4 * (Math.max(...blocks) + 1));
    for (const [b, row] of rows!.data.entries()) {
      for (const block of blocks) philox(bits, 4 * block, row, stream, t, counterEnd(block), k0, k1);
      for (const [c, { slot, below }] of choices.entries())
        y!.data[b * choices.length + c] = Math.floor((bits[slot]! * below) / 2 ** 32);
    }
  },
  map: (scope, { stream, choices }) => {
    const [C, size] = [choices.length, scope.out.shape[0]! * choices.length];
    const choice = scope.let('u32', modulo(scope.i, C, size));
    const pick = (value: (choice: Choice) => number) =>
      scope.let('u32', `${scope.declare(oneOf(choices.map(value)))}(${choice})`);
    const slot = pick((one) => one.slot);
    const row = scope.load(2, scope.let('u32', quotient(scope.i, C, size)));
    const end = `${u32(PURPOSE)} + (${slot} >> 2u) * 256u`;
    const counter = `vec4u(${row}, ${u32(stream)}, ${scope.load(0, '0u')}, ${end})`;
    const key = `vec2u(${scope.load(1, '0u')}, ${scope.load(1, '1u')})`;
    const word = scope.let('u32', `${scope.declare(PHILOX)}(${counter}, ${key})[${slot} & 3u]`);
    return `${scope.declare(MUL_HIGH)}(${word}, ${pick((one) => one.below)})`;
  },
};

/** `pick(k)`: the k-th of some numbers. */
function oneOf(values: readonly number[]): Declaration {
  return {
    name: 'pick',
    text: (name) => `fn ${name}(k: u32) -> u32 {
  var values = array<u32, ${values.length}>(${values.map(u32).join(', ')});
  return values[k];
}`,
  };
}

/** Random whole numbers for each of `rows` (u32 [B]) at `step` (u32 [1]) under `seed` (u32 [2]): u32 [B, choices]. */
export function rowChoices(step: Tensor, seed: Tensor, rows: Tensor, options: RowChoices): Tensor {
  return apply1(rowChoicesOp, [step, seed, rows], options);
}
