// The GPU engine: memory and programs on one device, and the data sets that stay there.
import type { OpenedDevice } from '../gpu/adapter.ts';
import { GpuRuntime } from '../gpu/runtime.ts';
import { byteLength, type HostArray } from '../graph/dtype.ts';
import { DeviceError, internal, ShaderError } from '../graph/errors.ts';
import type { CompileOptions, Counters, Executor, Program, Recipe, Storage, VariableGroup } from '../graph/executor.ts';
import type { Capabilities, NdArray } from '../graph/op.ts';
import { entryFor, type Tuning, type TuningReport, type Work } from '../graph/tuning.ts';
import { GpuProgram } from './gpu-program.ts';
import { GpuStorage, toWords } from './gpu-storage.ts';
import type { Memory } from './memory.ts';

/** A data set's buffer and how many programs read it. */
interface Resident {
  readonly memory: Memory;
  readers: number;
}

export class GpuExecutor implements Executor {
  readonly kind = 'gpu';
  readonly runtime: GpuRuntime;
  readonly #capabilities: Capabilities;
  readonly #residents = new Map<HostArray, Resident>();

  readonly #defaults: Pick<CompileOptions, 'fuse' | 'persistent'>;
  readonly #tuning: Tuning | undefined;
  /** The works of the tuning's entries that programs used. */
  readonly #used = new Set<Work>();

  /**
   * `capabilities` overrides what the device says, for tests of other variants; `defaults` hold wherever a program does not say
   * otherwise, and their `tuning` is asked how to do what it knows.
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
    this.#capabilities = {
      name: report.name,
      software: report.software,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
      tuned: (work) => this.#lookUp(work),
      ...capabilities,
    };
  }

  /** Which tuning is in force, if one is. */
  get tuning(): TuningReport | undefined {
    const works = this.#tuning?.entries.map(({ work }) => work) ?? [];
    return this.#tuning && { ...this.#tuning, used: works.filter((work) => this.#used.has(work)) };
  }

  #lookUp(work: Work): unknown {
    const entry = entryFor(this.#tuning?.entries ?? [], work);
    if (entry) this.#used.add(entry.work);
    return entry?.use;
  }

  /** What kernels may ask about the adapter. */
  get capabilities(): Capabilities {
    return this.#capabilities;
  }

  get maxBindingBytes(): number {
    return this.#capabilities.maxStorageBufferBindingSize;
  }

  get counters(): Counters {
    return this.runtime.counters;
  }

  get lost(): Promise<never> {
    return this.runtime.lost;
  }

  allocate(groups: readonly VariableGroup[]): Storage {
    return new GpuStorage(this.runtime, groups);
  }

  async compile(recipe: Recipe, options: CompileOptions = {}): Promise<Program> {
    this.runtime.check();
    const started = performance.now();
    const storages = (options.storages ?? []).map((storage) => {
      if (!(storage instanceof GpuStorage)) throw internal('a storage of another engine');
      return storage;
    });
    const upload = (array: NdArray) => this.#resident(array);
    const cut = { ...this.#defaults, ...options };
    const program = new GpuProgram(this.runtime, this.#capabilities, recipe, cut, storages, upload);
    try {
      await program.ready();
    } catch (error) {
      program.dispose();
      // A driver may refuse a kernel as large as that; nobody asked for it.
      if (error instanceof ShaderError && program.persistent && cut.persistent === undefined)
        return this.compile(recipe, { ...options, persistent: false });
      throw error;
    }
    this.counters.compileMs += performance.now() - started;
    return program;
  }

  /** The buffer of data that stays on the device, uploaded at its first use; call the function back when done with it. */
  #resident(array: NdArray): { memory: Memory; release: () => void } {
    let resident = this.#residents.get(array.data);
    if (!resident) {
      const bytes = Math.ceil(byteLength(array.dtype, array.data.length) / 16) * 16;
      const most = this.#capabilities.maxStorageBufferBindingSize;
      if (bytes > most) {
        throw new DeviceError(
          `data [${array.shape.join(', ')}]: ${bytes} bytes are more than this adapter binds at once (${most}). Use fewer examples.`,
        );
      }
      const buffer = this.runtime.buffer('data', bytes);
      this.runtime.write(buffer, 0, toWords(array.data, array.dtype));
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
    this.runtime.dispose();
  }
}
