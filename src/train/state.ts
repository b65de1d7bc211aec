// The State: everything a run changes. Parameters and optimizer moments (in arenas), other variables of the model, and the control
// variables that keep the host out of the loop.
import { type DType, type HostArray, hostArray } from '../graph/dtype.ts';
import { OptionError } from '../graph/errors.ts';
import type { Executor, Storage, VariableGroup } from '../graph/executor.ts';
import { COUNT, checkExtra, checkOptions, checkValue, OBJECT, POSITIVE, type Schema, show } from '../graph/options.ts';
import { type NamedVariable, NOT_OF_A_MODEL, variablesOf } from '../graph/paths.ts';
import { seedKey } from '../graph/random.ts';
import { formatShape, type Shape } from '../graph/shape.ts';
import { hold, isParameter, Variable } from '../graph/tensor.ts';
import { type Arena, buffersOf, MAX_ARENA_BYTES, together } from '../optim/arena.ts';
import { type Membership, membersOf, ratesOf } from '../optim/groups.ts';
import { checkOptimizer, type Optimizer } from '../optim/optimizer.ts';
import {
  type Entry,
  entriesOf,
  type Freezing,
  initialFreezing,
  type Layout,
  layoutOf,
  type Parts,
  sameEntries,
} from './layout.ts';
import { disposedError } from './lifetime.ts';

/** Rows in the ring of metrics and in the table of learning rates: the maximum number of steps per submit. */
export const RING = 256;

/** A variable of the model, as reports list it. */
export interface ParameterInfo {
  /** Its path in the model: `hidden.weight`. */
  readonly path: string;
  /** The sizes of the axes. */
  readonly shape: Shape;
  /** The dtype of the elements. */
  readonly dtype: DType;
  /** Elements. */
  readonly size: number;
  /** Whether the optimizer updates it; false for frozen parameters. */
  readonly trainable: boolean;
}

/** A host copy of everything in a State. */
export interface Snapshot {
  /** The values of each variable: parameters, moments and counters. */
  readonly arrays: ReadonlyMap<Variable, HostArray>;
}

export interface StateOptions {
  readonly model: object;
  readonly optimizer: Optimizer;
  readonly seed: number;
  /** Metrics per step in the ring: loss and accuracy are 2. Default 2. */
  readonly metrics?: number | undefined;
  /** The maximum bytes of an arena. Default: 128 MiB, or what a binding holds if that is less. */
  readonly maxArenaBytes?: number | undefined;
  /** Which parameters are frozen. Default: those whose variables are not trainable. */
  readonly freezing?: Freezing | undefined;
}

const SCHEMA = {
  model: OBJECT,
  optimizer: true,
  seed: true,
  metrics: [COUNT, 2],
  maxArenaBytes: POSITIVE,
  freezing: OBJECT,
} satisfies Schema<StateOptions>;

export class State {
  readonly [NOT_OF_A_MODEL] = true;
  /** The maximum bytes of one array that a kernel can bind on this engine. */
  readonly maxBindingBytes: number;
  readonly seedNumber: number;
  readonly optimizer: Optimizer;
  readonly variables: readonly NamedVariable[];
  /** Steps made, u32 [1]. */
  readonly step: Variable = counter(1);
  /** The run's seed, u32 [2]. */
  readonly seed: Variable = counter(2);
  /** The step at which the current data order began, u32 [1], and the seed of its shuffles, u32 [2]. */
  readonly origin: Variable = counter(1);
  readonly order: Variable = counter(2);
  /** Learning rates, with step s in row s mod RING: the optimizer's, then those of groups with their own, f32 [columns · RING]. */
  readonly rates: Variable;
  /** Metrics, with step s in row s mod RING, f32 [RING, K]. */
  readonly ring: Variable;
  /** 0, or the number of the first bad step + 1: see Guard. */
  readonly status: Variable = counter(1);
  readonly #executor: Executor;
  readonly #parts: Parts;
  readonly #byPath: ReadonlyMap<string, Variable>;
  #layout: Layout;
  #storage: Storage;
  #letGo: readonly (() => void)[] = [];
  #disposed = false;

