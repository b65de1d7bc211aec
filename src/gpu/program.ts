// A compiled recipe on the GPU: its buffers, pipelines and bind groups, created once, and the fixed list of dispatches that each run
// encodes.
import type { HostArray } from '../graph/dtype.ts';
import { disposedProgram, OptionError } from '../graph/errors.ts';
import type { Program, Ticket } from '../graph/executor.ts';
import type { Inputs } from '../graph/inputs.ts';
import type { NdArray } from '../graph/op.ts';
import { ARRAY, COUNT, checkValue } from '../graph/options.ts';
import type { Tensor, Variable } from '../graph/tensor.ts';
import { DispatchLength, LENGTHS } from './dispatch-length.ts';
import type { Leaves } from './leaves.ts';
import type { Memory, Place, Shader, ShaderLoop } from './memory.ts';
import type { Encoded } from './profiler.ts';
import type { GpuRuntime, Pipeline } from './runtime.ts';
import { submitAndRead, type Wanted } from './storage.ts';

/** A dispatch with its GPU objects. */
interface Recorded {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

/** A dispatch of a program. */
export interface ProgramPart extends Encoded {
  readonly shader: Shader;
  /** Whether it runs once per submit, before the first step, and not in every step. */
  readonly once: boolean;
}

/** What a program runs. */
export interface Runnable {
  readonly label: string;
  readonly inputs: Inputs;
  readonly leaves: Leaves;
  /** Dispatches before the first step of a submit. */
  readonly start: readonly Shader[];
  readonly steps: ShaderLoop;
  /** The number of dispatches in the first part of a step, if it has two. */
  readonly split: number | undefined;
  readonly outputs: readonly (readonly [string, Tensor])[];
  place(t: Tensor): Place;
  readonly owned: readonly Memory[];
}

export class GpuProgram implements Program {
  readonly label: string;
  readonly #runtime: GpuRuntime;
  readonly #runnable: Runnable;
  readonly #made: Memory[] = [];
  #recorded: readonly Recorded[] = [];
  #start: readonly Recorded[] = [];
  /** For a persistent kernel: the dispatch at each of its lengths, and the choice of length. */
  #lengths: readonly Recorded[] = [];
  #length: DispatchLength | undefined;
  #disposed = false;

  constructor(runtime: GpuRuntime, runnable: Runnable) {
    this.label = runnable.label;
    this.#runtime = runtime;
    this.#runnable = runnable;
  }

  /** Dispatches per step, or 1 if one runs many steps; a submit may begin with one or two more. */
  get dispatches(): number {
    return this.#runnable.steps.plan.length;
  }

  /** Whether one dispatch runs many steps. */
  get persistent(): boolean {
    return this.#runnable.steps.lengths !== undefined;
  }

  get bytes(): number {
    return this.#runnable.leaves.bytes + this.#made.reduce((sum, memory) => sum + memory.bytes, 0);
  }

  /** Creates buffers, pipelines (concurrently) and bind groups. */
  async ready(): Promise<void> {
    const runtime = this.#runtime;
    const { start, steps, owned } = this.#runnable;
    const { lengths, plan } = steps;
    for (const memory of [...owned, ...(lengths ? [lengths] : [])]) {
      memory.buffer = runtime.buffer(memory.label, memory.bytes);
      this.#made.push(memory);
    }
    const pipelines = await Promise.all([...start, ...plan].map((shader) => runtime.pipeline(shader, this)));
    this.#start = start.map((shader, n) => record(runtime, shader, pipelines[n]!));
    this.#recorded = plan.map((shader, n) => record(runtime, shader, pipelines[start.length + n]!));
    if (lengths) {
      runtime.write(lengths.buffer!, 0, LENGTHS.words());
      this.#length = new DispatchLength();
      this.#lengths = LENGTHS.offsets.map((offset) =>
        record(runtime, plan[0]!, pipelines[start.length]!, { memory: lengths, offset }),
      );
    }
    await runtime.settle();
  }

