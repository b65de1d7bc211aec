// Fuse rows: kernel ops that compute one row after another from the row before (a network's narrow last layers, their loss, and
// the way back through them) become one kernel, in which a few lanes take a row through all of them.
import type { Capabilities } from '../../graph/capabilities.ts';
import { rowKernels } from '../../graph/cost.ts';
import type { RowSpec } from '../../graph/kernel.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Buffers, Home } from '../buffers.ts';
import { kernelsOf, rowKernelOf, rowSpecOf } from '../builder.ts';
import { rowByRow } from '../frame.ts';
import type { Kernel } from '../plan.ts';
import { type Group, type Grouped, inOrder, productsOf } from './group.ts';

/** Kernels that run in order: that of a map group or of row kernels, or those of one kernel op. */
export interface Unit {
  readonly groups: readonly Group[];
  readonly kernels: readonly Kernel[];
  /** The units that must be done before it. */
  readonly before: readonly Unit[];
}

/** Kernels in the place of groups, each unit after those it waits for. */
export interface Units extends Omit<Grouped, 'groups'> {
  readonly units: readonly Unit[];
}

/** Groups that are to be one unit. */
interface Draft {
  readonly groups: Group[];
  /** The row form of each group; absent where it has none. */
  readonly specs: RowSpec[] | undefined;
  readonly before: Set<Draft>;
  /** Longer than that of every draft before it. */
  readonly depth: number;
}

export function fuseRows(grouped: Grouped, buffers: Buffers, gpu: Capabilities, fuse: boolean): Units {
  const source = { ...grouped, gpu };
  const drafts: Draft[] = [];
  const draftOf = new Map<Group, Draft>();
  const count = new Count(grouped, buffers, draftOf);
  for (const group of grouped.groups) {
    const spec = fuse ? rowSpecOf(group, source) : undefined;
    const before = new Set(group.before.map((g) => draftOf.get(g)!));
    const chain = spec && chainFor(group, spec, before, grouped, rowKernels(gpu));
    if (chain && count.of(chain, group) <= gpu.maxStorageBuffersPerShaderStage) {
      chain.groups.push(group);
      chain.specs!.push(spec);
      for (const draft of before) if (draft !== chain) chain.before.add(draft);
      draftOf.set(group, chain);
    } else {
      const depth = 1 + Math.max(-1, ...[...before].map((draft) => draft.depth));
      const draft = { groups: [group], specs: spec && [spec], before, depth };
      drafts.push(draft);
      draftOf.set(group, draft);
    }
  }
  const units = new Map<Draft, Unit>();
  for (const draft of inOrder(drafts, ({ before }) => before)) {
    const { groups, specs } = draft;
    const kernels =
      groups.length > 1
        ? [
            rowByRow(
              groups.map((g, k) => rowKernelOf(g, specs![k]!, source)),
              gpu,
            ),
          ]
        : kernelsOf(groups[0]!, source);
    units.set(draft, { groups, kernels, before: [...draft.before].map((d) => units.get(d)!) });
  }
  return { ...grouped, units: [...units.values()] };
}

/** The draft that the group can follow row by row: what else it waits for is done before the draft begins. */
function chainFor(
  group: Group,
  spec: RowSpec,
  before: ReadonlySet<Draft>,
  { graph }: Grouped,
  most: number,
): Draft | undefined {
  const depth = Math.max(...[...before].map((draft) => draft.depth));
  const [chain, ...others] = [...before].filter((draft) => draft.depth === depth);
  if (!chain?.specs || others.length > 0 || chain.groups.length >= most) return undefined;
  if (chain.specs[0]!.rows !== spec.rows) return undefined;
  const made = new Set(chain.groups.flatMap(productsOf));
  const ofInputs = group.root!.inputs.flatMap((t, k) =>
    graph.readsOfInput(t).map((read) => ({ ...read, identity: read.identity && spec.aligned.includes(k) })),
  );
  const ofChains = [...group.chains.values()].flat().flatMap((t) => graph.reads(t));
  const within = [...ofInputs, ...ofChains].filter(({ tensor }) => made.has(tensor));
  return within.length > 0 && within.every(({ identity }) => identity) ? chain : undefined;
}

/** Counts the buffers of a draft with one group more. */
class Count {
  readonly #grouped: Grouped;
  readonly #buffers: Buffers;
  readonly #draftOf: ReadonlyMap<Group, Draft>;

  constructor(grouped: Grouped, buffers: Buffers, draftOf: ReadonlyMap<Group, Draft>) {
    this.#grouped = grouped;
    this.#buffers = buffers;
    this.#draftOf = draftOf;
  }

  of(draft: Draft, group: Group): number {
    const groups = [...draft.groups, group];
    const writes = this.#writesOf(groups);
    const home = this.#homeOf(groups);
    const made = new Set(writes);
    const reads = groups.flatMap((g) => g.reads).filter((t) => !made.has(t));
    return new Set([
      ...writes.map((value) => this.#buffers.of(value, home)),
      ...reads.map((t) => this.#buffers.of(t, this.#makerOf(t))),
    ]).size;
  }

  #makerOf(t: Tensor): Home | undefined {
    const [maker] = this.#grouped.behind(t);
    return maker && this.#homeOf(this.#draftOf.get(maker)!.groups);
  }

  #homeOf(groups: readonly Group[]): Home {
    return { id: groups[0]!.id, arena: this.#buffers.arenaOf(this.#writesOf(groups)) };
  }

  #writesOf(groups: readonly Group[]): Tensor[] {
    return groups.flatMap(productsOf).filter((t) => this.#grouped.stored.has(t));
  }
}
