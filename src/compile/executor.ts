// The GPU engine: memory and programs on one device, and its resident data sets.
import type { OpenedDevice } from '../gpu/adapter.ts';
import { Leaves } from '../gpu/leaves.ts';
import type { Memory } from '../gpu/memory.ts';
import { GpuProgram, type ProgramPart } from '../gpu/program.ts';
import { GpuRuntime } from '../gpu/runtime.ts';
import { GpuStorage, toWords } from '../gpu/storage.ts';
import { type Capabilities, costsOf } from '../graph/capabilities.ts';
import { byteLength, type HostArray } from '../graph/dtype.ts';
import { DeviceError, internal, ShaderError } from '../graph/errors.ts';
import type { CompileOptions, Counters, Executor, Recipe, Storage, VariableGroup } from '../graph/executor.ts';
import { Inputs } from '../graph/inputs.ts';
import type { NdArray } from '../graph/op.ts';
import { Storages } from '../graph/storages.ts';
import { entryFor, type Tuning, type TuningReport, type Work } from '../graph/tuning.ts';
import { type Compiled, compile, type Target } from './index.ts';
import { checkBuffers } from './memory-limits.ts';
import type { Rendered } from './passes/render.ts';
import type { Contents } from './plan.ts';

/** A program with the plan it was compiled from. */
export class CompiledProgram extends GpuProgram {
  readonly recipe: Recipe;
  readonly target: Target;
  readonly compiled: Compiled;

  constructor(
    runtime: GpuRuntime,
    recipe: Recipe,
    target: Target,
    compiled: Compiled,
    own: { label: string; inputs: Inputs; leaves: Leaves },
  ) {
    super(runtime, { ...compiled, ...own });
    this.recipe = recipe;
    this.target = target;
    this.compiled = compiled;
  }

  /** All dispatches in order with their parts, for timing them one by one. */
  override get parts(): readonly (ProgramPart & { readonly contents: readonly Contents[] })[] {
    return super.parts.map((part) => ({ ...part, contents: (part.shader as Rendered).contents }));
  }
}

/** A data set's buffer and how many programs read it. */
interface Resident {
  readonly memory: Memory;
  readers: number;
}

export class GpuExecutor implements Executor {
  readonly kind = 'gpu';
  readonly runtime: GpuRuntime;
  /** What kernels may ask about the adapter. */
  readonly capabilities: Capabilities;
  readonly inUse = new Storages<Storage>();
  readonly #residents = new Map<HostArray, Resident>();
  readonly #defaults: Pick<CompileOptions, 'fuse' | 'persistent'>;
  readonly #tuning: Tuning | undefined;
  /** Works with a tuned entry that a kernel requested. */
  readonly #used = new Set<Work>();

  /**
   * `capabilities` overrides the device's, for tests of other variants; `defaults` apply where a program sets no option, and their `tuning`
   * is looked up for each product.
   */
  constructor(
    device: OpenedDevice | GpuRuntime,
    capabilities: Partial<Capabilities> = {},
    {
      tuning,
      ...defaults
    }: Pick<CompileOptions, 'fuse' | 'persistent'> & { readonly tuning?: Tuning | undefined } = {},
  ) {
    this.#defaults = defaults;
    this.#tuning = tuning;
    this.runtime = device instanceof GpuRuntime ? device : new GpuRuntime(device);
    const { limits } = this.runtime.device;
    const { report } = this.runtime.opened;
    this.capabilities = {
      name: report.name,
      ...costsOf(report.software),
      features: new Set(report.features),
      subgroupLanes: this.runtime.subgroupLanes,
      sharedBytes: limits.maxComputeWorkgroupStorageSize,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
      tuned: (work) => this.#lookUp(work),
      ...capabilities,
    };
  }

  /** The tuning in use, if any. */
  get tuning(): TuningReport | undefined {
    const works = this.#tuning?.entries.map(({ work }) => work) ?? [];
    return this.#tuning && { ...this.#tuning, used: works.filter((work) => this.#used.has(work)) };
  }

