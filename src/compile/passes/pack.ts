// Pack side by side (horizontal fusion): independent units share a dispatch, as far as the adapter's bindings
// and workgroups allow. A dispatch costs a GPU a few microseconds however little it does, so a training step is as short as its
// longest chain of dependent units.
import type { Capabilities } from '../../graph/capabilities.ts';
import { dispatchKernels, FULL_DEVICE_THREADS } from '../../graph/cost.ts';
import { sharedBytesOf } from '../../graph/kernel.ts';
import { identityOf, resolve } from '../../graph/rewrite.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { type Buffer, type Buffers, type Home, resultsOf } from '../buffers.ts';
import { inStep, threadsOf } from '../frame.ts';
import { commitKernel } from '../kernels.ts';
import type { Dispatch, Kernel, Value } from '../plan.ts';
import type { Unit, Units } from './fuse-rows.ts';
import type { Commit } from './hazards.ts';

/** The dispatches of a step, in order. */
export interface Packed extends Omit<Units, 'units'> {
  readonly dispatches: readonly Dispatch[];
  /** The last dispatches: assignments. */
  readonly commits: readonly Dispatch[];
  /** The number of dispatches before the split, if the recipe has one. */
  readonly split: number | undefined;
}

export interface PackOptions {
  readonly gpu: Capabilities;
  /** Whether units share dispatches, and whether assignments do. */
  readonly units: boolean;
  readonly commits: boolean;
}

export function pack(units: Units, buffers: Buffers, options: PackOptions): Packed {
  const { gpu } = options;
  const { graph } = units;
  const { recipe } = graph;
  const late = afterSplit(units);
  const packing = new Packing(buffers, units, options);
  packing.add(units.units.filter((unit) => !late.has(unit)));
  const split = recipe.split.length > 0 ? packing.drafts.length : undefined;
  packing.close();
  packing.add(units.units.filter((unit) => late.has(unit)));
  const commits = options.commits
    ? intoDispatches(recipe.commits, (commit) => packing.buffersOfCommit(commit), gpu)
    : recipe.commits;
  const { units: _, ...rest } = units;
  return {
    ...rest,
    dispatches: packing.drafts,
    commits: commits.map((list) => ({
      kernels: bySize(list, ({ tensor }) => tensor.size).map((some) =>
        commitKernel(some, recipe.guard, { ...units, gpu }),
      ),
    })),
    split,
  };
}

/** The units that depend on the recipe's split tensors. */
function afterSplit({ units, graph }: Units): Set<Unit> {
  const split = new Set(graph.recipe.split.map(resolve));
  const late = new Set<Unit>();
  if (split.size === 0) return late;
  for (const unit of units) {
    const reads = unit.groups.flatMap((g) => [...g.reads]);
    if (reads.some((t) => split.has(t)) || [...unit.before].some((before) => late.has(before))) late.add(unit);
  }
  return late;
}

/** A dispatch that may still accept units. */
interface Draft extends Home {
  readonly kernels: Kernel[];
  arena: Tensor | undefined;
  /** The buffers it binds. */
  readonly bound: Set<Buffer>;
  readonly open: boolean;
}

class Packing {
  readonly drafts: Draft[] = [];
  readonly #buffers: Buffers;
  readonly #gpu: Capabilities;
  readonly #merge: boolean;
  readonly #graph: Units['graph'];
  /** The last draft of a unit. */
  readonly #at = new Map<Unit, number>();
  readonly #makers = new Map<Value, Draft>();
  /** Drafts before this one accept no more units. */
  #first = 0;

  constructor(buffers: Buffers, { graph }: Units, { gpu, units }: PackOptions) {
    this.#buffers = buffers;
    this.#graph = graph;
    this.#gpu = gpu;
    this.#merge = units;
  }