  submit(steps: number, read: readonly Variable[] = [], inputs?: Readonly<Record<string, HostArray>>): Ticket {
    checkValue(this.label, 'steps', steps, COUNT);
    checkValue(this.label, 'the variables to read', read, ARRAY);
    this.#checkAlive();
    if (inputs) this.#give(inputs);
    const length = this.#length;
    const submit = length?.submit(steps, performance.now());
    const values = this.#submit((pass) => this.encodeInto(pass, steps), read);
    if (!length) return { steps, values };
    const landed = async () => {
      const read = await values();
      length.complete(submit!, performance.now());
      return read;
    };
    return { steps, values: landed };
  }

  /** Submits one part of a step: the part before its recipe's split, or the rest. */
  submitPart(part: 'before' | 'after', read: readonly Variable[] = []): Ticket {
    const { split } = this.#runnable;
    if (split === undefined)
      throw new OptionError(`${this.label}: its recipe has no split. Compile one with \`split\`.`);
    const values = this.#submit((pass) => {
      const first = part === 'before';
      const dispatches = first ? [...this.#start, ...this.#recorded.slice(0, split)] : this.#recorded.slice(split);
      for (const dispatch of dispatches) encodeDispatch(pass, dispatch);
    }, read);
    return { steps: part === 'after' ? 1 : 0, values };
  }

  #submit(encode: (pass: GPUComputePassEncoder) => void, read: readonly Variable[]): () => Promise<HostArray[]> {
    const { leaves } = this.#runnable;
    return this.#send(
      encode,
      read.map((v) => ({ place: leaves.placeOf(v), dtype: v.dtype, size: v.size })),
    );
  }

  /** Submits a pass; the returned function waits for it and reads the requested results. */
  #send(encode: (pass: GPUComputePassEncoder) => void, wanted: readonly Wanted[]): () => Promise<HostArray[]> {
    this.#checkAlive();
    const { label } = this;
    const record = (encoder: GPUCommandEncoder) => {
      const pass = encoder.beginComputePass({ label });
      encode(pass);
      pass.end();
    };
    if (wanted.length > 0) return submitAndRead(this.#runtime, label, record, wanted);
    this.#runtime.submit(label, record);
    return () => this.#runtime.done();
  }

  #checkAlive(): void {
    if (this.#disposed) throw disposedProgram(this.label);
  }

  /** Encodes `steps` steps into a pass. */
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

  /** All dispatches in order, for timing them one by one. */
  get parts(): readonly ProgramPart[] {
    this.#checkAlive();
    const { start, steps } = this.#runnable;
    const shaders = [...start, ...steps.plan];
    return [...this.#start, ...this.#recorded].map((dispatch, n) => {
      const shader = shaders[n]!;
      const encode = (pass: GPUComputePassEncoder) => encodeDispatch(pass, dispatch);
      return { label: shader.label, shader, encode, once: n < start.length };
    });
  }

  async run(inputs: Readonly<Record<string, HostArray>> = {}): Promise<Record<string, NdArray>> {
    this.#checkAlive();
    this.#give(inputs);
    const { outputs, place } = this.#runnable;
    const wanted = outputs.map(([, t]) => ({ place: place(t), dtype: t.dtype, size: t.size }));
    const arrays = await this.#send((pass) => this.encodeInto(pass, 1), wanted)();
    return Object.fromEntries(
      outputs.map(([name, t], n) => [name, { shape: t.shape, dtype: t.dtype, data: arrays[n]! }]),
    );
  }

  #give(inputs: Readonly<Record<string, HostArray>>): void {
    const { leaves, inputs: names } = this.#runnable;
    names.check(inputs);
    for (const [name, data] of Object.entries(inputs)) leaves.write(name, data);
  }

  dispose(): void {
    this.#disposed = true;
    for (const memory of this.#made.splice(0)) this.#runtime.destroy(memory.buffer!);
    this.#runnable.leaves.dispose();
    this.#runtime.releasePipelines(this);
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
  shader: Shader,
  { pipeline, layout }: Pipeline,
  at?: Pick<Place, 'memory' | 'offset'>,
): Recorded {
  const entries = shader.bindings.map(({ memory, offset: own, words }) => {
    const offset = memory === at?.memory ? at.offset : own;
    return {
      buffer: memory.buffer!,
      offset: offset * 4,
      size: Math.min(Math.ceil(words / 4) * 16, memory.bytes - offset * 4),
    };
  });
  return { pipeline, bindGroup: runtime.bindGroup(shader.label, layout, entries), workgroups: shader.workgroups };
}
