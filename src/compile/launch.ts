// Which groups share a dispatch. Groups that do not wait for each other run side by side in one: a dispatch costs a GPU a few
// microseconds however little it does, so a training step is as short as its longest chain of dependent groups.
import { byteLength } from '../graph/dtype.ts';
import type { Capabilities, KernelPlan, RowStage } from '../graph/op.ts';
import type { Tensor } from '../graph/tensor.ts';
import { chainEntry, follows } from './chain.ts';
import type { Fusion, Group } from './fuse.ts';
import { keyOf, resolve } from './keep.ts';
import { companionOf, type Memory } from './memory.ts';
import { entryOf } from './merge.ts';

/** A dispatch to be, or the several passes of one kernel op. */
export interface Launch {
  /** What runs side by side: single groups, and chains of groups that take the same rows on. */
  readonly parts: readonly (readonly Group[])[];
}

export interface LaunchLimits {
  /** Storage buffers a dispatch may bind; fewer than one gives every group a dispatch of its own. */
  readonly buffers: number;
  readonly gpu: Capabilities;
  readonly kernels: ReadonlyMap<Group, KernelPlan>;
  /** Groups that can be a link of a chain. */
  readonly stages: ReadonlyMap<Group, RowStage>;
  /** Keys of the tensors that something reads from memory. */
  readonly wanted: ReadonlySet<string>;
  /** The memory that a leaf lies in, and that of the counters handed on. */
  memoryOf(leaf: Tensor): unknown;
  readonly counters: Memory | undefined;
}

/** A kernel of more threads fills the device: to share a dispatch would only make it wait for registers. */
const FULL = 65536;

/** Bytes up to which the results of a dispatch lie side by side in one buffer, so that later ones bind few. */
const SMALL = 2 ** 18;

/** Whether a tensor's memory is shared with what the same dispatch makes. */
export function liesBeside(t: Tensor): boolean {
  return byteLength(t.dtype, t.size) <= SMALL;
}

/**
 * The groups of a fusion in as few dispatches as their order and the adapter's limits allow: what others wait for comes as
 * early as it can, the rest as late, so that what the end of a step reads lies side by side.
 */
export function launchesOf(fusion: Fusion, limits: LaunchLimits): Launch[] {
  const launches: Launch[] = [];
  const at = new Map<Group, number>();
  const put = (group: Group, place: number, parts: Launch['parts']) => {
    launches[place] = { parts };
    at.set(group, place);
  };
  const awaited = new Set(fusion.groups.flatMap((group) => fusion.groupsBefore(group)));
  const after = (before: readonly Group[]) => Math.max(-1, ...before.map((g) => at.get(g)!));
  const place = (group: Group, late: boolean) => {
    const before = fusion.groupsBefore(group);
    if (!onChain(group, before) && !beside(group, before, late)) put(group, launches.length, [[group]]);
  };
  for (const group of fusion.groups) if (awaited.has(group)) place(group, false);
  const last = fusion.groups.filter((group) => !awaited.has(group));
  const soonest = new Map(last.map((group) => [group, after(fusion.groupsBefore(group))]));
  for (const group of last.sort((a, b) => soonest.get(b)! - soonest.get(a)!)) place(group, true);
  return launches;

  /** Puts the group at the end of the chain that it follows, where there is one. */
  function onChain(group: Group, before: readonly Group[]): boolean {
    const place = after(before);
    const { parts = [] } = launches[place] ?? {};
    const chain = parts.find((part) => before.every((g) => at.get(g)! < place || part.includes(g)));
    if (!chain || limits.buffers < 1 || !follows(group, chain, fusion, limits.stages)) return false;
    const longer = parts.map((part) => (part === chain ? [...part, group] : part));
    if (!fits(longer, place)) return false;
    put(group, place, longer);
    return true;
  }

  /** Puts the group into the first (or the last) dispatch after those it waits for that has room. */
  function beside(group: Group, before: readonly Group[], late: boolean): boolean {
    const first = after(before) + 1;
    const fitting = launches.map(({ parts }, k) => k >= first && fits([...parts, [group]], k));
    const place = late ? fitting.lastIndexOf(true) : fitting.indexOf(true);
    if (place >= 0) put(group, place, [...launches[place]!.parts, [group]]);
    return place >= 0;
  }

  function fits(parts: Launch['parts'], place: number): boolean {
    return limits.buffers > 0 && runTogether(parts, limits) && buffersOf(parts.flat(), place).size <= limits.buffers;
  }

  /** What the groups would bind in launch `place`, as far as is known before memory is planned. */
  function buffersOf(groups: readonly Group[], place: number): Set<unknown> {
    const found = new Set<unknown>();
    const add = (t: Tensor, launch: number | undefined) => {
      const x = resolve(t);
      const arena = fusion.arenaOf(x);
      if (arena) found.add(arena);
      else if (!x.node.op) found.add(limits.memoryOf(x));
      else if (launch === undefined || !liesBeside(x)) found.add(keyOf(x));
      else {
        const fellows = launch === place ? groups : launches[launch]!.parts.flat();
        found.add(companionOf(x.dtype, fellows, fusion, limits.counters) ?? `${launch} ${x.dtype}`);
      }
    };
    for (const group of groups) {
      for (const t of fusion.needs(group)) {
        const [producer] = fusion.groupsBehind(t);
        add(t, producer && (groups.includes(producer) ? place : at.get(producer)));
      }
      for (const t of fusion.productsOf(group)) if (limits.wanted.has(keyOf(t))) add(t, place);
    }
    return found;
  }
}

/** Whether parts can be one kernel: single passes, of one workgroup size where they have barriers. */
function runTogether(parts: Launch['parts'], { kernels, stages, gpu }: LaunchLimits): boolean {
  const plans = parts.map((part) => (part.length === 1 ? kernels.get(part[0]!) : undefined));
  if (plans.some((plan) => plan && plan.passes.length > 1)) return false;
  const entries = parts.flatMap((part, k) => {
    if (part.length > 1) return { ...chainEntry(stages.get(part[0]!)!.rows, gpu), bytes: 0 };
    const pass = plans[k]?.passes[0];
    if (!pass) return [];
    const entry = entryOf(pass.code);
    const threads = entry.size * pass.workgroups.reduce((n, m) => n * m, 1);
    return { ...entry, threads, bytes: pass.workgroupBytes ?? 0 };
  });
  if (parts.length === 1) return true;
  if (entries.length > 1 && entries.some(({ threads }) => threads > FULL)) return false;
  const waiting = entries.filter(({ barriers }) => barriers);
  // A CPU that pretends to be a GPU runs all of a kernel with barriers in a slow way.
  if (waiting.length > 0 && gpu.software) return false;
  const shared = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  return new Set(waiting.map(({ size }) => size)).size <= 1 && shared <= gpu.maxComputeWorkgroupStorageSize;
}
