// The State: everything a run changes, in one place. Parameters and optimizer moments (in arenas), other variables of the
// model, and the control variables that keep the host out of the loop.
import { type DType, type HostArray, hostArray } from '../graph/dtype.ts';
import { internal, OptionError } from '../graph/errors.ts';
import type { Executor, Storage, VariableGroup } from '../graph/executor.ts';
import { COUNT, checkExtra, checkOptions, checkValue, type Names, OBJECT, POSITIVE, show } from '../graph/options.ts';
import { type NamedVariable, NOT_OF_A_MODEL, variablesOf } from '../graph/paths.ts';
import { seedKey } from '../graph/random.ts';
import { formatShape, type Shape } from '../graph/shape.ts';
import { hold, Variable } from '../graph/tensor.ts';
import { checkOptimizer, type Optimizer } from '../optim/optimizer.ts';
import { type Arena, layOut, MAX_ARENA_BYTES, together } from './arena.ts';
import { disposedError } from './lifetime.ts';

/** Rows in the ring of metrics and in the table of learning rates: the most steps one submit may make. */
export const RING = 256;

/** A variable of the model, as reports list it. */
export interface ParameterInfo {
  readonly path: string;
  readonly shape: Shape;
  readonly dtype: DType;
  /** Elements. */
  readonly size: number;
  readonly trainable: boolean;
}

/** A host copy of everything in a State. */
export interface Snapshot {
  readonly arrays: ReadonlyMap<Variable, HostArray>;
}

/** A tensor of a State under the name a checkpoint gives it. */
export interface Entry {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
  /** The variable with memory of its own that it lies in, and where. */
  readonly within: Variable;
  readonly offset: number;
}

export interface StateOptions {
  readonly model: object;
  readonly optimizer: Optimizer;
  readonly seed: number;
  /** Metrics per step in the ring: 2 (loss, accuracy) unless said. */
  readonly metrics?: number;
  /** The most bytes an arena may take; 128 MiB unless said. */
  readonly maxArenaBytes?: number;
}

const NAMES: Names<StateOptions> = {
  model: OBJECT,
  optimizer: true,
  seed: true,
  metrics: COUNT,
  maxArenaBytes: POSITIVE,
};

export class State {
  readonly [NOT_OF_A_MODEL] = true;
  readonly storage: Storage;
  /** The most bytes of one array that a kernel can read on this engine. */
  readonly maxBindingBytes: number;
  readonly seedNumber: number;
  readonly optimizer: Optimizer;
  readonly variables: readonly NamedVariable[];
  readonly arenas: readonly Arena[];
  /** Variables of the model that optimizers do not move. */
  readonly others: readonly NamedVariable[];
  /** Steps made, u32 [1]. */
  readonly step: Variable = counter(1);
  /** The run's seed, u32 [2]. */
  readonly seed: Variable = counter(2);
  /** The step at which the data order in use began, u32 [1], and the seed of its shuffles, u32 [2]. */
  readonly origin: Variable = counter(1);
  readonly order: Variable = counter(2);
  /** Learning rates, that of step s in row s mod RING, f32 [RING]. */
  readonly rates: Variable = zeros([RING]);
  /** Metrics, those of step s in row s mod RING, f32 [RING, K]. */
  readonly ring: Variable;
  /** 0, or the first bad step + 1: see Guard. */
  readonly status: Variable = counter(1);
  readonly #byPath: ReadonlyMap<string, Variable>;
  #letGo: readonly (() => void)[] = [];
  #disposed = false;

  /** Allocates the memory and gives every variable its initial values, which are functions of seed and path. */
  constructor(executor: Executor, options: StateOptions, ...extra: never[]) {
    if (typeof executor?.compile !== 'function')
      throw new OptionError(`state: the executor is ${show(executor)}. Give a backend's: backend.executor.`);
    checkOptions('state', options, NAMES, extra);
    const { model, optimizer, seed, metrics = 2, maxArenaBytes } = options;
    checkOptimizer('state', optimizer);
    const key = seedKey(seed);
    this.seedNumber = seed;
    this.maxBindingBytes = executor.maxBindingBytes;
    this.optimizer = optimizer;
    this.variables = variablesOf(model);
    this.#byPath = new Map(this.variables.map(({ path, variable }) => [path, variable]));
    const trainable = this.variables.filter(({ variable }) => variable.trainable);
    if (trainable.length === 0)
      throw new OptionError('model: none of its variables is trainable. Give it a layer with parameters.');
    this.others = this.variables.filter(({ variable }) => !variable.trainable);
    this.arenas = layOut(
      trainable,
      optimizer.slots,
      maxArenaBytes ?? Math.min(MAX_ARENA_BYTES, executor.maxBindingBytes),
    );
    this.ring = zeros([RING, metrics]);
    this.storage = executor.allocate(this.#groups());
    try {
      this.#initialize(key);
    } catch (error) {
      this.storage.dispose();
      throw error;
    }
    this.#letGo = this.variables.map(({ path, variable }) => hold(variable, path));
  }

  #groups(): VariableGroup[] {
    // A kernel binds few buffers, and an update reads and writes all of these: they lie side by side in three.
    const arenas = this.arenas.flatMap(({ variable, members, slots }): VariableGroup[] => {
      const all = together([variable, ...slots]);
      const fits = all.variable.size * 4 <= this.maxBindingBytes;
      if (!fits) return [{ variable, members }, ...slots.map((slot) => ({ variable: slot }))];
      return [{ ...all, members: [...all.members, ...members] }];
    });
    const counters = together([this.step, this.seed, this.origin, this.order, this.status]);
    return [...arenas, ...this.others, counters, together([this.rates, this.ring])];
  }

