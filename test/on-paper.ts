// Programs compiled without a device: memory that is none, what each pass gives, and short printed forms of it.
import { compile, type Observe, type PassResults, type Target } from '../src/compile/index.ts';
import type { PassName } from '../src/compile/pass-names.ts';
import type { Group } from '../src/compile/passes/group.ts';
import type { Rendered } from '../src/compile/passes/render.ts';
import type { Dispatch, Value } from '../src/compile/plan.ts';
import { type Memory, newMemory, type Place } from '../src/gpu/memory.ts';
import { ADAPTER_CLASSES } from '../src/graph/adapter-classes.ts';
import type { Capabilities } from '../src/graph/capabilities.ts';
import { byteLength, type DType } from '../src/graph/dtype.ts';
import type { Executor, Recipe, Storage, VariableGroup } from '../src/graph/executor.ts';
import { newCounters } from '../src/graph/executor.ts';
import { resolve } from '../src/graph/rewrite.ts';
import { fillOf, input, type Node, type Tensor, Variable, variableOf } from '../src/graph/tensor.ts';

/** Where variables lie: each in a memory of its own, unless a group says otherwise. */
export class PaperStorage implements Storage {
  readonly bytes = 0;
  readonly #places = new Map<Variable, Place>();

  constructor(groups: readonly VariableGroup[] = []) {
    for (const { variable, members = [] } of groups) {
      const memory = newMemory(members.length > 0 ? 'arena' : 'variable', byteLength(variable.dtype, variable.size));
      this.#places.set(variable, { memory, offset: 0, words: memory.bytes / 4 });
      for (const { variable: member, offset } of members)
        this.#places.set(member, { memory, offset, words: member.size });
    }
  }

  place(variable: Variable): Place {
    let place = this.#places.get(variable);
    if (!place) {
      const memory = newMemory('variable', byteLength(variable.dtype, variable.size));
      place = { memory, offset: 0, words: memory.bytes / 4 };
      this.#places.set(variable, place);
    }
    return place;
  }

  has(variable: Variable): boolean {
    return this.#places.has(variable);
  }

  write(): void {}

  copyFrom(): void {}

  read(): never {
    throw new Error('nothing is computed on paper');
  }

  dispose(): void {}
}

/** An engine that only gives out memory. */
export class PaperExecutor implements Executor {
  readonly kind = 'gpu';
  readonly maxBindingBytes = 2 ** 27;
  readonly counters = newCounters();
  readonly lost = new Promise<never>(() => {});
  readonly orLost = <T>(promise: Promise<T>): Promise<T> => promise;
  readonly storages: PaperStorage[] = [];

  allocate(groups: readonly VariableGroup[]): PaperStorage {
    const storage = new PaperStorage(groups);
    this.storages.push(storage);
    return storage;
  }

  compile(): never {
    throw new Error('nothing is compiled on paper');
  }

  dispose(): void {}
}

export interface PaperOptions extends Partial<Pick<Target, 'fuse' | 'merge' | 'persistent'>> {
  /** Default: a desktop GPU. */
  readonly adapter?: keyof typeof ADAPTER_CLASSES;
  readonly capabilities?: Partial<Capabilities>;
  /** Storage buffers that a dispatch may bind. Default: the adapter's. */
  readonly buffers?: number;
  readonly storage?: PaperStorage;
}

export function capabilitiesOf({ adapter = 'gpu', capabilities, buffers }: PaperOptions = {}): Capabilities {
  const gpu: Capabilities = { ...ADAPTER_CLASSES[adapter], ...capabilities };
  return buffers === undefined ? gpu : { ...gpu, maxStorageBuffersPerShaderStage: buffers };
}

export function paperTarget(options: PaperOptions = {}): Target {
  const { fuse = true, merge, persistent = false, storage = new PaperStorage() } = options;
  const leaves = new Map<unknown, Place>();
  return {
    gpu: capabilitiesOf(options),
    fuse,
    ...(merge !== undefined && { merge }),
    persistent,
    leaf: (node: Node) => {
      const variable = variableOf(node);
      if (variable) return storage.place(variable);
      const { source } = node;
      const key = source!.kind === 'resident' ? source!.array.data : node;
      const [t] = node.outputs as [Tensor];
      const memory: Memory = newMemory(source!.kind, byteLength(t.dtype, t.size));
      const place = leaves.get(key) ?? { memory, offset: 0, words: memory.bytes / 4 };
      leaves.set(key, place);
      return place;
    },
    placeOf: (variable) => storage.place(variable),
  };
}

/** What each pass gives. */
export interface Stages extends PassResults {
  /** What comes before the first step of a submit. */
  readonly start: readonly Rendered[];
}

/** What the passes make of a recipe, and their names in the order in which they ran. */
export function passesOf(recipe: Recipe, options: PaperOptions = {}): Stages & { readonly ran: readonly PassName[] } {
  const stages: Partial<Record<PassName, unknown>> = {};
  const ran: PassName[] = [];
  const observe: Observe = (pass, result) => {
    stages[pass] = result;
    ran.push(pass);
    return result;
  };
  const { start } = compile(recipe, paperTarget(options), observe);
  return { ...(stages as unknown as Stages), start, ran };
}

// ---- printed forms

/** Names of leaves; other tensors go by their op. */
export type LeafNames = Readonly<Record<string, Tensor>>;

/** A tensor as it is computed: `add(x, mul(y, 2))`. */
export function expressionOf(t: Tensor, names: LeafNames = {}): string {
  const x = resolve(t);
  const found = Object.entries(names).find(([, leaf]) => resolve(leaf).node === x.node);
  if (found) return found[0];
  const fill = fillOf(x);
  if (fill !== undefined) return `${fill}`;
  if (!x.node.op) return x.node.source!.kind;
  const output = x.node.outs.length > 1 ? `.${x.output}` : '';
  return `${x.node.name}(${x.node.inputs.map((input) => expressionOf(input, names)).join(', ')})${output}`;
}

/** A group as its ops: `linear+relu`, `.k` before a chain of output k, in order of computation. */
export function groupText({ root, chains }: Group): string {
  const chain = (k: number, tensors: readonly Tensor[]) =>
    (root && root.outs.length > 1 ? `.${k}` : '') + tensors.map((t) => `+${t.node.name}`).join('');
  const text = (root?.name ?? '') + [...chains].map(([k, tensors]) => chain(k, tensors)).join('');
  return root ? text : text.slice(1);
}

/** Dispatches as their kernels: `linear+relu | sum`. */
export function dispatchTexts(dispatches: readonly Dispatch[]): string[] {
  return dispatches.map(({ kernels }) => kernels.map(({ name }) => name).join(' | '));
}

/** The dispatches of one step in the end. */
export function stepOf({ plan }: Pick<PassResults['loop'], 'plan'>): readonly Dispatch[] {
  const [loop] = plan;
  if (!loop || !('count' in loop)) throw new Error('a plan is one loop');
  return loop.plan as readonly Dispatch[];
}

export function valueText(value: Value): string {
  return 'array' in value ? `${value.group.root!.name} ${value.array.name}` : value.node.name;
}

/** An input called x. */
export const f32 = (...shape: number[]): Tensor => input('x', { shape, dtype: 'f32' });

export function variable(shape: readonly number[], dtype: DType = 'f32'): Variable {
  return new Variable(shape, { dtype, initial: () => new Float32Array(1) });
}
