// A backend: an engine (WebGPU or CPU) with the adapter it runs on, and the two ways to use it without a Trainer: compile
// a function once and run it often, or run it now.
import { CpuExecutor } from './cpu/executor.ts';
import { OptionError } from './graph/errors.ts';
import type { Executor, Program, Storage } from './graph/executor.ts';
import type { NdArray, Spec } from './graph/op.ts';
import { input, Tensor } from './graph/tensor.ts';
import { newTrace, withTrace } from './graph/trace.ts';

/** What a backend runs on, as every report names it. */
export interface AdapterSummary {
  /** The name to quote beside every figure; says "software" where a CPU pretends to be a GPU. */
  readonly name: string;
  readonly software: boolean;
}

/** Functions of named tensors, to tensors. */
export type Traced = (inputs: Record<string, Tensor>) => Tensor | Record<string, Tensor>;

export class Backend {
  readonly kind: 'gpu' | 'cpu';
  readonly adapter: AdapterSummary;
  readonly executor: Executor;

  constructor(executor: Executor, adapter: AdapterSummary) {
    this.kind = executor.kind;
    this.executor = executor;
    this.adapter = adapter;
  }

  /**
   * Traces `fn` once over inputs of the given specs and compiles what it returns. The program's `run` takes the inputs by
   * name and gives outputs by name (`y` where `fn` returns one tensor).
   */
  compile(
    fn: Traced,
    inputs: Readonly<Record<string, Spec>>,
    options: { training?: boolean; storages?: readonly Storage[]; label?: string; fuse?: boolean } = {},
  ): Promise<Program> {
    const tensors = Object.fromEntries(Object.entries(inputs).map(([name, spec]) => [name, input(name, spec)]));
    const trace = newTrace({ training: options.training ?? false });
    const result = withTrace(trace, () => fn(tensors));
    const outputs = result instanceof Tensor ? { y: result } : result;
    return this.executor.compile({ outputs, assignments: trace.assignments }, options);
  }

  /** Runs `fn` once on arrays, and gives its outputs: `await backend.run(({ x }) => softmax(x), { x: array })`. */
  async run(fn: Traced, inputs: Readonly<Record<string, NdArray>> = {}): Promise<Record<string, NdArray>> {
    const program = await this.compile(fn, inputs);
    try {
      return await program.run(Object.fromEntries(Object.entries(inputs).map(([name, array]) => [name, array.data])));
    } finally {
      program.dispose();
    }
  }

  /** Releases the device. Programs and storages of this backend are of no use afterwards. */
  dispose(): void {
    this.executor.dispose();
  }
}

/** The CPU backend; `float64` is the reference that gradients are proved against. */
export function createCpuBackend({ precision = 'float32' }: { precision?: 'float32' | 'float64' } = {}): Backend {
  if (precision !== 'float32' && precision !== 'float64')
    throw new OptionError(`createCpuBackend: precision is ${precision}. Use float32 or float64.`);
  return new Backend(new CpuExecutor({ precision }), { name: `CPU, ${precision}`, software: true });
}