  #lookUp(work: Work): unknown {
    const entry = entryFor(this.#tuning?.entries ?? [], work);
    if (entry) this.#used.add(entry.work);
    return entry?.use;
  }

  get maxBindingBytes(): number {
    return this.capabilities.maxStorageBufferBindingSize;
  }

  get counters(): Counters {
    return this.runtime.counters;
  }

  get lost(): Promise<never> {
    return this.runtime.end.lost;
  }

  orLost<T>(promise: Promise<T>): Promise<T> {
    return this.runtime.end.orLost(promise);
  }

  allocate(groups: readonly VariableGroup[]): Storage {
    return this.inUse.register(new GpuStorage(this.runtime, groups));
  }

  async compile(recipe: Recipe, options: CompileOptions = {}): Promise<CompiledProgram> {
    this.runtime.check();
    const started = performance.now();
    const storages = (options.storages ?? []).map((storage) => {
      if (!(storage instanceof GpuStorage)) throw internal('a storage of another engine');
      return storage;
    });
    const program = await this.#compile(recipe, { ...this.#defaults, ...options }, storages);
    this.counters.compileMs += performance.now() - started;
    return program;
  }

  async #compile(
    recipe: Recipe,
    options: CompileOptions,
    storages: readonly GpuStorage[],
    merge = true,
  ): Promise<CompiledProgram> {
    const { label = 'program', fuse = true, persistent } = options;
    const inputs = new Inputs(label, recipe, options.inputs);
    const leaves = new Leaves(label, this.runtime, storages, (array) => this.#resident(array));
    let program: CompiledProgram | undefined;
    try {
      const target: Target = {
        gpu: this.capabilities,
        fuse,
        merge,
        persistent,
        leaf: (node) => leaves.leaf(node),
        placeOf: (variable) => leaves.placeOf(variable),
      };
      const compiled = compile(recipe, target);
      checkBuffers(label, compiled.owned, this.runtime.device.limits.maxBufferSize);
      program = new CompiledProgram(this.runtime, recipe, target, compiled, { label, inputs, leaves });
      await program.ready();
      return program;
    } catch (error) {
      if (program) program.dispose();
      else leaves.dispose(); // Leaves placed before the fault hold buffers.
      if (!(error instanceof ShaderError) || !program) throw error;
      // A driver may reject a merged kernel for its size, and the caller did not request one.
      if (program.persistent && persistent === undefined)
        return this.#compile(recipe, { ...options, persistent: false }, storages, merge);
      if (program.persistent) throw error;
      const { start, steps } = program.compiled;
      if (!merge || [...start, ...steps.plan].every(({ kernels }) => kernels === 1)) throw error;
      return this.#compile(recipe, options, storages, false);
    }
  }

  /** The buffer of resident data, uploaded at its first use; call the returned function to release it. */
  #resident(array: NdArray): { memory: Memory; release: () => void } {
    let resident = this.#residents.get(array.data);
    if (!resident) {
      const bytes = Math.ceil(byteLength(array.dtype, array.data.length) / 16) * 16;
      const most = this.capabilities.maxStorageBufferBindingSize;
      if (bytes > most) {
        throw new DeviceError(
          `data [${array.shape.join(', ')}]: its ${bytes} bytes are more than this adapter can bind at once (${most}). Use fewer examples.`,
        );
      }
      const buffer = this.runtime.buffer('data', bytes);
      try {
        this.runtime.write(buffer, 0, toWords(array.data, array.dtype));
      } catch (error) {
        this.runtime.destroy(buffer);
        throw error;
      }
      resident = { memory: { label: 'data', bytes, buffer }, readers: 0 };
      this.#residents.set(array.data, resident);
    }
    const held = resident;
    held.readers++;
    const release = () => {
      if (--held.readers > 0) return;
      this.#residents.delete(array.data);
      this.runtime.destroy(held.memory.buffer!);
    };
    return { memory: held.memory, release };
  }

  dispose(): void {
    this.#residents.clear();
    this.runtime.dispose();
  }
}
