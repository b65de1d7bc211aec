// Guard: tests the values about to be assigned for NaN and infinity. If a dispatch has room, a value is tested where it is computed, or
// where the gradient it comes from is; the rest are tested in a separate dispatch.
import type { Memory } from '../../gpu/memory.ts';
import type { Capabilities } from '../../graph/capabilities.ts';
import { GUARD_HOSTS } from '../../graph/cost.ts';
import { identityOf, resolve } from '../../graph/rewrite.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { checkKernel } from '../kernels.ts';
import type { Dispatch, Kernel, Watch, Watches } from '../plan.ts';
import type { Group } from './group.ts';
import { bySize, intoDispatches } from './pack.ts';
import type { Placed } from './place.ts';

/** Tests the new values of the State's variables. Values carried between steps follow from counters alone. */
export function guard(placed: Placed, gpu: Capabilities): Placed {
  const { recipe } = placed.graph;
  if (!recipe.guard) return placed;
  const flags = { status: identityOf(recipe.guard.status), step: recipe.guard.step };
  const checked = recipe.guard.checked.map((t) => ({ tensor: t, original: t }));
  const assigned = recipe.commits
    .flat()
    .filter(({ guarded, variable }) => guarded && !placed.carried.has(variable.node));
  const guarding = new Guarding(placed, flags, gpu);
  const after: Tensor[] = [];
  for (const { tensor, original } of [...checked, ...assigned])
    if (tensor.dtype === 'f32' && !guarding.fold(original)) after.push(tensor);
  const memories = (t: Tensor) => placed.graph.readsOfInput(t).map((read) => placed.place(read.tensor).memory);
  const fixed = [placed.place(flags.status).memory, ...memories(flags.step)];
  const checks = intoDispatches(
    after.map((t) => [t]),
    (t) => [...fixed, ...memories(t)],
    gpu,
  );
  const source = { ...placed, gpu };
  const last = checks.map((list) => ({
    kernels: bySize(list, ({ size }) => size).map((some) => checkKernel(some, flags, source)),
  }));
  return { ...placed, dispatches: [...guarding.dispatches, ...last] };
}

class Guarding {
  readonly dispatches: Dispatch[];
  readonly #placed: Placed;
  readonly #flags: Omit<Watches, 'byGroup'>;
  readonly #most: number;
  /** The dispatch that stores a product, and the dispatch in which a group ends. */
  readonly #at = new Map<Tensor, number>();
  readonly #end = new Map<Group, number>();
  readonly #watches = new Map<Group, readonly Watch[]>();

  constructor(placed: Placed, flags: Omit<Watches, 'byGroup'>, { maxStorageBuffersPerShaderStage }: Capabilities) {
    this.#placed = placed;
    this.#flags = flags;
    this.#most = maxStorageBuffersPerShaderStage;
    this.dispatches = [...placed.dispatches];
    for (const [at, { kernels }] of placed.dispatches.entries())
      for (const { group, outputs = [0] } of kernels.flatMap(({ contents }) => contents)) {
        if (!group) continue;
        this.#end.set(group, at);
        for (const k of outputs)
          for (const t of [group.root?.outputs[k], ...(group.chains.get(k) ?? [])]) if (t) this.#at.set(t, at);
      }
  }

  /** Tests a value within the dispatches that compute it, if possible. */
  fold(value: Tensor): boolean {
    const hosts = this.#hostsOf(resolve(value));
    if (!hosts) return false;
    const watches = new Map(this.#watches);
    for (const { group, watch } of hosts) watches.set(group, [...(watches.get(group) ?? []), watch]);
    const guarded = new Map<number, Dispatch>();
    for (const at of new Set(hosts.map(({ watch }) => this.#at.get(watch.host)!))) {
      const dispatch = this.#guarded(this.dispatches[at]!, hosts, { ...this.#flags, byGroup: watches });
      if (!dispatch || this.#bindings(dispatch) > this.#most) return false;
      guarded.set(at, dispatch);
    }
    for (const [at, dispatch] of guarded) this.dispatches[at] = dispatch;
    for (const [group, list] of watches) this.#watches.set(group, list);
    return true;
  }

  /** The dispatch with its hosts' kernels testing values; undefined if one of them cannot. */
  #guarded({ kernels }: Dispatch, hosts: readonly { group: Group }[], watches: Watches): Dispatch | undefined {
    const hosting = (kernel: Kernel) => kernel.contents.some(({ group }) => hosts.some((host) => host.group === group));
    if (kernels.some((kernel) => hosting(kernel) && !kernel.guarded)) return undefined;
    return { kernels: kernels.map((kernel) => (hosting(kernel) ? kernel.guarded!(watches) : kernel)) };
  }

  #bindings({ kernels }: Dispatch): number {
    const memories = new Set<Memory>();
    for (const { reads, writes } of kernels)
      for (const { value } of [...reads, ...writes]) memories.add(this.#placed.place(value).memory);
    return memories.size;
  }

  /** The groups that know each element of a value: the one that computes it, or those of the arena it is computed from. */
  #hostsOf(x: Tensor): { group: Group; watch: Watch }[] | undefined {
    const { graph, arenas, stored, behind } = this.#placed;
    const [own] = behind(x);
    if (own && !arenas.of(x)) return [{ group: own, watch: { host: x, tensor: x } }];
    const reads = graph.readsOfInput(x);
    const fromArenas = reads.filter((read) => arenas.parts(read.tensor));
    const [arena] = fromArenas;
    if (fromArenas.length !== 1 || !arena!.identity || graph.recipe.split.some((t) => resolve(t) === arena!.tensor))
      return undefined;
    const hosts = arenas.parts(arena!.tensor)!.map(({ part, offset }) => {
      const host = resolve(part);
      return { group: behind(host)[0]!, watch: { host, tensor: x, part: { arena: arena!.tensor, offset } } };
    });
    if (hosts.length > GUARD_HOSTS) return undefined;
    const first = Math.min(...hosts.map(({ watch }) => this.#at.get(watch.host)!));
    const others = reads.filter((read) => read !== arena).map((read) => read.tensor);
    const ready = others.every(
      (t) => (!t.node.op || stored.has(t)) && behind(t).every((group) => this.#end.get(group)! < first),
    );
    return ready ? hosts : undefined;
  }
}
