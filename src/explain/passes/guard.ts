// The guard: which values are tested where, and which in a separate dispatch.

import type { PassResults } from '../../compile/index.ts';
import type { Placed } from '../../compile/passes/place.ts';
import type { Contents, Dispatch, Watch } from '../../compile/plan.ts';
import { resolve } from '../../graph/rewrite.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Labels } from '../labels.ts';

export function guardText({ guard: placed }: PassResults, labels: Labels): string[] {
  const { guard, commits } = placed.graph.recipe;
  if (!guard) return ['no guard'];
  const assigned = new Map(
    commits.flat().map(({ variable, original }) => [resolve(original), `the new ${labels.ref(variable)}`]),
  );
  const nameOf = (t: Tensor) => assigned.get(resolve(t)) ?? labels.name(t);
  const tests = dispatchesOf(placed).flatMap(({ kernels }, k) =>
    kernels.flatMap(({ contents }) =>
      contents.flatMap((part) => testsOf(part, nameOf, labels)).map((test) => `d${k}  ${test}`),
    ),
  );
  return [`a non-finite value sets ${labels.ref(guard.status)}`, ...tests];
}

function dispatchesOf({ dispatches, commits }: Placed): readonly Dispatch[] {
  return [...dispatches, ...commits];
}

function testsOf(
  { group, watches = [], outputs, checked = [], commits = [] }: Contents,
  nameOf: (t: Tensor) => string,
  labels: Labels,
): string[] {
  // Several kernels of one op share its watches: each tests the values it stores.
  const stores = ({ host }: Watch) => !outputs || host.node !== group!.root || outputs.includes(host.output);
  const hosts = new Map<Tensor, Watch[]>();
  for (const watch of watches.filter(stores)) hosts.set(watch.host, [...(hosts.get(watch.host) ?? []), watch]);
  const guarded = commits.filter((commit) => commit.guarded).map(({ variable }) => variable);
  return [
    ...[...hosts].map(
      ([host, own]) =>
        `g${group!.id} tests ${own.map(({ tensor }) => nameOf(tensor)).join(', ')}${hostText(host, own, labels)}`,
    ),
    ...checked.map((t) => `tests ${nameOf(t)}`),
    ...(guarded.length > 0 ? [`assigns while it is 0: ${labels.list(guarded)}`] : []),
  ];
}

/** Where a value is tested: where it is computed, or where a part of the arena it is computed from is stored. */
function hostText(host: Tensor, [first]: readonly Watch[], labels: Labels): string {
  const part = first?.part;
  return part ? ` as it stores ${labels.name(host)}, ${labels.ref(part.arena)} from ${part.offset}` : '';
}
