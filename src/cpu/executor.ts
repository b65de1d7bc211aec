// The CPU engine: the same recipes as on the GPU, run op by op over arrays that are allocated once per program.

import { type HostArray, hostArray, type Precision } from '../graph/dtype.ts';
import { DeviceError, disposedProgram, internal, missingVariable } from '../graph/errors.ts';
import {
  type CompileOptions,
  type Counters,
  type Executor,
  newCounters,
  type Program,
  type Recipe,
  type Storage,
  type Ticket,
  type VariableGroup,
} from '../graph/executor.ts';
import { checkSize, Inputs } from '../graph/inputs.ts';
import type { NdArray } from '../graph/op.ts';
import { sizeOf } from '../graph/shape.ts';
import { rootsOf, simplifyRecipe } from '../graph/simplify.ts';
import { expandConstant, type Node, type Tensor, type Variable, variableOf } from '../graph/tensor.ts';
import { topologicalOrder } from '../graph/walk.ts';
import { toPrecision } from './interpreter.ts';

/** Arrays of variables; members of a group are views into its array. */
class CpuStorage implements Storage {
  readonly bytes: number;
  readonly #arrays = new Map<Variable, HostArray>();
  readonly #release: () => void;

  constructor(groups: readonly VariableGroup[], precision: Precision, release: (bytes: number) => void) {
    let bytes = 0;
    for (const { variable, members } of groups) {
      const data = hostArray(variable.dtype, variable.size, precision);
      bytes += data.byteLength;
      this.#arrays.set(variable, data);
      for (const { variable: member, offset } of members ?? []) {
        this.#arrays.set(member, data.subarray(offset, offset + member.size));
      }
    }
    this.bytes = bytes;
    this.#release = () => release(bytes);
  }

  has(variable: Variable): boolean {
    return this.#arrays.has(variable);
  }

  /** The live array itself. */
  array(variable: Variable): HostArray {
    const data = this.#arrays.get(variable);
    if (!data) throw internal(`a variable ${variable} is not in this storage`);
    return data;
  }

  write(variable: Variable, data: HostArray): void {
    checkSize('storage', `${variable}`, variable, data);
    this.array(variable).set(data);
  }

  async read(variables: readonly Variable[]): Promise<HostArray[]> {
    return variables.map((variable) => this.array(variable).slice());
  }

  dispose(): void {
    if (this.#arrays.size > 0) this.#release();
    this.#arrays.clear();
  }
}

/** One op's application with its arrays bound. */
interface Call {
  readonly node: Node;
  readonly inputs: readonly NdArray[];
  readonly outs: readonly NdArray[];
}

class CpuProgram implements Program {
  readonly label: string;
  readonly dispatches = 0;
  readonly bytes: number;
  readonly #recipe: Recipe;
  readonly #names: Inputs;
  #disposed = false;
  readonly #storages: readonly Storage[];
  readonly #values = new Map<Node, NdArray[]>();
  readonly #calls: Call[] = [];
  readonly #inputs = new Map<string, NdArray>();

