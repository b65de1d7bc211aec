// A recipe on the CPU over arrays allocated once: fused elementwise chains and products in WebAssembly, every other op as
// its plain loop.
import type { HostArray } from '../graph/dtype.ts';
import { disposedProgram, missingVariable } from '../graph/errors.ts';
import type { CompileOptions, Program, Recipe, Storage, Ticket } from '../graph/executor.ts';
import { Inputs } from '../graph/inputs.ts';
import { onCpu } from '../graph/on-cpu.ts';
import type { NdArray, Spec } from '../graph/op.ts';
import { ARRAY, COUNT, checkValue } from '../graph/options.ts';
import { rootsOf } from '../graph/recipe.ts';
import { simplifyRecipe } from '../graph/simplify.ts';
import { type Node, type Tensor, type Variable, variableOf } from '../graph/tensor.ts';
import { topologicalOrder } from '../graph/walk.ts';
import { bytesOf, type CpuArray, type Heap } from './heap.ts';
import { fixedValues, toPrecision } from './interpreter.ts';
import { Kernels, viewed } from './kernels.ts';
import { CpuStorage } from './storage.ts';

/** An assignment to a variable. */
interface Move {
  readonly to: CpuArray;
  readonly from: CpuArray;
  /** `from` is a variable's own memory: assignments are simultaneous, so it is read before any is made. */
  readonly copied: boolean;
}

export class CpuProgram implements Program {
  readonly label: string;
  readonly dispatches = 0;
  readonly bytes: number;
  readonly #recipe: Recipe;
  readonly #names: Inputs;
  readonly #heap: Heap;
  readonly #owned = new Set<CpuArray>();
  readonly #storages: readonly Storage[];
  readonly #kernels: Kernels | undefined;
  readonly #values = new Map<Node, readonly CpuArray[]>();
  readonly #inputs = new Map<string, CpuArray>();
  /** Plain loops and calls of functions, in order. */
  #steps: readonly (() => void)[];
  readonly #checked: readonly CpuArray[];
  readonly #guarded: readonly Move[];
  readonly #records: readonly Move[];
  #disposed = false;

