// The GPU engine: a recipe becomes a fixed list of dispatches over planned buffers; running it only re-encodes that list.
import type { OpenedDevice } from '../gpu/adapter.ts';
import { timeDispatches } from '../gpu/profiler.ts';
import { type Access, GpuRuntime, type Pipeline } from '../gpu/runtime.ts';
import { byteLength, type HostArray } from '../graph/dtype.ts';
import { DeviceError, internal, OptionError } from '../graph/errors.ts';
import type {
  CompileOptions,
  Counters,
  Executor,
  Program,
  Recipe,
  Storage,
  Ticket,
  VariableGroup,
} from '../graph/executor.ts';
import type { Capabilities, KernelPlan, NdArray } from '../graph/op.ts';
import { simplifyRecipe } from '../graph/simplify.ts';
import { expandConstant, type Node, type Tensor, type Variable, variableOf } from '../graph/tensor.ts';
import { type Commit, componentsOf, Fusion, type Group, keyOf, resolve } from './fuse.ts';
import { copyOut, GpuStorage, toWords } from './gpu-storage.ts';
import { type Dispatch, type LowerContext, lowerCheck, lowerCommit, lowerGroup, planKernel } from './lower.ts';
import { type Memory, type MemoryPlan, type Place, planMemory } from './memory.ts';
import { prepare } from './prepare.ts';

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

  /** `capabilities` overrides what the device says, for tests of other variants. */
  constructor(opened: OpenedDevice, capabilities: Partial<Capabilities> = {}) {
    this.runtime = new GpuRuntime(opened);
    const { limits } = this.runtime.device;
    this.#capabilities = {
      software: opened.report.software,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
      ...capabilities,
    };
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
    const program = new GpuProgram(this.runtime, this.#capabilities, recipe, options, storages, (array) =>
      this.#resident(array),
    );
    try {
      await program.ready();
    } catch (error) {
      program.dispose();
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

/** A dispatch with its GPU objects. */
interface Recorded {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

type Upload = (array: NdArray) => { memory: Memory; release: () => void };

class GpuProgram implements Program {
  readonly label: string;
  readonly #runtime: GpuRuntime;
  readonly #storages: readonly GpuStorage[];
  readonly #upload: Upload;
  readonly #outputs: readonly (readonly [string, Tensor])[];
  readonly #plan: MemoryPlan;
  readonly #texts: readonly Dispatch[];
  readonly #leaves = new Map<Node, Place>();
  readonly #inputs = new Map<
    string,
    { place: Place; spec: NdArray | { shape: readonly number[]; dtype: NdArray['dtype'] } }
  >();
  readonly #made: Memory[] = [];
  readonly #releases: (() => void)[] = [];
  #recorded: readonly Recorded[] = [];

  constructor(
    runtime: GpuRuntime,
    gpu: Capabilities,
    given: Recipe,
    options: CompileOptions,
    storages: readonly GpuStorage[],
    upload: Upload,
  ) {
    this.label = options.label ?? 'program';
    this.#runtime = runtime;
    this.#storages = storages;
    this.#upload = upload;
    const shares = (a: Variable, b: Variable) => this.#placeOf(a).memory === this.#placeOf(b).memory;
    const recipe = prepare(simplifyRecipe(given), shares);
    this.#outputs = Object.entries(recipe.outputs ?? {});
    const commits = commitsOf(recipe);
    const checked = recipe.guard ? [recipe.guard.step, ...recipe.guard.checked] : [];
    const outputs = this.#outputs.map(([, t]) => t);
    const fusion = new Fusion([...outputs, ...checked.filter((t) => resolve(t).node.op)], commits, {
      buffers: gpu.maxStorageBuffersPerShaderStage,
      fuse: options.fuse ?? true,
    });
    const kernels = new Map<Group, KernelPlan>();
    for (const group of fusion.groups) if (group.root) kernels.set(group, planKernel(group, fusion, gpu));
    const commitReads = [...commits.map((c) => c.tensor), ...checked].flatMap((t) =>
      fusion.readsOfInput(t).map((read) => read.tensor),
    );
    const scratch = new Map(
      [...kernels].map(([group, plan]) => [group, (plan.scratch ?? []).map((s) => ({ name: s.name, words: s.size }))]),
    );
    this.#plan = planMemory(fusion, { leaf: (node) => this.#leaf(node), outputs, commitReads, scratch });
    const wanted = new Set(
      [...outputs, ...commitReads, ...fusion.groups.flatMap((g) => fusion.needs(g))].map((t) => keyOf(resolve(t))),
    );
    addParts(fusion, wanted);
    const context: LowerContext = { fusion, plan: this.#plan, gpu, kernels, wanted };
    const texts = fusion.groups.flatMap((group) => lowerGroup(group, context));
    const status = recipe.guard && this.#placeOf(recipe.guard.status);
    if (recipe.guard) {
      const values = [...recipe.guard.checked, ...commits.filter((c) => c.guarded).map((c) => c.tensor)];
      const { step } = recipe.guard;
      const parts = packed(
        values.filter((t) => t.dtype === 'f32').map((t) => [t]),
        gpu,
        (t) => [...readKeys(fusion, t), ...readKeys(fusion, step)],
      );
      for (const part of parts) texts.push(lowerCheck(part, step, status!, context));
    }
    const parts = packed(componentsOf(commits), gpu, (c) => [...readKeys(fusion, c.tensor), keyOf(c.variable)]);
    for (const part of parts) texts.push(lowerCommit(part, (c) => this.#placeOf(c.variable), status, context));
    this.#texts = texts;
    const most = texts.find((d) => d.bindings.length > gpu.maxStorageBuffersPerShaderStage);
    if (most) {
      throw new DeviceError(
        `${most.label}: it needs ${most.bindings.length} storage buffers, this adapter has ${gpu.maxStorageBuffersPerShaderStage} a kernel. Try fuse: false.`,
      );
    }
  }

  get dispatches(): number {
    return this.#texts.length;
  }

  /** The WGSL of every dispatch, for tests and curious people. */
  get kernels(): readonly { readonly label: string; readonly code: string }[] {
    return this.#texts;
  }

  get bytes(): number {
    return [...this.#plan.owned, ...this.#made].reduce((sum, memory) => sum + memory.bytes, 0);
  }

  #placeOf(variable: Variable): Place {
    const storage = this.#storages.find((s) => s.has(variable));
    if (!storage) throw internal(`${this.label}: no storage holds ${variable}`);
    return storage.place(variable);
  }

  #leaf(node: Node): Place {
    let place = this.#leaves.get(node);
    if (!place) {
      place = this.#makeLeaf(node);
      this.#leaves.set(node, place);
    }
    return place;
  }

  #makeLeaf(node: Node): Place {
    const spec = node.outs[0]!;
    const source = node.source!;
    if (source.kind === 'variable') return this.#placeOf(variableOf(node)!);
    if (source.kind === 'resident') {
      const { memory, release } = this.#upload(source.array);
      this.#releases.push(release);
      return { memory, offset: 0, words: memory.bytes / 4 };
    }
    const size = spec.shape.reduce((n, m) => n * m, 1);
    const bytes = Math.ceil(byteLength(spec.dtype, size) / 16) * 16;
    const buffer = this.#runtime.buffer(source.kind, bytes);
    const memory: Memory = { label: source.kind, bytes, buffer };
    this.#made.push(memory);
    const place = { memory, offset: 0, words: bytes / 4 };
    if (source.kind === 'constant')
      this.#runtime.write(buffer, 0, toWords(expandConstant(source.data, spec), spec.dtype));
    else this.#inputs.set(source.name, { place, spec });
    return place;
  }

  /** Makes buffers, pipelines (all at once) and bind groups. */
  async ready(): Promise<void> {
    const runtime = this.#runtime;
    for (const memory of this.#plan.owned) {
      memory.buffer = runtime.buffer(memory.label, memory.bytes);
      this.#made.push(memory);
    }
    const pipelines = await Promise.all(
      this.#texts.map((d) =>
        runtime.pipeline(
          d.label,
          d.code,
          d.bindings.map((b): Access => b.access),
        ),
      ),
    );
    this.#recorded = this.#texts.map((d, n) => record(runtime, d, pipelines[n]!));
    await runtime.settle();
  }

  submit(steps: number, read: readonly Variable[] = []): Ticket {
    const encoder = this.#encode(steps);
    const wanted = read.map((v) => ({ place: this.#placeOf(v), dtype: v.dtype, size: v.size }));
    const values = wanted.length > 0 ? copyOut(this.#runtime, encoder, wanted) : async () => [];
    this.#runtime.submit(encoder);
    return { steps, values };
  }

  #encode(steps: number): GPUCommandEncoder {
    if (this.#recorded.length === 0 && this.#texts.length > 0) throw internal(`${this.label}: it was disposed`);
    const encoder = this.#runtime.device.createCommandEncoder({ label: this.label });
    const pass = encoder.beginComputePass({ label: this.label });
    for (let step = 0; step < steps; step++) {
      for (const dispatch of this.#recorded) encodeDispatch(pass, dispatch);
    }
    pass.end();
    return encoder;
  }

  /** Runs one step and tells how many microseconds each dispatch took. @throws DeviceError without timestamp queries. */
  async profile(): Promise<{ label: string; microseconds: number }[]> {
    const timed = this.#recorded.map((dispatch, n) => ({
      label: this.#texts[n]!.label,
      encode: (pass: GPUComputePassEncoder) => encodeDispatch(pass, dispatch),
    }));
    const times = await timeDispatches(this.#runtime, timed);
    return timed.map(({ label }, n) => ({ label, microseconds: times[n]! }));
  }

  async run(inputs: Readonly<Record<string, HostArray>> = {}): Promise<Record<string, NdArray>> {
    for (const [name, data] of Object.entries(inputs)) {
      const input = this.#inputs.get(name);
      if (!input) continue;
      const size = input.spec.shape.reduce((n, m) => n * m, 1);
      if (data.length !== size) {
        throw new OptionError(
          `${this.label}: input ${name} has ${data.length} values. It is [${input.spec.shape.join(', ')}]: give ${size}.`,
        );
      }
      this.#runtime.write(input.place.memory.buffer!, 0, toWords(data, input.spec.dtype));
    }
    const encoder = this.#encode(1);
    const wanted = this.#outputs.map(([, t]) => ({ place: this.#plan.place(t), dtype: t.dtype, size: t.size }));
    const values = wanted.length > 0 ? copyOut(this.#runtime, encoder, wanted) : async () => [];
    this.#runtime.submit(encoder);
    const arrays = await values();
    return Object.fromEntries(
      this.#outputs.map(([name, t], n) => [name, { shape: t.shape, dtype: t.dtype, data: arrays[n]! }]),
    );
  }

  dispose(): void {
    for (const memory of this.#made.splice(0)) this.#runtime.destroy(memory.buffer!);
    for (const release of this.#releases.splice(0)) release();
    this.#recorded = [];
  }
}

function encodeDispatch(pass: GPUComputePassEncoder, { pipeline, bindGroup, workgroups }: Recorded): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
}

function commitsOf({ assignments = [], records = [] }: Recipe): Commit[] {
  return [
    ...assignments.map(([variable, tensor]) => ({ variable, tensor, guarded: true })),
    ...records.map(([variable, tensor]) => ({ variable, tensor, guarded: false })),
  ];
}

/** The keys of what computing `t` reads from memory. */
function readKeys(fusion: Fusion, t: Tensor): string[] {
  return fusion.readsOfInput(t).map((read) => keyOf(read.tensor));
}

/** Puts sets of things that belong together into as few dispatches as their buffers, and the guard's flag, fit. */
function packed<T>(sets: readonly (readonly T[])[], gpu: Capabilities, buffersOf: (item: T) => string[]): T[][] {
  const dispatches: { items: T[]; buffers: Set<string> }[] = [];
  for (const set of sets) {
    const buffers = set.flatMap(buffersOf);
    const host = dispatches.find(
      (d) => new Set([...d.buffers, ...buffers]).size + 1 <= gpu.maxStorageBuffersPerShaderStage,
    );
    if (host) {
      host.items.push(...set);
      for (const key of buffers) host.buffers.add(key);
    } else dispatches.push({ items: [...set], buffers: new Set(buffers) });
  }
  return dispatches.map((d) => d.items);
}

/** Parts of wanted arenas are wanted. */
function addParts(fusion: Fusion, wanted: Set<string>): void {
  for (const part of fusion.parts(wanted)) wanted.add(keyOf(resolve(part)));
}

function record(runtime: GpuRuntime, dispatch: Dispatch, { pipeline, layout }: Pipeline): Recorded {
  const entries = dispatch.bindings.map(({ memory, offset, words }) => ({
    buffer: memory.buffer!,
    offset: offset * 4,
    size: Math.min(Math.ceil(words / 4) * 16, memory.bytes - offset * 4),
  }));
  return { pipeline, bindGroup: runtime.bindGroup(dispatch.label, layout, entries), workgroups: dispatch.workgroups };
}
