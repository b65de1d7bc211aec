// Hazards: the added copies, and the sets of assignments that share a dispatch.

import type { PassResults } from '../../compile/index.ts';
import type { Commit } from '../../compile/passes/hazards.ts';
import { rootsOf } from '../../graph/recipe.ts';
import type { Node } from '../../graph/tensor.ts';
import { topologicalOrder } from '../../graph/walk.ts';
import type { Labels } from '../labels.ts';

/** The copies that the pass added. */
export function copiesOf({ prefetch, materialize }: PassResults): Node[] {
  const before = new Set(topologicalOrder(rootsOf(prefetch.recipe)));
  return materialize.order.filter((node) => node.op?.name === 'copy' && !before.has(node));
}

export function hazardsText(results: PassResults, labels: Labels): string[] {
  const { commits, outputs } = results.hazards;
  const copies = copiesOf(results).map((node) => labels.definition(node));
  const commitText = ({ variable, tensor, guarded }: Commit) =>
    `  ${labels.ref(variable)} takes ${labels.name(tensor)}${guarded ? '' : ', also after a failure'}`;
  return [
    `copies: ${copies.length === 0 ? 'none' : copies.length}`,
    ...copies.map((line) => `  ${line}`),
    ...outputs.map(([name, t]) => `output ${name}: ${labels.name(t)}`),
    ...commits.flatMap((set, k) => [`assignments ${k}`, ...set.map(commitText)]),
  ];
}
