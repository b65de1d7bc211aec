// Names of a State's variables in a plan: parameters by their paths, arenas and moments by their content.
import type { Node, Variable } from '../graph/tensor.ts';
import type { State } from '../train/state.ts';
import type { LeafNames } from './labels.ts';

export function namesOf(state: State): LeafNames {
  const several = state.arenas.length > 1;
  const arenas = state.arenas.flatMap(({ variable, slots, rule }, k): [string, Variable][] => {
    const name = (text: string) => (several ? `${text}${k}` : text);
    return [
      [name('parameters'), variable],
      ...slots.map((slot, s): [string, Variable] => [name(rule.slots[s]!), slot]),
    ];
  });
  const { step, seed, origin, order, rates, ring, status } = state;
  return new Map<Node, string>([
    ...state.variables.map(({ path, variable }) => [variable.node, path] as const),
    ...arenas.map(([name, { node }]) => [node, name] as const),
    ...Object.entries({ step, seed, origin, order, rates, ring, status }).map(
      ([name, { node }]) => [node, name] as const,
    ),
  ]);
}
