// Groups of channels: x as (N, M, C), whose C channels form G groups. What normalization computes is per group: sums over a group's
// elements, their way back to every element, and indices on the CPU and in WGSL.
import type { Groups } from '../../shaders/group-sums.wgsl.ts';
import { modulo, quotient, u32 } from '../../shaders/wgsl.ts';
import type { MapScope, Spec } from '../graph/op.ts';
import { sizeOf } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { broadcastTo, sum } from './broadcast.ts';
import { concat, slice } from './movement.ts';
import { reshape } from './reshape.ts';

export type { Groups };

/** Elements of a group. */
export function groupSize({ M, C, G }: Groups): number {
  return (M * C) / G;
}

/** Every channel a group. */
export function ofChannels(groups: Groups): Groups {
  return { ...groups, G: groups.C };
}

/** x (any shape) summed over each group: (N · G). */
export function sumOfGroups(x: Tensor, { N, M, C, G }: Groups): Tensor {
  return reshape(sum(reshape(x, [N, M, G, C / G]), [1, 3]), [N * G]);
}

/** A number for each group (N · G) at every element, in the shape of `like`. */
export function spread(perGroup: Tensor, like: Spec, { N, M, C, G }: Groups): Tensor {
  return reshape(broadcastTo(reshape(perGroup, [N, 1, G, 1]), [N, M, G, C / G]), like.shape);
}

/** A number for each channel (C) at every element, in the shape of `like`. */
export function spreadChannels(perChannel: Tensor, like: Spec, { N, M, C }: Groups): Tensor {
  return reshape(broadcastTo(reshape(perChannel, [1, 1, C]), [N, M, C]), like.shape);
}

/** x (any shape) summed to its channels (C). */
export function sumOfChannels(x: Tensor, { N, M, C }: Groups): Tensor {
  return sum(reshape(x, [N * M, C]), 0);
}

/** Column k of a table (rows, columns), as (rows). */
export function column(table: Tensor, k: number): Tensor {
  const rows = table.shape[0]!;
  return reshape(slice(table, [0, k], [rows, k + 1]), [rows]);
}

/** The table with these columns (rows) each. */
export function tableOf(columns: readonly Tensor[]): Tensor {
  return concat(
    columns.map((x) => reshape(x, [x.size, 1])),
    1,
  );
}

/** WGSL for the channel of the element `i`, and for its group. */
export function placeInGroups({ i, out }: Pick<MapScope, 'i' | 'out'>, { N, M, C, G }: Groups) {
  const size = sizeOf(out.shape);
  const channel = modulo(i, C, size);
  const within = G === 1 ? '0u' : quotient(channel, C / G, C);
  const n = N === 1 ? undefined : quotient(i, M * C, size);
  const group = n === undefined ? within : G === 1 ? n : `${n} * ${u32(G)} + ${within}`;
  return { channel, group };
}

/** The group of each channel. */
export function groupsOfChannels({ C, G }: Groups): Int32Array {
  return Int32Array.from({ length: C }, (_, c) => Math.floor(c / (C / G)));
}
