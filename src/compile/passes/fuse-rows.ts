// Fuse rows: consecutive kernel ops of which each row depends only on the same row before (a network's narrow last layers, their loss,
// and the backward pass through them) become one kernel, in which a few lanes process a row through all of them.
import type { Capabilities } from '../../graph/capabilities.ts';
import { rowKernels } from '../../graph/cost.ts';
import type { RowSpec } from '../../graph/kernel.ts';
import type { Buffers } from '../buffers.ts';
import { kernelsOf, rowKernelOf, rowSpecOf } from '../builder.ts';
import { rowByRow } from '../frame.ts';
import type { Kernel } from '../plan.ts';
import { type Group, type Grouped, inOrder, productsOf } from './group.ts';

/** Kernels that run in order: the kernel of a map group or of fused rows, or the kernels of one kernel op. */
export interface Unit {
  readonly groups: readonly Group[];
  readonly kernels: readonly Kernel[];
  /** The units it depends on. */
  readonly before: ReadonlySet<Unit>;
}

/** Units instead of groups, each after its dependencies. */
export interface Units extends Omit<Grouped, 'groups'> {
  readonly units: readonly Unit[];
}

/** A unit that groups may still join. */
interface Draft extends Unit {
  readonly groups: Group[];
  kernels: readonly Kernel[];
  readonly before: Set<Draft>;
  /** The row form of each group; undefined if it has none. */
  readonly specs: RowSpec[] | undefined;
  /** Greater than the depth of every earlier draft. */
  readonly depth: number;
}

export function fuseRows(grouped: Grouped, buffers: Buffers, gpu: Capabilities, fuse: boolean): Units {
  const source = { ...grouped, gpu };
  const drafts: Draft[] = [];
  const draftOf = new Map<Group, Draft>();
  for (const group of grouped.groups) {
    const spec = fuse ? rowSpecOf(group, source) : undefined;
    const before = new Set([...group.before].map((g) => draftOf.get(g)!));
    const chain = spec && chainFor(group, spec, before, grouped, rowKernels(gpu));
    if (
      chain &&
      countBuffers([...chain.groups, group], grouped, buffers, draftOf) <= gpu.maxStorageBuffersPerShaderStage
    ) {
      chain.groups.push(group);
      chain.specs!.push(spec);
      for (const draft of before) if (draft !== chain) chain.before.add(draft);
      draftOf.set(group, chain);
    } else {
      const depth = 1 + Math.max(-1, ...[...before].map((draft) => draft.depth));
      const draft = { groups: [group], kernels: [], specs: spec && [spec], before, depth };
      drafts.push(draft);
      draftOf.set(group, draft);
    }
  }
  for (const draft of drafts) {
    const { groups, specs } = draft;
    draft.kernels =
      groups.length > 1
        ? [
            rowByRow(
              groups.map((g, k) => rowKernelOf(g, specs![k]!, source)),
              gpu,
            ),
          ]
        : kernelsOf(groups[0]!, source);
  }
  return { ...grouped, units: inOrder(drafts, ({ before }) => before) };
}

/** The draft that the group can follow row by row: its other dependencies complete before the draft begins. */
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

/** The buffers that groups would bind as one unit. */
function countBuffers(
  groups: readonly Group[],
  { stored, behind }: Grouped,
  buffers: Buffers,
  draftOf: ReadonlyMap<Group, Draft>,
): number {
  const storedBy = (some: readonly Group[]) => some.flatMap(productsOf).filter((t) => stored.has(t));
  const homeOf = (some: readonly Group[]) => ({ id: some[0]!.id, arena: buffers.arenaOf(storedBy(some)) });
  const made = new Set(storedBy(groups));
  const home = homeOf(groups);
  const bound = new Set([...made].map((t) => buffers.of(t, home)));
  for (const t of groups.flatMap(({ reads }) => [...reads])) {
    const [maker] = behind(t);
    if (!made.has(t)) bound.add(buffers.of(t, maker && homeOf(draftOf.get(maker)!.groups)));
  }
  return bound.size;
}
