// A backend: an engine (WebGPU or CPU) with its adapter, and the two ways to use it without a Trainer: compile a function once and run
// it often, or run it now.
import { GpuExecutor } from './compile/executor.ts';
import { CpuExecutor } from './cpu/executor.ts';
import type { PoolFactory } from './cpu/pool.ts';
import { describe, type GpuProvider } from './gpu/adapter.ts';
import type { AdapterChoice, AdapterReport, DeviceKind } from './gpu/report.ts';
import { type HostArray, kindOf, type Precision } from './graph/dtype.ts';
import { DeviceError, OptionError } from './graph/errors.ts';
import type { CompileOptions, Executor, Program, Storage } from './graph/executor.ts';
import { arrayOf, type NestedNumbers } from './graph/numbers.ts';
import type { NdArray, Spec } from './graph/op.ts';
import {
  ARRAY,
  BOOLEAN,
  COUNT,
  checkExtra,
  checkOptions,
  checkValue,
  FUNCTION,
  OBJECT,
  oneOf,
  type Schema,
  SEED,
  STRING,
  show,
} from './graph/options.ts';
import { memoryOf } from './graph/paths.ts';
import { input, Tensor } from './graph/tensor.ts';
import { traceWith } from './graph/trace.ts';
import type { Tuning, TuningReport } from './graph/tuning.ts';
import { type NestedValue, type Tensors, VALUE, type ValueOptions, valuesOf } from './graph/value.ts';
import { faultOf } from './ops/gemm-table.ts';
import { checkTensors } from './ops/tensors.ts';

/** The adapter of a backend, as reports name it. */
export interface AdapterSummary {
  /** The name for every measurement; it says "software" if the adapter computes on the CPU. */
  readonly name: string;
  /** Whether the adapter computes on the CPU: always on the CPU engine, and with software adapters such as SwiftShader. */
  readonly software: boolean;
}

/** Functions from tensors named `K` to tensors. */
export type Traced<K extends string = string> = (inputs: Record<K, Tensor>) => Tensor | Record<string, Tensor>;

/** Options of {@link Backend.compile}: how to trace and compile a function. */
export interface TraceOptions extends CompileOptions {
  /** Whether dropout is active and `assign` may change variables. Default false. */
  readonly training?: boolean | undefined;
  /** The step counter, u32 [1], and the seed, u32 [2], that dropout draws from; usually variables. */
  readonly step?: Tensor | undefined;
  /** The seed, u32 [2]; see `step`. */
  readonly seed?: Tensor | undefined;
}

const TRACE = {
  label: STRING,
  storages: ARRAY,
  inputs: ARRAY,
  fuse: BOOLEAN,
  persistent: BOOLEAN,
  training: [BOOLEAN, false],
  step: OBJECT,
  seed: OBJECT,
} satisfies Schema<TraceOptions>;

/** Options of {@link Backend.allocate}. */
export interface AllocateOptions {
  /** The seed of initial values, a whole number. Default 0. */
  readonly seed?: number | undefined;
}

const ALLOCATE = { seed: [SEED, 0] } satisfies Schema<AllocateOptions>;

/** An engine and the adapter it runs on, as {@link createBackend} returns it. */
export class Backend {
  /** `gpu`: WebGPU. `cpu`: plain loops and WebAssembly. */
  readonly kind: 'gpu' | 'cpu';
  /** The adapter's name and whether it is software. */
  readonly adapter: AdapterSummary;
  /** @internal */
  readonly executor: Executor;
  /** A sentence for each rejected device. */
  readonly notes: readonly string[];
  /** The adapter's full report; absent on the CPU. */
  readonly report: AdapterReport | undefined;

  /** @internal */
  constructor(executor: Executor, adapter: AdapterSummary, notes: readonly string[] = [], report?: AdapterReport) {
    this.kind = executor.kind;
    this.executor = executor;
    this.adapter = adapter;
    this.notes = notes;
    this.report = report;
  }

