// An optimizer's step on arenas: gradients side by side, clipped together, then one update of each arena. The trainer and bare loops both
// use it.
import type { Tensor, Variable } from '../graph/tensor.ts';
import type { Assignment } from '../graph/trace.ts';
import { add, mul, sub } from '../ops/binary.ts';
import { gatherRows } from '../ops/gather.ts';
import { pack, unpack } from '../ops/pack.ts';
import type { Arena, Placed } from './arena.ts';
import { clipGradients } from './clip.ts';
import { columnOf } from './groups.ts';
import type { Optimizer } from './optimizer.ts';

/** What changes from step to step. */
export interface StepTable {
  /** Steps made, u32 [1]. */
  readonly step: Tensor;
  /** Learning rates in columns of `rows` numbers, one after another, f32 [columns · rows]. */
  readonly rates: Variable;
  readonly rows: number;
  /** The step's row, u32 [1]. */
  readonly row: Tensor;
}

/** New arenas and slots, and the new parameters by path. */
export function updateArenas(
  { clip, groups = [] }: Optimizer,
  arenas: readonly Arena[],
  gradientOf: (parameter: Placed) => Tensor,
  { step, rates, rows, row }: StepTable,
): { assignments: Assignment[]; updated: [string, Tensor][] } {
  const packed = arenas.map(({ variable, members }) =>
    pack(
      members.map(gradientOf),
      members.map((m) => m.offset),
      variable.size,
    ),
  );
  const column = (k: number) => gatherRows(rates, k === 0 ? row : add(row, k * rows));
  const shared = column(0);
  const rateOf = (group: number | undefined): Tensor => {
    if (group === undefined) return shared;
    const { lr, lrScale = 1 } = groups[group]!;
    if (lr !== undefined) return column(columnOf(groups, group));
    return lrScale === 1 ? shared : mul(shared, lrScale);
  };
  const clipped = clipGradients(packed, clip);
  const updated: [string, Tensor][] = [];
  const assignments = arenas.flatMap(({ variable, members, slots, rule, group, since }, k): Assignment[] => {
    const at = { lr: rateOf(group), step: since === 0 ? step : sub(step, since) };
    const next = rule.update(variable, clipped[k]!, slots, at);
    for (const { path, variable: v, offset } of members)
      updated.push([`${path} after the update`, unpack(next.p, offset, v.shape)]);
    return [[variable, next.p], ...next.slots.map((value, s): Assignment => [slots[s]!, value])];
  });
  return { assignments, updated };
}