  #initialize(key: readonly [number, number]): void {
    for (const { path, variable } of this.variables)
      this.storage.write(variable, variable.initial(variable, this.seedNumber, path));
    const first = this.optimizer.initialSlot ?? 0;
    for (const { slots } of this.arenas) {
      for (const slot of slots) this.storage.write(slot, new Float32Array(slot.size).fill(first));
    }
    this.storage.write(this.seed, Uint32Array.from(key));
    this.storage.write(this.order, Uint32Array.from(key));
  }

  /** The model's variables in their order. */
  parameters(): ParameterInfo[] {
    return this.variables.map(({ path, variable: { shape, dtype, size, trainable } }) => ({
      path,
      shape,
      dtype,
      size,
      trainable,
    }));
  }

  /** The variable at `path`. @throws OptionError where there is none. */
  variable(path: string, ...extra: never[]): Variable {
    checkExtra('state', extra);
    const variable = this.#byPath.get(path);
    if (!variable) {
      throw new OptionError(
        `state: the model has no variable ${path}. It has ${this.variables.map((v) => v.path).join(', ')}.`,
      );
    }
    return variable;
  }

  /** A copy of the values at `path`, after everything submitted before. */
  async read(path: string, ...extra: never[]): Promise<HostArray> {
    this.#check();
    return (await this.storage.read([this.variable(path, ...extra)]))[0]!;
  }

  /** Sets the values at `path`. @throws OptionError where they do not fill its shape. */
  write(path: string, data: HostArray, ...extra: never[]): void {
    this.#check();
    const variable = this.variable(path, ...extra);
    checkValue('state', `what to write to ${path}`, data, OBJECT);
    if (data.length !== variable.size) {
      throw new OptionError(
        `state: ${data.length} values for ${path} ${formatShape(variable.shape)}. Give ${variable.size}.`,
      );
    }
    this.storage.write(variable, data);
  }

  /** The number in a counter (`step`, `status`). */
  async count(variable: Variable): Promise<number> {
    this.#check();
    return (await this.storage.read([variable]))[0]![0]!;
  }

  /** Starts a data order at `step`: the shuffles from there on are those of (seed, step). */
  beginOrder(step: number): void {
    const [low, high] = seedKey(this.seedNumber);
    this.storage.write(this.origin, Uint32Array.of(step));
    this.storage.write(this.order, Uint32Array.of(low, (high ^ step) >>> 0));
  }

  /** Copies everything that training changes to the host. */
  async snapshot(): Promise<Snapshot> {
    this.#check();
    const variables = this.#changing();
    const arrays = await this.storage.read(variables);
    return { arrays: new Map(variables.map((variable, k) => [variable, arrays[k]!])) };
  }

  /** Puts a snapshot of this State back. */
  restore({ arrays }: Snapshot): void {
    this.#check();
    for (const [variable, data] of arrays) {
      if (!this.storage.has(variable)) throw internal('a snapshot of another State');
      this.storage.write(variable, data);
    }
  }

  /** Takes over everything that training changes from another State of the same model and optimizer. */
  async copyFrom(other: State): Promise<void> {
    const arrays = await other.storage.read(other.#changing());
    for (const [k, variable] of this.#changing().entries()) this.storage.write(variable, arrays[k]!);
  }

  /** Parameters, moments and other variables, as a checkpoint names them. */
  entries(): Entry[] {
    const weights = this.variables.map(({ path, variable }): Entry => {
      const { within, offset } = this.#placeOf(variable);
      return { name: path, shape: variable.shape, dtype: variable.dtype, within, offset };
    });
    const moments = this.optimizer.slots.flatMap((slot, k) =>
      this.arenas.flatMap(({ members, slots }) =>
        members.map(({ path, variable, offset }): Entry => {
          return { name: `optimizer.${slot}.${path}`, shape: variable.shape, dtype: 'f32', within: slots[k]!, offset };
        }),
      ),
    );
    return [...weights, ...moments];
  }

  #placeOf(variable: Variable): { within: Variable; offset: number } {
    for (const arena of this.arenas) {
      const member = arena.members.find((m) => m.variable === variable);
      if (member) return { within: arena.variable, offset: member.offset };
    }
    return { within: variable, offset: 0 };
  }

  #changing(): Variable[] {
    const arenas = this.arenas.flatMap(({ variable, slots }) => [variable, ...slots]);
    return [...arenas, ...this.others.map(({ variable }) => variable), this.step, this.seed, this.origin, this.order];
  }

  #check(): void {
    if (this.#disposed) throw disposedError();
  }

  dispose(): void {
    this.#disposed = true;
    for (const letGo of this.#letGo) letGo();
    this.#letGo = [];
    this.storage.dispose();
  }
}

function counter(size: number): Variable {
  return zeros([size], 'u32');
}

/** A variable that begins as zeros. */
export function zeros(shape: Shape, dtype: DType = 'f32'): Variable {
  return new Variable(shape, {
    dtype,
    initial: (spec) =>
      hostArray(
        spec.dtype,
        shape.reduce((a, b) => a * b, 1),
      ),
  });
}
