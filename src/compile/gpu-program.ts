// A compiled recipe on the GPU: its buffers, pipelines and bind groups, made once, and the fixed list of dispatches that a run
// re-encodes.
import type { Encoded } from '../gpu/profiler.ts';
import type { Access, GpuRuntime, Pipeline } from '../gpu/runtime.ts';
import { byteLength, type HostArray } from '../graph/dtype.ts';
import { disposedProgram, missingVariable } from '../graph/errors.ts';
import type { CompileOptions, Program, Recipe, Ticket } from '../graph/executor.ts';
import { Inputs } from '../graph/inputs.ts';
import type { Capabilities, NdArray, Spec } from '../graph/op.ts';
import { expandConstant, type Node, type Variable, variableOf } from '../graph/tensor.ts';
import { DispatchLength } from './dispatch-length.ts';
import { copyOut, type GpuStorage, toWords } from './gpu-storage.ts';
import type { Contents, Dispatch } from './lower.ts';
import type { Memory, Place } from './memory.ts';
import { LENGTH_OFFSETS, lengthsWords } from './persistent.ts';
import { type Schedule, schedule } from './schedule.ts';

/** A dispatch with its GPU objects. */
interface Recorded {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

/** A dispatch of a program, with what it is made of. */
export interface ProgramPart extends Encoded {
  readonly contents: Contents;
  /** Whether it comes once a submit, before the first step, and not in every step. */
  readonly once: boolean;
}

/** Puts data that stays on the device there, or finds it there; `release` is called when the program is done with it. */
export type Upload = (array: NdArray) => { memory: Memory; release: () => void };

export class GpuProgram implements Program {
  readonly label: string;
  readonly #runtime: GpuRuntime;
  readonly #storages: readonly GpuStorage[];
  readonly #upload: Upload;
  readonly #schedule: Schedule;
  readonly #names: Inputs;
  readonly #leaves = new Map<Node, Place>();
  readonly #inputs = new Map<string, { place: Place; spec: Spec }>();
  readonly #made: Memory[] = [];
  readonly #releases: (() => void)[] = [];
  #recorded: readonly Recorded[] = [];
  /** What comes before the first step of a submit. */
  #start: readonly Recorded[] = [];
  /** Where one dispatch makes many steps: it at each of its lengths, and how long it is to be. */
  #lengths: readonly Recorded[] = [];
  #length: DispatchLength | undefined;
  #disposed = false;

