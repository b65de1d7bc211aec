// Where the guard looks at what is about to be assigned: right where it is computed, or where the gradient is that it is computed
// from, so that most steps need no dispatch for it.
import type { Guard } from '../graph/executor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Commit } from './commit.ts';
import type { Fusion, Group } from './fuse.ts';
import { keyOf, resolve } from './keep.ts';
import type { Launch } from './launch.ts';

/** A value to be looked at when a group stores a tensor. */
export interface Watch {
  /** The product of the group: where element i of it is known, so is the value. */
  readonly host: Tensor;
  /** What must be finite: the host itself, or a tensor computed from an arena at `offset` + i. */
  readonly tensor: Tensor;
  readonly part?: { readonly arena: Tensor; readonly offset: number };
}

/** What the guard of a program looks at, and where. */
export interface Watches {
  readonly within: ReadonlyMap<Group, readonly Watch[]>;
  /** Values that only a dispatch of their own can look at. */
  readonly after: readonly Tensor[];
}

/** Every f32 value that the guard must find finite. */
export function watched(guard: Guard, commits: readonly Commit[]): Pick<Commit, 'tensor' | 'seen'>[] {
  const values = [...guard.checked.map((t) => ({ tensor: t, seen: t })), ...commits.filter((c) => c.guarded)];
  return values.filter(({ tensor }) => tensor.dtype === 'f32');
}

export interface WatchScope {
  readonly fusion: Fusion;
  readonly launches: readonly Launch[];
  /** Keys of the tensors that something reads from memory. */
  readonly wanted: ReadonlySet<string>;
  /** False looks at all values after the launches. */
  readonly fold: boolean;
}

/** Finds each of `values` a place within the launches, or after them. */
export function placeWatches(
  values: readonly Pick<Commit, 'tensor' | 'seen'>[],
  { fusion, launches, wanted, fold }: WatchScope,
): Watches {
  const launchOf = new Map(launches.flatMap(({ parts }, k) => parts.flat().map((group) => [group, k] as const)));
  const within = new Map<Group, Watch[]>();
  const after: Tensor[] = [];
  for (const { tensor, seen } of values) {
    const found = fold ? hostsOf(seen) : undefined;
    if (!found) after.push(tensor);
    for (const { group, watch } of found ?? []) within.set(group, [...(within.get(group) ?? []), watch]);
  }
  return { within, after };

  function hostsOf(tensor: Tensor): { group: Group; watch: Watch }[] | undefined {
    const x = resolve(tensor);
    const [own] = fusion.groupsBehind(x);
    if (own && !fusion.arenaOf(x)) return [{ group: own, watch: { host: x, tensor: x } }];
    const reads = fusion.keeping.readsOfInput(x);
    const arenas = reads.filter((read) => fusion.partsOf(read.tensor));
    const [arena] = arenas;
    if (arenas.length !== 1 || !arena!.identity) return undefined;
    const hosts = fusion.partsOf(arena!.tensor)!.map(({ part, offset }) => {
      const host = resolve(part);
      return {
        group: fusion.groupsBehind(host)[0]!,
        watch: { host, tensor: x, part: { arena: arena!.tensor, offset } },
      };
    });
    const first = Math.min(...hosts.map(({ group }) => launchOf.get(group)!));
    const others = reads.filter((read) => read !== arena).map((read) => read.tensor);
    const ready = others.every(
      (t) =>
        (!t.node.op || wanted.has(keyOf(t))) && fusion.groupsBehind(t).every((group) => launchOf.get(group)! < first),
    );
    return ready ? hosts : undefined;
  }
}

/** The watches of a group that look at `t`'s elements. */
export function watchesOf(watches: Watches, group: Group, t: Tensor): readonly Watch[] {
  return (watches.within.get(group) ?? []).filter(({ host }) => keyOf(host) === keyOf(t));
}