  /** Allocates the memory and gives every variable its initial values, which are functions of seed and path. */
  constructor(executor: Executor, options: StateOptions, ...extra: never[]) {
    if (typeof executor?.compile !== 'function')
      throw new OptionError(`state: the executor is ${show(executor)}. Pass a backend's: backend.executor.`);
    const checked = checkOptions('state', options, SCHEMA, extra);
    const { model, optimizer, seed, metrics, maxArenaBytes, freezing } = checked;
    checkOptimizer('state', optimizer);
    const key = seedKey(seed);
    this.seedNumber = seed;
    this.maxBindingBytes = executor.maxBindingBytes;
    this.optimizer = optimizer;
    this.variables = variablesOf(model);
    this.#executor = executor;
    this.#byPath = new Map(this.variables.map(({ path, variable }) => [path, variable]));
    const trainable = this.variables.filter(({ variable }) => isParameter(variable));
    this.#parts = {
      optimizer,
      variables: this.variables,
      trainable,
      membership: membersOf(optimizer, trainable),
      maxArenaBytes: maxArenaBytes ?? Math.min(MAX_ARENA_BYTES, executor.maxBindingBytes),
    };
    this.#layout = layoutOf(this.#parts, freezing ?? initialFreezing(trainable));
    this.rates = zeros([ratesOf(optimizer).length * RING]);
    this.ring = zeros([RING, metrics]);
    this.#storage = executor.allocate(this.#buffers(this.#layout));
    try {
      this.#initialize(key);
    } catch (error) {
      this.#storage.dispose();
      throw error;
    }
    this.#letGo = this.variables.map(({ path, variable }) => hold(variable, path));
  }

  get storage(): Storage {
    return this.#storage;
  }

  /** The parameters that the optimizer updates, in the model's order. */
  get trained(): readonly NamedVariable[] {
    return this.#layout.trained;
  }

  get arenas(): readonly Arena[] {
    return this.#layout.arenas;
  }

  /** Variables of the model that the optimizer does not update. */
  get others(): readonly NamedVariable[] {
    return this.#layout.others;
  }

  get freezing(): Freezing {
    return this.#layout.freezing;
  }

  /** The variables that can be trained: trained and frozen ones. */
  get trainable(): readonly NamedVariable[] {
    return this.#parts.trainable;
  }

  /** The optimizer's group of each parameter. */
  get membership(): Membership {
    return this.#parts.membership;
  }

  #buffers({ arenas, others }: Layout): VariableGroup[] {
    const counters = together([this.step, this.seed, this.origin, this.order, this.status]);
    const buffers = buffersOf(arenas, this.#parts.maxArenaBytes, this.maxBindingBytes);
    return [...buffers, ...others, counters, together([this.rates, this.ring])];
  }

  #initialize(key: readonly [number, number]): void {
    for (const { path, variable } of this.variables)
      this.storage.write(variable, variable.initial(variable, this.seedNumber, path));
    this.#beginMoments();
    this.storage.write(this.seed, Uint32Array.from(key));
    this.storage.write(this.order, Uint32Array.from(key));
  }

  #beginMoments(): void {
    for (const slot of this.arenas.flatMap(({ slots }) => slots))
      this.storage.write(slot, slot.initial(slot, this.seedNumber, ''));
  }

  /** The model's variables in their order. */
  parameters(): ParameterInfo[] {
    const trained = new Set(this.trained);
    return this.variables.map((named) => {
      const { shape, dtype, size } = named.variable;
      return { path: named.path, shape, dtype, size, trainable: trained.has(named) };
    });
  }

  /** The variable at `path`. @throws OptionError if there is none. */
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

  /** Sets the values at `path`. @throws OptionError if they do not fill its shape. */
  write(path: string, data: HostArray, ...extra: never[]): void {
    this.#check();
    const variable = this.variable(path, ...extra);
    checkValue('state', `the new value of ${path}`, data, OBJECT);
    if (data.length !== variable.size) {
      throw new OptionError(
        `state: got ${data.length} values for ${path} ${formatShape(variable.shape)}. Give ${variable.size}.`,
      );
    }
    this.storage.write(variable, data);
  }

  /** The number in a counter (`step`, `status`). */
  async count(variable: Variable): Promise<number> {
    this.#check();
    return (await this.storage.read([variable]))[0]![0]!;
  }

  /** Starts a data order at `step`: from there on, shuffles are functions of (seed, step). */
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

  /** Restores a snapshot of this State. */
  restore({ arrays }: Snapshot): void {
    this.#check();
    for (const [variable, data] of arrays) {
      if (!this.storage.has(variable))
        throw new OptionError(
          'state: the snapshot is of another State, or parameters were frozen or unfrozen since it was taken. Take a new one.',
        );
      this.storage.write(variable, data);
    }
  }

  /** Copies everything that training changes from another State of the same model and optimizer. */
  async copyFrom(other: State): Promise<void> {
    const arrays = await other.storage.read(other.#changing());
    for (const [k, variable] of this.#changing().entries()) this.storage.write(variable, arrays[k]!);
  }

  /** Parameters, moments and other variables under their names in a checkpoint, in the current layout or another. */
  entries(layout: Layout = this.#layout): Entry[] {
    return entriesOf(layout, this.variables);
  }

  /** The layout with this freezing. @throws OptionError if nothing would be trained. */
  layoutWith(freezing: Freezing): Layout {
    return layoutOf(this.#parts, freezing);
  }

  /** Replaces the memory by that of another layout, which invalidates programs and snapshots. */
  adopt(layout: Layout): void {
    this.#replace(layout).dispose();
  }

  /** {@link adopt}, keeping all values; new moments get their initial values. */
  rearrange(layout: Layout): void {
    const entries = this.entries();
    const before = this.#replace(layout);
    try {
      this.#beginMoments();
      const counters = this.#counters.map((within) => {
        const region = { within, offset: 0, size: within.size };
        return [region, region] as const;
      });
      this.storage.copyFrom(before, [...sameEntries(entries, this.entries()), ...counters]);
    } finally {
      before.dispose();
    }
  }

  #replace(layout: Layout): Storage {
    this.#check();
    const [before, storage] = [this.#storage, this.#executor.allocate(this.#buffers(layout))];
    this.#storage = storage;
    this.#layout = layout;
    return before;
  }

  /** Counters that training or a run changes. */
  get #counters(): Variable[] {
    return [this.step, this.seed, this.origin, this.order];
  }

  #changing(): Variable[] {
    const arenas = this.arenas.flatMap(({ variable, slots }) => [variable, ...slots]);
    return [...arenas, ...this.others.map(({ variable }) => variable), ...this.#counters];
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

/** A variable initialized to zeros. */
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
