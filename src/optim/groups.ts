// Parameter groups: their parameters, arenas and learning rates; rates that differ from the optimizer's are columns of one table.
import { OptionError } from '../graph/errors.ts';
import { chosen } from '../graph/path-match.ts';
import type { NamedVariable } from '../graph/paths.ts';
import type { Variable } from '../graph/tensor.ts';
import { type Arena, layOut } from './arena.ts';
import type { Optimizer, ParameterGroup } from './optimizer.ts';
import { type Rate, rateOf } from './schedules.ts';

/** The index of each parameter's group; parameters of the default group are left out. */
export type Membership = ReadonlyMap<Variable, number>;

/**
 * Assigns each parameter to the first group that matches it. @throws OptionError for a group that matches none, or only parameters of
 * earlier groups.
 */
export function membersOf({ name, groups = [] }: Optimizer, parameters: readonly NamedVariable[]): Membership {
  const membership = new Map<Variable, number>();
  for (const [k, { match }] of groups.entries()) {
    const matched = chosen(`${name}: groups[${k}]`, match, parameters);
    const free = matched.filter(({ variable }) => !membership.has(variable));
    if (free.length === 0)
      throw new OptionError(
        `${name}: groups[${k}] matches ${matched.map(({ path }) => path).join(', ')}, which earlier groups already have. Put it before those groups.`,
      );
    for (const { variable } of free) membership.set(variable, k);
  }
  return membership;
}

/** The arenas of the trained parameters, the default group's first; `sinceOf` is the step at which a path's moments began. */
export function arenasOf(
  optimizer: Optimizer,
  trained: readonly NamedVariable[],
  membership: Membership,
  maxBytes: number,
  sinceOf: (path: string) => number = () => 0,
): Arena[] {
  const groups = [undefined, ...(optimizer.groups ?? []).keys()];
  return groups.flatMap((group) => {
    const members = trained.filter(({ variable }) => membership.get(variable) === group);
    const rule = group === undefined ? optimizer : optimizer.groups![group]!;
    const starts = [...new Set(members.map(({ path }) => sinceOf(path)))].sort((a, b) => a - b);
    return starts.flatMap((since) =>
      layOut(
        members.filter(({ path }) => sinceOf(path) === since),
        { rule, group, since },
        maxBytes,
      ),
    );
  });
}

/** The rates that a step needs: the optimizer's, then the groups' own. */
export function ratesOf({ lr, groups = [] }: Pick<Optimizer, 'lr' | 'groups'>): Rate[] {
  return [lr, ...groups.flatMap((group) => group.lr ?? [])];
}

/** The index of a group's rate in {@link ratesOf}. */
export function columnOf(groups: readonly ParameterGroup[], k: number): number {
  return groups[k]!.lr === undefined ? 0 : groups.slice(0, k + 1).filter(({ lr }) => lr !== undefined).length;
}

/** The learning rate of each group at a step where the optimizer's is `shared`; undefined if none can differ. */
export function groupRates(
  { groups = [] }: Pick<Optimizer, 'groups'>,
  shared: number,
  step: number,
  total: number | undefined,
): number[] | undefined {
  if (groups.every(({ lr, lrScale = 1 }) => lr === undefined && lrScale === 1)) return undefined;
  return groups.map(({ lr, lrScale = 1 }) => (lr === undefined ? shared * lrScale : rateOf(lr, step, total)));
}