  /** One line of text: the chosen device and its name. */
  get line(): string {
    if (this.kind === 'cpu') {
      const without = this.executor.note ? ` ${this.executor.note}` : '';
      return `Running on the CPU${this.notes.length > 0 ? ': no GPU was found' : ''}.${without}`;
    }
    return `Running on the GPU: ${this.adapter.name}.`;
  }

  /** The tuning in use and which of its entries were used so far; undefined if only the default table decides. */
  get tuning(): TuningReport | undefined {
    return this.executor.tuning;
  }

  /**
   * Traces `fn` once over inputs of the given specs and compiles what it returns. The program's `run` takes the inputs by name and returns
   * outputs by name (`y` if `fn` returns one tensor). `storages` hold the variables that `fn` reads and, with `training`, assigns: see
   * {@link Backend.allocate}.
   */
  compile<K extends string>(
    fn: Traced<K>,
    inputs: Readonly<Record<K, Spec>>,
    options: TraceOptions = {},
    ...extra: never[]
  ): Promise<Program> {
    checkValue('compile', 'the function', fn, FUNCTION);
    checkValue('compile', 'its inputs', inputs, OBJECT);
    const { training, step, seed, ...others } = checkOptions('compile', options, TRACE, extra);
    const specs = Object.entries<Spec>(inputs);
    const tensors = Object.fromEntries(specs.map(([name, spec]) => [name, input(name, spec)])) as Record<K, Tensor>;
    const { result, assignments } = traceWith({ training, step, seed }, ({ assignments }) => {
      return { result: fn(tensors), assignments };
    });
    const outputs = result instanceof Tensor ? { y: result } : result;
    // A function that only assigns has nothing to return.
    if (outputs !== undefined || !training) {
      checkValue('compile', "the function's result", outputs, OBJECT);
      checkTensors('compile', outputs);
    }
    return this.executor.compile({ outputs, assignments }, { ...others, inputs: Object.keys(inputs) });
  }

  /**
   * Memory for every variable in `model` (layers, or the `optim.state` of an optimizer and a model), with its initial values:
   * functions of the seed and of each variable's path. Programs compiled with it in `storages` read and update them.
   */
  allocate(model: object, options: AllocateOptions = {}, ...extra: never[]): Storage {
    const { seed } = checkOptions('allocate', options, ALLOCATE, extra);
    const { groups, variables } = memoryOf(model, this.executor.maxBindingBytes);
    const initial = variables.map(({ path, variable }) => variable.initial(variable, seed, path));
    const storage = this.executor.allocate(groups);
    try {
      for (const [k, { variable }] of variables.entries()) storage.write(variable, initial[k]!);
      return storage;
    } catch (error) {
      storage.dispose();
      throw error;
    }
  }

  /**
   * Runs `fn` once on arrays, and returns its outputs: `await backend.run(({ x }) => softmax(x), { x: [[1, 2, 3]] })`. Lists are f32 of the
   * shape they are nested in, typed arrays of one axis and their own dtype; `{ shape, dtype, data }` says both.
   */
  async run<K extends string = never>(
    fn: Traced<K>,
    inputs: Readonly<Record<K, NdArray | HostArray | readonly NestedNumbers[]>> = {} as Record<K, NdArray>,
    ...extra: never[]
  ): Promise<Record<string, NdArray>> {
    checkExtra('run', extra);
    checkValue('run', 'the inputs', inputs, OBJECT);
    const arrays = Object.entries<unknown>(inputs).map(([name, given]) => [name, inputOf(name, given)] as const);
    const program = await this.compile(fn, Object.fromEntries(arrays) as Record<K, NdArray>);
    try {
      return await program.run(Object.fromEntries(arrays.map(([name, { data }]) => [name, data])));
    } finally {
      program.dispose();
    }
  }

