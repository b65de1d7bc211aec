// Materialization: for each map op, whether its result is stored in memory or computed where it is read.

import type { PassResults } from '../../compile/index.ts';
import type { Node } from '../../graph/tensor.ts';
import type { Labels } from '../labels.ts';

export function materializeText(results: PassResults, labels: Labels): string[] {
  return results.materialize.order
    .filter(({ op }) => op)
    .map((node) => `${wayOf(node, results)}  ${labels.definition(node)}`);
}

/** `kernel`: an op with its own kernels, whose results are never recomputed. `memory` and `inline`: maps. */
function wayOf(node: Node, { materialize }: PassResults): string {
  if (node.op!.placement) return 'arena ';
  if (!node.op!.map) return 'kernel';
  return materialize.isKept(node) ? 'memory' : 'inline';
}
