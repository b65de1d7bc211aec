// The graph after simplify: every op with its inputs, then the step's assignments.

import type { PassResults } from '../../compile/index.ts';
import { rootsOf } from '../../graph/recipe.ts';
import { topologicalOrder } from '../../graph/walk.ts';
import type { Labels } from '../labels.ts';

export function simplifyText({ simplify }: PassResults, labels: Labels): string[] {
  const nodes = topologicalOrder(rootsOf(simplify)).filter(({ op }) => op && !op.view);
  const { outputs = {}, assignments = [], records = [], guard } = simplify;
  return [
    ...nodes.map((node) => labels.definition(node)),
    ...Object.entries(outputs).map(([name, t]) => `output ${name}: ${labels.ref(t)}`),
    ...assignments.map(([variable, t]) => `assign ${labels.ref(variable)}: ${labels.ref(t)}`),
    ...records.map(([variable, t]) => `record ${labels.ref(variable)}: ${labels.ref(t)}`),
    ...(guard ? [`guard: checks ${labels.list(guard.checked)} and all assigned values`] : []),
  ];
}