  /**
   * Computes a tensor and returns its numbers: a number for a scalar, else lists nested like its shape. With `{ as: 'typed' }` they come in
   * a typed array, row-major. Several tensors, in an array or by name, are computed together. Variables are read from the storage, or the
   * trainer, that holds them on this backend. @throws OptionError if a tensor reads an input or a variable without memory: use {@link
   * Backend.run}, or allocate.
   */
  value(x: Tensor, options?: ValueOptions & { readonly as?: 'nested' }): Promise<NestedValue>;
  value(x: Tensor, options: ValueOptions & { readonly as: 'typed' }): Promise<HostArray>;
  value<const T extends Tensors>(
    xs: T,
    options?: ValueOptions & { readonly as?: 'nested' },
  ): Promise<{ -readonly [K in keyof T]: NestedValue }>;
  value<const T extends Tensors>(
    xs: T,
    options: ValueOptions & { readonly as: 'typed' },
  ): Promise<{ -readonly [K in keyof T]: HostArray }>;
  async value(x: Tensor | Tensors, options: ValueOptions = {}, ...extra: never[]): Promise<unknown> {
    const how = checkOptions('value', options, VALUE, extra);
    checkValue('value', 'the tensor', x, OBJECT);
    if (x instanceof Tensor) return (await valuesOf(this.executor, { x }, how))['x'];
    const named = Object.fromEntries(Object.entries<Tensor>(x));
    checkTensors('value', named);
    const values = await valuesOf(this.executor, named, how);
    return Array.isArray(x) ? x.map((_, k) => values[k]) : values;
  }

  /** Releases the device. Programs and storages of this backend are unusable afterwards. */
  dispose(): void {
    this.executor.dispose();
  }
}

/** Options of {@link createCpuBackend}. */
export interface CpuBackendOptions {
  /** `float64` makes the CPU backend the reference that gradients are proved against. Default `float32`. */
  readonly precision?: Precision | undefined;
}

/** An input of {@link Backend.run} as an array. */
function inputOf(name: string, given: unknown): NdArray {
  if (typeof (given as NdArray | null)?.dtype === 'string') return given as NdArray;
  if (Array.isArray(given) || kindOf(given) !== undefined) return arrayOf(`run: the input ${name}`, given as HostArray);
  throw new OptionError(
    `run: the input ${name} is ${show(given)}. Give lists of numbers, a typed array, or { shape: [2], dtype: 'f32', data: Float32Array.of(1, 2) }.`,
  );
}

/** Options of {@link createBackend}. */
export interface BackendOptions extends CpuBackendOptions {
  /**
   * `auto`: a hardware GPU if there is one, else the CPU. `gpu`: a hardware GPU, else a software adapter, else an error. `cpu`: the CPU.
   * Default `auto`.
   */
  readonly device?: DeviceKind | undefined;
  /** Which GPU adapter, or an error. `software` is SwiftShader from npm in Node on Linux x64, else a driver of the system. */
  readonly adapter?: AdapterChoice | undefined;
  /**
   * Threads of the CPU backend in `thalweg/node`, from 1. Every number gives the same bits. Default: as many as there are cores, up to 8. In
   * doubles, in pages and on a GPU it has no effect.
   */
  readonly threads?: number | undefined;
  /** False computes every op in a separate dispatch on the GPU: slower, to see the effect of fusion. Default true. */
  readonly fuse?: boolean | undefined;
  /**
   * Whether the steps of a small network run many to a dispatch, in one workgroup that loops over them. True: whenever possible (up to
   * about 20,000 parameters at batch 64); false: never. Default: if that is faster on the adapter.
   */
  readonly persistent?: boolean | undefined;
  /**
   * True uses the default kernels, ignoring stored tuning and `tuning`: the same seed gives the same bits on every machine with this
   * adapter and version. Default false. `thalweg/node` then uses the stored results of `thalweg tune` for the adapter, if any.
   */
  readonly deterministic?: boolean | undefined;
  /**
   * A tuning to use instead of the stored one: the parsed content of the file that `thalweg tune` writes. Throws if it has another version,
   * or does not fit the adapter.
   */
  readonly tuning?: Tuning | undefined;
}