  constructor(
    runtime: GpuRuntime,
    gpu: Capabilities,
    recipe: Recipe,
    options: CompileOptions,
    storages: readonly GpuStorage[],
    upload: Upload,
  ) {
    this.label = options.label ?? 'program';
    this.#names = new Inputs(this.label, recipe, options.inputs);
    this.#runtime = runtime;
    this.#storages = storages;
    this.#upload = upload;
    try {
      this.#schedule = schedule(recipe, {
        gpu,
        fuse: options.fuse ?? true,
        persistent: options.persistent,
        leaf: (node) => this.#leaf(node),
        placeOf: (variable) => this.#placeOf(variable),
      });
    } catch (error) {
      this.dispose(); // Leaves that were placed before the fault hold buffers.
      throw error;
    }
  }

  /** Dispatches of a step, or 1 where one makes many steps; a submit may begin with one or two more. */
  get dispatches(): number {
    return this.#schedule.dispatches.length;
  }

  /** Whether one dispatch makes many steps. */
  get persistent(): boolean {
    return this.#schedule.lengths !== undefined;
  }

  /** The WGSL of every dispatch, for tests and curious people. */
  get kernels(): readonly { readonly label: string; readonly code: string }[] {
    return this.#schedule.dispatches;
  }

  get bytes(): number {
    return this.#made.reduce((sum, memory) => sum + memory.bytes, 0);
  }

  #placeOf(variable: Variable): Place {
    const storage = this.#storages.find((s) => s.has(variable));
    if (!storage) throw missingVariable(this.label, variable);
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
    const { start, dispatches } = this.#schedule;
    for (const memory of this.#schedule.owned) {
      memory.buffer = runtime.buffer(memory.label, memory.bytes);
      this.#made.push(memory);
    }
    const { lengths } = this.#schedule;
    if (lengths) {
      lengths.buffer = runtime.buffer(lengths.label, lengths.bytes);
      runtime.write(lengths.buffer, 0, lengthsWords());
      this.#made.push(lengths);
    }
    const pipelines = await Promise.all(
      [...start, ...dispatches].map((d) =>
        runtime.pipeline(
          d.label,
          d.code,
          d.bindings.map((b): Access => b.access),
        ),
      ),
    );
    this.#start = start.map((d, n) => record(runtime, d, pipelines[n]!));
    this.#recorded = dispatches.map((d, n) => record(runtime, d, pipelines[start.length + n]!));
    if (lengths) {
      const [steps] = dispatches;
      const pipeline = pipelines[start.length]!;
      this.#length = new DispatchLength();
      this.#lengths = LENGTH_OFFSETS.map((offset) => record(runtime, steps!, pipeline, { memory: lengths, offset }));
    }
    await runtime.settle();
  }

  submit(steps: number, read: readonly Variable[] = []): Ticket {
    const length = this.#length;
    const submit = length?.submit(steps, performance.now());
    const encoder = this.#encode(steps);
    const wanted = read.map((v) => ({ place: this.#placeOf(v), dtype: v.dtype, size: v.size }));
    const values = wanted.length > 0 ? copyOut(this.#runtime, encoder, wanted) : () => this.#runtime.done();
    this.#runtime.submit(encoder);
    if (!length) return { steps, values };
    const landed = async () => {
      const read = await values();
      length.land(submit!, performance.now());
      return read;
    };
    return { steps, values: landed };
  }

  #checkAlive(): void {
    if (this.#disposed) throw disposedProgram(this.label);
  }

  #encode(steps: number): GPUCommandEncoder {
    this.#checkAlive();
    const encoder = this.#runtime.device.createCommandEncoder({ label: this.label });
    const pass = encoder.beginComputePass({ label: this.label });
    this.encodeInto(pass, steps);
    pass.end();
    return encoder;
  }

  /** Encodes `steps` steps into a pass of whoever times them. */
  encodeInto(pass: GPUComputePassEncoder, steps: number): void {
    this.#checkAlive();
    for (const dispatch of this.#start) encodeDispatch(pass, dispatch);
    if (this.#length) {
      for (const k of this.#length.split(steps)) encodeDispatch(pass, this.#lengths[k]!);
      return;
    }
    for (let step = 0; step < steps; step++) {
      for (const dispatch of this.#recorded) encodeDispatch(pass, dispatch);
    }
  }

  /** All dispatches in order, for whoever times them one by one. */
  get parts(): readonly ProgramPart[] {
    this.#checkAlive();
    const { start, dispatches } = this.#schedule;
    return [...this.#start, ...this.#recorded].map((dispatch, n) => {
      const { label, contents } = [...start, ...dispatches][n]!;
      const encode = (pass: GPUComputePassEncoder) => encodeDispatch(pass, dispatch);
      return { label, contents, encode, once: n < start.length };
    });
  }

  async run(inputs: Readonly<Record<string, HostArray>> = {}): Promise<Record<string, NdArray>> {
    this.#checkAlive();
    this.#names.check(inputs);
    for (const [name, data] of Object.entries(inputs)) {
      const input = this.#inputs.get(name);
      if (input) this.#runtime.write(input.place.memory.buffer!, 0, toWords(data, input.spec.dtype));
    }
    const encoder = this.#encode(1);
    const wanted = this.#schedule.outputs.map(([, t]) => ({
      place: this.#schedule.plan.place(t),
      dtype: t.dtype,
      size: t.size,
    }));
    const values = wanted.length > 0 ? copyOut(this.#runtime, encoder, wanted) : async () => [];
    this.#runtime.submit(encoder);
    const arrays = await values();
    return Object.fromEntries(
      this.#schedule.outputs.map(([name, t], n) => [name, { shape: t.shape, dtype: t.dtype, data: arrays[n]! }]),
    );
  }

  dispose(): void {
    this.#disposed = true;
    for (const memory of this.#made.splice(0)) this.#runtime.destroy(memory.buffer!);
    for (const release of this.#releases.splice(0)) release();
    this.#recorded = [];
    this.#lengths = [];
    this.#start = [];
  }
}

function encodeDispatch(pass: GPUComputePassEncoder, { pipeline, bindGroup, workgroups }: Recorded): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
}

function record(
  runtime: GpuRuntime,
  dispatch: Dispatch,
  { pipeline, layout }: Pipeline,
  at?: Pick<Place, 'memory' | 'offset'>,
): Recorded {
  const entries = dispatch.bindings.map(({ memory, offset: own, words }) => {
    const offset = memory === at?.memory ? at.offset : own;
    return {
      buffer: memory.buffer!,
      offset: offset * 4,
      size: Math.min(Math.ceil(words / 4) * 16, memory.bytes - offset * 4),
    };
  });
  return { pipeline, bindGroup: runtime.bindGroup(dispatch.label, layout, entries), workgroups: dispatch.workgroups };
}
