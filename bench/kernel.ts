// Kernels written by hand, with the arrays they read and write, run straight through the GPU's runtime.
import type { Backend } from '../src/backend.ts';
import { GpuExecutor } from '../src/compile/executor.ts';
import { type Timing, timePass } from '../src/gpu/profiler.ts';
import type { GpuRuntime } from '../src/gpu/runtime.ts';
import { GpuStorage } from '../src/gpu/storage.ts';
import { internal } from '../src/graph/errors.ts';
import { Variable } from '../src/graph/tensor.ts';

/** A kernel from one array to another, and its grid. */
export interface KernelFacts {
  readonly label: string;
  readonly code: string;
  readonly x: Float32Array;
  /** Numbers in y. */
  readonly outputs: number;
  readonly workgroups: number;
}

/** A kernel that is ready to be dispatched. */
export class Kernel {
  readonly label: string;
  readonly runtime: GpuRuntime;
  readonly #storage: GpuStorage;
  readonly #y: Variable;
  readonly #encode: (pass: GPUComputePassEncoder) => void;

  private constructor(
    label: string,
    runtime: GpuRuntime,
    storage: GpuStorage,
    y: Variable,
    encode: (pass: GPUComputePassEncoder) => void,
  ) {
    this.label = label;
    this.runtime = runtime;
    this.#storage = storage;
    this.#y = y;
    this.#encode = encode;
  }

  static async create(backend: Backend, { label, code, x, outputs, workgroups }: KernelFacts): Promise<Kernel> {
    const { runtime } = gpuOf(backend);
    const [from, to] = [variable(x.length), variable(outputs)];
    const storage = new GpuStorage(runtime, [{ variable: from }, { variable: to }]);
    try {
      storage.write(from, x);
      const { pipeline, layout } = await runtime.pipeline({
        label,
        code,
        entryPoint: 'main',
        constants: {},
        bindings: [{ access: 'read' }, { access: 'write' }],
      });
      const entries = [from, to].map((v) => {
        const { memory, offset } = storage.place(v);
        return { buffer: memory.buffer!, offset: 4 * offset, size: 4 * v.size };
      });
      const bindGroup = runtime.bindGroup(label, layout, entries);
      await runtime.settle();
      return new Kernel(label, runtime, storage, to, (pass) => {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(workgroups);
      });
    } catch (error) {
      storage.dispose();
      throw error;
    }
  }

  /** Encodes it `times` times. */
  encode(pass: GPUComputePassEncoder, times: number): void {
    for (let k = 0; k < times; k++) this.#encode(pass);
  }

  /** Times it, or what `encode` puts into the pass. */
  time(
    times: number,
    expected: number,
    encode = (pass: GPUComputePassEncoder) => this.encode(pass, times),
  ): Promise<Timing> {
    return timePass(this.runtime, { label: this.label, encode }, expected);
  }

  /** y, after everything submitted before. */
  async read(): Promise<Float32Array> {
    return (await this.#storage.read([this.#y]))[0] as Float32Array;
  }

  dispose(): void {
    this.#storage.dispose();
  }
}

function variable(size: number): Variable {
  return new Variable([size], { initial: () => new Float32Array(size) });
}

/** The GPU engine of a backend that has one. */
export function gpuOf({ executor }: Backend): GpuExecutor {
  if (executor instanceof GpuExecutor) return executor;
  throw internal('a kernel for the CPU backend');
}