  /** Units with dependents go as early as possible, the rest as late, so that what the end of a step reads is contiguous. */
  add(units: readonly Unit[]): void {
    const awaited = new Set(units.flatMap(({ before }) => [...before]));
    for (const unit of units) if (awaited.has(unit)) this.#place(unit, false);
    const last = units.filter((unit) => !awaited.has(unit));
    const soonest = new Map(last.map((unit) => [unit, this.#soonest(unit)]));
    for (const unit of last.sort((a, b) => soonest.get(b)! - soonest.get(a)!)) this.#place(unit, true);
  }

  close(): void {
    this.#first = this.drafts.length;
  }

  #soonest({ before }: Unit): number {
    return Math.max(this.#first, ...[...before].map((unit) => this.#at.get(unit)! + 1));
  }

  #place(unit: Unit, late: boolean): void {
    const { kernels } = unit;
    const alone = kernels.length > 1 || kernels[0]!.opaque !== undefined || !this.#merge;
    const draft = alone ? undefined : this.#draftFor(kernels[0]!, this.#soonest(unit), late);
    if (draft) this.#join(draft, kernels[0]!);
    else for (const kernel of kernels) this.#join(this.#open(!alone), kernel);
    this.#at.set(unit, draft ? draft.id : this.drafts.length - 1);
  }

  #open(open: boolean): Draft {
    const draft = { id: this.drafts.length, kernels: [], arena: undefined, bound: new Set<Buffer>(), open };
    this.drafts.push(draft);
    return draft;
  }

  #join(draft: Draft, kernel: Kernel): void {
    const written = kernel.writes.map(({ value }) => value);
    const arena = draft.arena ?? this.#buffers.arenaOf(written);
    if (arena !== draft.arena) this.#move(resultsOf(draft, 'f32'), arena!);
    draft.arena = arena;
    draft.kernels.push(kernel);
    for (const value of written) this.#makers.set(value, draft);
    for (const buffer of this.#readBuffers(kernel)) draft.bound.add(buffer);
    for (const value of written) draft.bound.add(this.#buffers.of(value, draft));
  }

  /** The small results of a dispatch go into the arena that has joined it. */
  #move(from: Buffer, to: Buffer): void {
    for (const { bound } of this.drafts) if (bound.delete(from)) bound.add(to);
  }

  /** The first or the last draft from `first` on that has room. */
  #draftFor(kernel: Kernel, first: number, late: boolean): Draft | undefined {
    const count = this.drafts.length - first;
    if (count <= 0) return undefined;
    const reads = this.#readBuffers(kernel);
    const arena = this.#buffers.arenaOf(kernel.writes.map(({ value }) => value));
    for (let k = 0; k < count; k++) {
      const draft = this.drafts[late ? this.drafts.length - 1 - k : first + k]!;
      if (draft.open && this.#fits(draft, kernel, reads, arena)) return draft;
    }
    return undefined;
  }

  #fits(draft: Draft, kernel: Kernel, reads: readonly Buffer[], arena: Tensor | undefined): boolean {
    if (draft.kernels.length >= dispatchKernels(this.#gpu)) return false;
    let room = this.#gpu.maxStorageBuffersPerShaderStage - draft.bound.size;
    for (const buffer of reads) if (!draft.bound.has(buffer)) room--;
    if (room < 0) return false;
    const home = { id: draft.id, arena: draft.arena ?? arena };
    const writes = new Set(kernel.writes.map(({ value }) => this.#buffers.of(value, home)));
    for (const buffer of writes) if (!draft.bound.has(buffer) && !reads.includes(buffer)) room--;
    if (home.arena && !draft.arena && draft.bound.has(resultsOf(home, 'f32'))) room++;
    return room >= 0 && runTogether([...draft.kernels, kernel], this.#gpu);
  }

  /** The buffers a kernel binds to read results of others. */
  #readBuffers({ reads, writes }: Kernel): Buffer[] {
    const made = new Set(writes.map(({ value }) => value));
    const others = reads.filter(({ value }) => !made.has(value));
    return [...new Set(others.map(({ value }) => this.#buffers.of(value, this.#makers.get(value))))];
  }

  /** The buffers that assigning binds, including the guard's flag. */
  buffersOfCommit({ variable, tensor }: Commit): Buffer[] {
    const { guard } = this.#graph.recipe;
    const leaves = [identityOf(variable), ...(guard ? [identityOf(guard.status)] : [])];
    const reads = this.#graph.readsOfInput(tensor).map((read) => read.tensor);
    return [...leaves, ...reads].map((t) => this.#buffers.of(t, this.#makers.get(t)));
  }
}

/** Whether kernels can share a dispatch: those whose threads advance together need one workgroup size. */
function runTogether(kernels: readonly Kernel[], { barriers, sharedBytes }: Capabilities): boolean {
  const sized = kernels.filter((kernel) => kernel.sized);
  if (
    sized.length > 1 &&
    sized.some(({ workgroup, grid }) => threadsOf(workgroup) * threadsOf(grid) > FULL_DEVICE_THREADS)
  )
    return false;
  const waiting = kernels.filter((kernel) => kernel.barriers);
  // If barriers are expensive, a kernel with one is slow as a whole.
  if (waiting.length > 0 && barriers !== 'cheap') return false;
  const bytes = kernels.flatMap(({ shared }) => shared).reduce((sum, array) => sum + sharedBytesOf(array), 0);
  const rigid = new Set(kernels.filter(inStep).map(({ workgroup }) => threadsOf(workgroup)));
  return rigid.size <= 1 && bytes <= sharedBytes;
}

/** Sets of items that belong together, in as few dispatches as their buffers allow. */
export function intoDispatches<T>(
  sets: readonly (readonly T[])[],
  buffersOf: (item: T) => readonly unknown[],
  { maxStorageBuffersPerShaderStage }: Capabilities,
): T[][] {
  const dispatches: { items: T[]; buffers: Set<unknown> }[] = [];
  for (const set of sets) {
    const buffers = set.flatMap(buffersOf);
    const host = dispatches.find((d) => new Set([...d.buffers, ...buffers]).size <= maxStorageBuffersPerShaderStage);
    if (host) {
      host.items.push(...set);
      for (const buffer of buffers) host.buffers.add(buffer);
    } else dispatches.push({ items: [...set], buffers: new Set(buffers) });
  }
  return dispatches.map((d) => d.items);
}

export function bySize<T>(items: readonly T[], size: (item: T) => number): T[][] {
  const groups = new Map<number, T[]>();
  for (const item of items) groups.set(size(item), [...(groups.get(size(item)) ?? []), item]);
  return [...groups.values()];
}