  constructor(recipe: Recipe, options: CompileOptions, precision: Precision) {
    this.label = options.label ?? 'program';
    this.#names = new Inputs(this.label, recipe, options.inputs);
    this.#recipe = simplifyRecipe(recipe);
    this.#storages = options.storages ?? [];
    let bytes = 0;
    for (const node of topologicalOrder(rootsOf(this.#recipe))) {
      if (!node.op) {
        this.#values.set(node, [this.#leaf(node, precision)]);
        continue;
      }
      const inputs = node.inputs.map((t) => this.#value(t));
      const { op } = node;
      const outs = node.outs.map((spec) => ({
        ...spec,
        data: op.view ? inputs[0]!.data : hostArray(spec.dtype, sizeOf(spec.shape), precision),
      }));
      if (!op.view) {
        this.#calls.push({ node, inputs, outs });
        for (const out of outs) bytes += out.data.byteLength;
      }
      this.#values.set(node, outs);
    }
    this.bytes = bytes;
  }

  #value(t: Tensor): NdArray {
    return this.#values.get(t.node)![t.output]!;
  }

  #leaf(node: Node, precision: Precision): NdArray {
    const spec = node.outs[0]!;
    const source = node.source!;
    switch (source.kind) {
      case 'constant':
        return { ...spec, data: toPrecision(expandConstant(source.data, spec), spec.dtype, precision) };
      case 'resident':
        return { ...spec, data: toPrecision(source.array.data, spec.dtype, precision) };
      case 'variable':
        return { ...spec, data: this.#array(variableOf(node)!) };
      case 'input': {
        const array = { ...spec, data: hostArray(spec.dtype, sizeOf(spec.shape), precision) };
        this.#inputs.set(source.name, array);
        return array;
      }
    }
  }

  #array(variable: Variable): HostArray {
    const storage = this.#storages.find((s) => s.has(variable));
    if (!(storage instanceof CpuStorage)) throw missingVariable(this.label, variable);
    return storage.array(variable);
  }

  submit(steps: number, read: readonly Variable[] = []): Ticket {
    this.#checkAlive();
    for (let i = 0; i < steps; i++) {
      this.#compute();
      this.#assign();
    }
    const values = read.map((variable) => this.#array(variable).slice());
    return { steps, values: async () => values };
  }

  async run(inputs: Readonly<Record<string, HostArray>> = {}): Promise<Record<string, NdArray>> {
    this.#checkAlive();
    this.#names.check(inputs);
    for (const [name, data] of Object.entries(inputs)) this.#inputs.get(name)?.data.set(data);
    this.#compute();
    // Read before the assignments: an output may be a variable that they move.
    const outputs = Object.entries(this.#recipe.outputs ?? {}).map(([name, t]): [string, NdArray] => {
      const { shape, dtype, data } = this.#value(t);
      return [name, { shape, dtype, data: data.slice() }];
    });
    this.#assign();
    return Object.fromEntries(outputs);
  }

  #checkAlive(): void {
    if (this.#disposed) throw disposedProgram(this.label);
  }

  #compute(): void {
    for (const { node, inputs, outs } of this.#calls) node.op!.cpu(inputs, outs, node.params);
  }

  #assign(): void {
    const guarded = this.#recipe.assignments ?? [];
    const made = this.#passes(guarded) ? guarded : [];
    // Right-hand sides that are other variables' own memory are copied first: assignments are simultaneous.
    const values = [...made, ...(this.#recipe.records ?? [])].map(([variable, t]) => {
      const { data } = this.#value(t);
      return [this.#array(variable), t.node.op && !t.node.op.view ? data : data.slice()] as const;
    });
    for (const [target, data] of values) target.set(data);
  }

  /** Whether every value about to be assigned is finite; else trips the guard. */
  #passes(assignments: readonly (readonly [Variable, Tensor])[]): boolean {
    const { guard } = this.#recipe;
    if (!guard) return true;
    const status = this.#array(guard.status);
    if (status[0] !== 0) return false;
    const checked = [...guard.checked, ...assignments.map(([, t]) => t)];
    if (checked.every((t) => allFinite(this.#value(t).data))) return true;
    status[0] = this.#value(guard.step).data[0]! + 1;
    return false;
  }

  dispose(): void {
    this.#disposed = true;
    this.#values.clear();
    this.#calls.length = 0;
    this.#inputs.clear();
  }
}

function allFinite(data: HostArray): boolean {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i]!)) return false;
  return true;
}

/** Runs recipes on the CPU: in floats as the engine where there is no GPU, in doubles as the truth. */
export class CpuExecutor implements Executor {
  readonly kind = 'cpu';
  readonly maxBindingBytes = Number.POSITIVE_INFINITY;
  readonly precision: Precision;
  readonly counters: Counters = newCounters();
  readonly lost = new Promise<never>(() => {});
  #disposed = false;

  constructor({ precision = 'float32' }: { precision?: Precision } = {}) {
    this.precision = precision;
  }

  allocate(groups: readonly VariableGroup[]): Storage {
    this.#check();
    return new CpuStorage(groups, this.precision, () => {});
  }

  async compile(recipe: Recipe, options: CompileOptions = {}): Promise<Program> {
    this.#check();
    return new CpuProgram(recipe, options, this.precision);
  }

  #check(): void {
    if (this.#disposed) throw new DeviceError('CPU backend: it was disposed. Make a new one with createBackend().');
  }

  dispose(): void {
    this.#disposed = true;
  }
}