  /** Plans and allocates; {@link link} makes it ready. */
  constructor(recipe: Recipe, options: CompileOptions, heap: Heap) {
    this.label = options.label ?? 'program';
    this.#names = new Inputs(this.label, recipe, options.inputs);
    this.#recipe = simplifyRecipe(recipe);
    this.#storages = options.storages ?? [];
    this.#heap = heap;
    const { assignments = [], records = [], guard } = this.#recipe;
    const roots = rootsOf(this.#recipe);
    const order = topologicalOrder(roots);
    try {
      this.#kernels = heap.memory && new Kernels(order, roots, heap.threads);
      heap.checkFits(this.label, this.#allocatedFor(order));
      this.#steps = order.flatMap((node) => (node.op ? (this.#place(node) ?? []) : []));
      for (const t of roots) this.#array(t);
      this.#kernels?.reserve(heap, this.#owned);
      this.#guarded = this.#movesOf(assignments);
      this.#records = this.#movesOf(records);
      const checked = guard ? [...guard.checked, ...assignments.map(([, t]) => t)] : [];
      this.#checked = checked.filter((t) => t.dtype === 'f32').map((t) => this.#array(t));
    } catch (error) {
      this.#heap.release(this.#owned);
      throw error;
    }
    this.bytes = bytesOf(this.#owned);
  }

  /** Compiles the WebAssembly functions. */
  async link(): Promise<this> {
    try {
      await this.#kernels?.link(this.#heap);
      return this;
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  // ---- plan

  /** The arrays that the program will allocate for these nodes. */
  #allocatedFor(order: readonly Node[]): Spec[] {
    const isAllocated = ({ op, source }: Node) =>
      op ? !op.view : source!.kind !== 'variable' && source!.kind !== 'resident';
    return order.filter((node) => isAllocated(node) && !this.#kernels?.inlined.has(node)).flatMap(({ outs }) => outs);
  }

  /** What a node's step does; undefined if it has none. */
  #place(node: Node): (() => void) | undefined {
    const op = node.op!;
    if (op.view || this.#kernels?.inlined.has(node)) return undefined;
    const outs = this.#outsOf(node);
    const arrayOf = (t: Tensor) => this.#array(t);
    const kernel = this.#kernels?.add(node, arrayOf, outs);
    if (kernel) return kernel;
    const inputs = node.inputs.map(arrayOf);
    return () => onCpu(node, inputs, outs);
  }

  #outsOf(node: Node): readonly CpuArray[] {
    let outs = this.#values.get(node);
    if (!outs) {
      const [view] = node.op?.view ? node.inputs : [];
      outs = node.op
        ? node.outs.map((spec) => this.#heap.array(spec, this.#owned, view && this.#array(view)))
        : [this.#leaf(node)];
      this.#values.set(node, outs);
    }
    return outs;
  }

  #array(t: Tensor): CpuArray {
    return this.#outsOf(t.node)[t.output]!;
  }

  #leaf(node: Node): CpuArray {
    const spec = node.outs[0]!;
    const source = node.source!;
    if (source.kind === 'variable') return this.#variable(variableOf(node)!);
    const values = fixedValues(node);
    if (source.kind === 'resident')
      return { ...spec, bytes: 0, data: toPrecision(values!, spec.dtype, this.#heap.precision) };
    const array = this.#heap.array(spec, this.#owned);
    if (source.kind === 'input') this.#inputs.set(source.name, array);
    else array.data.set(values!);
    return array;
  }

  #variable(variable: Variable): CpuArray {
    const storage = this.#storages.find((s) => s.has(variable));
    if (!(storage instanceof CpuStorage) || storage.heap !== this.#heap) throw missingVariable(this.label, variable);
    return storage.array(variable);
  }

  #movesOf(list: readonly (readonly [Variable, Tensor])[]): Move[] {
    return list.map(([variable, t]) => {
      return { to: this.#variable(variable), from: this.#array(t), copied: !viewed(t).node.op };
    });
  }

  // ---- run

  submit(steps: number, read: readonly Variable[] = [], inputs?: Readonly<Record<string, HostArray>>): Ticket {
    this.#checkAlive();
    checkValue(this.label, 'steps', steps, COUNT);
    checkValue(this.label, 'what to read', read, ARRAY);
    if (inputs) this.#give(inputs);
    for (let i = 0; i < steps; i++) {
      this.#compute();
      this.#assign();
    }
    const values = read.map((variable) => this.#variable(variable).data.slice());
    return { steps, values: async () => values };
  }

  async run(inputs: Readonly<Record<string, HostArray>> = {}): Promise<Record<string, NdArray>> {
    this.#checkAlive();
    this.#give(inputs);
    this.#compute();
    // Read before the assignments: an output may be a variable that they change.
    const outputs = Object.entries(this.#recipe.outputs ?? {}).map(([name, t]): [string, NdArray] => {
      const { shape, dtype, data } = this.#array(t);
      return [name, { shape, dtype, data: data.slice() }];
    });
    this.#assign();
    return Object.fromEntries(outputs);
  }

  #give(inputs: Readonly<Record<string, HostArray>>): void {
    this.#names.check(inputs);
    for (const [name, data] of Object.entries(inputs)) this.#inputs.get(name)?.data.set(data);
  }

  #checkAlive(): void {
    this.#heap.end.check();
    // The memory of a disposed storage may have another owner by now.
    if (this.#disposed || this.#storages.some((storage) => (storage as CpuStorage).disposed))
      throw disposedProgram(this.label);
  }

  #compute(): void {
    for (const step of this.#steps) step();
  }

  #assign(): void {
    if (this.#passes()) move([...this.#guarded, ...this.#records]);
    else move(this.#records);
  }

  /** Whether every value about to be assigned is finite; else trips the guard. */
  #passes(): boolean {
    const { guard } = this.#recipe;
    if (!guard) return true;
    const status = this.#variable(guard.status).data;
    if (status[0] !== 0) return false;
    if (this.#checked.every((array) => this.#isFinite(array))) return true;
    status[0] = this.#array(guard.step).data[0]! + 1;
    return false;
  }

  #isFinite({ data, address }: CpuArray): boolean {
    if (address !== undefined) return this.#heap.allFinite(address, data.byteLength) === 1;
    for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i]!)) return false;
    return true;
  }

  dispose(): void {
    this.#disposed = true;
    this.#kernels?.release();
    this.#steps = [];
    this.#values.clear();
    this.#inputs.clear();
    this.#heap.release(this.#owned);
  }
}

function move(moves: readonly Move[]): void {
  const values = moves.map(({ from, copied }) => (copied ? from.data.slice() : from.data));
  for (const [k, { to }] of moves.entries()) to.data.set(values[k]!);
}
