// Compiles a recipe and describes it: the result of each pass, and its dispatches and buffers.
import { sideBySide } from '../compile/frame.ts';
import type { PassResults, Target } from '../compile/index.ts';
import { PASSES, type PassName } from '../compile/pass-names.ts';
import type { Rendered } from '../compile/passes/render.ts';
import type { Access, Dispatch } from '../compile/plan.ts';
import type { Memory } from '../gpu/memory.ts';
import type { Recipe } from '../graph/executor.ts';
import { sharedBytesOf } from '../graph/kernel.ts';
import { rootsOf } from '../graph/recipe.ts';
import type { Node } from '../graph/tensor.ts';
import { topologicalOrder } from '../graph/walk.ts';
import { workOfDispatch } from './dispatch-work.ts';
import {
  type AccessExplanation,
  type BufferExplanation,
  type DispatchExplanation,
  Explanation,
  type PlanCounts,
} from './explanation.ts';
import { Labels, type LeafNames, partsText } from './labels.ts';
import { buffersOf, numberBuffers } from './memory.ts';
import { fuseRowsText } from './passes/fuse-rows.ts';
import { groupText } from './passes/group.ts';
import { guardText } from './passes/guard.ts';
import { copiesOf, hazardsText } from './passes/hazards.ts';
import { loopText } from './passes/loop.ts';
import { materializeText } from './passes/materialize.ts';
import { packText } from './passes/pack.ts';
import { placeText } from './passes/place.ts';
import { prefetchText } from './passes/prefetch.ts';
import { renderText } from './passes/render.ts';
import { simplifyText } from './passes/simplify.ts';
import { dispatchesOf, observed, type Seen } from './seen.ts';

type Printer = (results: PassResults, labels: Labels) => string[];

const PRINTERS = {
  simplify: simplifyText,
  prefetch: prefetchText,
  hazards: hazardsText,
  materialize: materializeText,
  group: groupText,
  'fuse-rows': fuseRowsText,
  pack: packText,
  place: placeText,
  guard: guardText,
  loop: loopText,
  render: renderText,
} as const satisfies Record<PassName, Printer>;

/** Passes that print the graph before it is final, with its own numbers. */
const EARLY: ReadonlySet<PassName> = new Set(['simplify', 'prefetch']);

export function explainRecipe(title: string, recipe: Recipe, target: Target, names: LeafNames): Explanation {
  const seen = observed(recipe, target);
  const { results } = seen;
  const carried = results.prefetch.carried.map(([{ node }], k) => [node, `carried${k}`] as const);
  const named = new Map([...names, ...carried]);
  const early = new Labels(topologicalOrder(rootsOf(results.simplify)), named);
  const labels = new Labels(results.materialize.order, named);
  const printed = (pass: PassName) => PRINTERS[pass](results, EARLY.has(pass) ? early : labels);
  const described = new Description(seen, labels);
  return new Explanation({
    title,
    adapter: target.gpu.name,
    maxBindings: target.gpu.maxStorageBuffersPerShaderStage,
    persistent: results.render.lengths !== undefined,
    counts: countsOf(seen),
    passes: Object.fromEntries(PASSES.map((pass) => [pass, printed(pass)])) as Record<PassName, string[]>,
    dispatches: described.dispatches(),
    buffers: described.buffers(),
  });
}

function countsOf({ results, compiled }: Seen): PlanCounts {
  const { simplify, materialize, prefetch } = results;
  const ops = (nodes: readonly Node[]) => nodes.filter(({ op }) => op && !op.view);
  return {
    ops: ops(topologicalOrder(rootsOf(simplify))).length,
    planned: ops(materialize.order).length,
    stored: [...results.group.stored].filter(({ node }) => node.op && !node.op.placement).length,
    prefetched: prefetch.carried.length,
    copies: copiesOf(results).length,
    groups: results.group.groups.length,
    dispatches: compiled.steps.plan.length,
    once: compiled.start.length,
  };
}

/** Describes dispatches and buffers. */
class Description {
  readonly #seen: Seen;
  readonly #labels: Labels;
  readonly #plan: readonly Dispatch[];
  readonly #names: Map<Memory, string>;

  constructor(seen: Seen, labels: Labels) {
    const { place, loop } = seen.results;
    this.#seen = seen;
    this.#labels = labels;
    this.#plan = dispatchesOf(loop);
    // Numbered by the pass `place` first: the guard makes a dispatch touch more buffers, which must not change the numbers.
    this.#names = numberBuffers([...place.dispatches, ...place.commits, ...this.#plan], loop.place);
  }

  dispatches(): DispatchExplanation[] {
    const { start, steps } = this.#seen.compiled;
    return [
      ...steps.plan.map((shader, k) => ({ ...this.#shader(shader), ...this.#kernels(this.#plan[k]!), name: `d${k}` })),
      ...start.map((shader, k) => ({ ...this.#shader(shader), name: `s${k}`, once: true })),
    ];
  }

  #shader({ label, contents, bindings, workgroups, code }: Rendered): Omit<DispatchExplanation, 'name'> {
    return {
      label,
      once: false,
      ...workOfDispatch(contents),
      kernels: [],
      accesses: [],
      bindings: bindings.map(({ memory, offset, words, access }, index) => ({
        index,
        buffer: this.#buffer(memory),
        offset: offset * 4,
        bytes: words * 4,
        access,
      })),
      workgroups,
      wgsl: code,
    };
  }

  #buffer(memory: Memory): string {
    const name = this.#names.get(memory) ?? `b${this.#names.size}`;
    this.#names.set(memory, name);
    return name;
  }

  #kernels({ kernels }: Dispatch): Pick<DispatchExplanation, 'kernels' | 'accesses'> {
    const { reads, writes } = sideBySide(kernels, this.#seen.target.gpu);
    return {
      kernels: kernels.map((kernel) => ({
        name: kernel.name,
        parts: partsText(kernel, this.#labels),
        workgroup: kernel.workgroup,
        workgroups: kernel.grid,
        barriers: kernel.barriers,
        sharedBytes: kernel.shared.reduce((sum, array) => sum + sharedBytesOf(array), 0),
      })),
      accesses: [...reads.map((a) => this.#access(a, 'read')), ...writes.map((a) => this.#access(a, 'write'))],
    };
  }

  #access({ value, type, width }: Access, access: 'read' | 'write'): AccessExplanation {
    const { memory, offset } = this.#seen.results.loop.place(value);
    return { value: this.#labels.value(value), type, width, access, buffer: this.#buffer(memory), offset: offset * 4 };
  }

  /** The buffers of a step, then those bound only once per submit. */
  buffers(): BufferExplanation[] {
    const { results, compiled } = this.#seen;
    const listed = buffersOf(this.#plan, results.loop, this.#labels, this.#names);
    const known = new Set(listed.map(({ name }) => name));
    const others = compiled.owned.filter((memory) => !known.has(this.#buffer(memory)));
    return [
      ...listed,
      ...others.map((memory) => ({
        name: this.#buffer(memory),
        label: memory.label,
        bytes: memory.bytes,
        owner: 'program' as const,
        values: [],
      })),
    ];
  }
}