const PRECISION = { precision: [oneOf('float32', 'float64'), 'float32'] } satisfies Schema<CpuBackendOptions>;

const SCHEMA = {
  device: [oneOf('auto', 'gpu', 'cpu'), 'auto'],
  adapter: true,
  threads: COUNT,
  fuse: [BOOLEAN, true],
  persistent: BOOLEAN,
  deterministic: [BOOLEAN, false],
  tuning: OBJECT,
  ...PRECISION,
} satisfies Schema<BackendOptions>;

/**
 * The engine to run on, over the devices that `provider` finds. `thalweg` and `thalweg/node` export it with their own provider bound, and
 * with their stored tuning.
 * @throws DeviceError if the requested device is missing, with a sentence for each candidate; OptionError.
 * @internal
 */
export async function createBackendWith(
  provider: GpuProvider,
  options: BackendOptions = {},
  kept: (report: AdapterReport) => Tuning | undefined = () => undefined,
  extra: readonly unknown[] = [],
  poolOf: (threads: number | undefined) => PoolFactory | undefined = () => undefined,
): Promise<Backend> {
  const checked = checkOptions('createBackend', options, SCHEMA, extra);
  const { device, adapter, fuse, persistent, deterministic, tuning, precision, threads } = checked;
  if (persistent && !fuse)
    throw new OptionError(
      'createBackend: persistent: true and fuse: false contradict each other. Leave one of them out.',
    );
  if (
    adapter !== undefined &&
    adapter !== 'hardware' &&
    adapter !== 'software' &&
    !(typeof adapter === 'object' && typeof adapter?.name === 'string')
  ) {
    throw new OptionError(
      `createBackend: adapter is ${JSON.stringify(adapter)}. Use 'hardware', 'software' or { name }.`,
    );
  }
  if (device === 'cpu') {
    if (adapter !== undefined)
      throw new OptionError('createBackend: the CPU has no adapter. Leave out adapter, or use device gpu.');
    return cpuBackend(precision, [], poolOf(threads));
  }
  // A fixed rule without timing: software adapters on request only, since the CPU backend is faster than any.
  const choice = device === 'auto' ? (adapter ?? 'hardware') : adapter;
  const { opened, refused } = await provider.open(choice, { allowSoftware: choice !== 'hardware' });
  if (opened) {
    const { report } = opened;
    const fault = tuning === undefined ? undefined : faultOf(tuning, report.limits);
    if (fault !== undefined) {
      opened.close();
      throw new OptionError(`createBackend: tuning: ${fault}. Run thalweg tune to write a new one.`);
    }
    const table = deterministic ? undefined : (tuning ?? kept(report));
    const executor = new GpuExecutor(
      opened,
      {},
      { fuse, tuning: table, ...(persistent !== undefined && { persistent }) },
    );
    return new Backend(executor, { name: describe(report), software: report.software }, refused, report);
  }
  if (device === 'gpu' || adapter !== undefined) {
    throw new DeviceError(`no usable GPU device. ${refused.join(' ')} Or use device cpu.`);
  }
  return cpuBackend(precision, refused, poolOf(threads));
}

function cpuBackend(precision: Precision, notes: readonly string[], threads?: PoolFactory): Backend {
  return new Backend(
    new CpuExecutor({ precision, threads }),
    { name: precision === 'float64' ? 'CPU in doubles' : 'CPU', software: true },
    notes,
  );
}

/** The CPU backend, at once; `float64` is the reference that gradients are proved against. */
export function createCpuBackend(options: CpuBackendOptions = {}, ...extra: never[]): Backend {
  const { precision } = checkOptions('createCpuBackend', options, PRECISION, extra);
  return cpuBackend(precision, []);
}
