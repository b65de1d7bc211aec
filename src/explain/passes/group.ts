// The groups: the kernel op, the chains after its outputs, the values read and stored, and the groups it depends on.

import type { PassResults } from '../../compile/index.ts';
import { type Group, type Grouped, productsOf } from '../../compile/passes/group.ts';
import type { Labels } from '../labels.ts';

export function groupText({ group: grouped }: PassResults, labels: Labels): string[] {
  return grouped.groups.flatMap((group) => groupLines(group, grouped, labels));
}

function groupLines(group: Group, { stored }: Grouped, labels: Labels): string[] {
  const { id, root, chains, reads, before } = group;
  const members = [...(root ? [root] : []), ...[...chains.values()].flat().map(({ node }) => node)];
  const after = [...before].map((g) => `g${g.id}`).join(', ');
  return [
    `g${id}  ${members.map((node) => labels.op(node)).join(' + ')}`,
    `    reads ${labels.list([...reads])}`,
    `    stores ${labels.list(productsOf(group).filter((t) => stored.has(t)))}${after ? `; after ${after}` : ''}`,
  ];
}
