// Cases that are programs: a function of tensors, compiled as any user's is, on random arrays, and checked on some of its rows.
import type { Backend, Traced } from '../src/backend.ts';
import type { DispatchWork } from '../src/explain/explanation.ts';
import { type Timing, timePass } from '../src/gpu/profiler.ts';
import { GpuProgram } from '../src/gpu/program.ts';
import type { HostArray } from '../src/graph/dtype.ts';
import type { Program } from '../src/graph/executor.ts';
import type { NdArray } from '../src/graph/op.ts';
import { type Shape, sizeOf } from '../src/graph/shape.ts';
import type { Bench, Case, Prepared } from './cases.ts';
import { checkClose, randomArray, rowsToCheck, take } from './data.ts';
import type { Unit } from './findings.ts';
import { gpuOf } from './kernel.ts';

/** An input: its shape, and the axis along which the rows of the output come from it, if they do. */
export interface ProgramInput {
  readonly shape: Shape;
  readonly rows?: number;
}

export interface ProgramFacts {
  readonly name: string;
  readonly kind: string;
  readonly unit: Unit;
  readonly amount: number;
  readonly work: DispatchWork;
  readonly inputs: Readonly<Record<string, ProgramInput>>;
  readonly fn: Traced;
  /** Whether a row of the output takes the reference long: few are checked. */
  readonly expensiveRows?: boolean;
  /** What the numbers are drawn from; [-1, 1] unless said. */
  readonly range?: readonly [number, number];
}

export function programCase(bench: Bench, facts: ProgramFacts): Case {
  const { name, kind, unit, amount, work, inputs } = facts;
  const largest = 4 * Math.max(...Object.values(inputs).map(({ shape }) => sizeOf(shape)));
  const prepare = () => ProgramSubject.prepare(bench, facts);
  return { name, kind, unit, amount, work, largest, backend: bench.backend, prepare };
}

class ProgramSubject implements Prepared {
  readonly dispatches: number;
  readonly #program: Program;
  readonly #bench: Bench;
  readonly #facts: ProgramFacts;

  private constructor(program: Program, bench: Bench, facts: ProgramFacts) {
    this.#program = program;
    this.#bench = bench;
    this.#facts = facts;
    this.dispatches = program.dispatches;
  }

  static async prepare(bench: Bench, facts: ProgramFacts): Promise<ProgramSubject> {
    const specs = Object.entries(facts.inputs).map(([name, { shape }]) => [name, { shape, dtype: 'f32' }] as const);
    const program = await bench.backend.compile(facts.fn, Object.fromEntries(specs));
    return new ProgramSubject(program, bench, facts);
  }

  /** Computes the program on random arrays, which it keeps, and some of its outputs' rows by the reference. */
  async check(): Promise<void> {
    const { name, fn, inputs, range, expensiveRows } = this.#facts;
    const { reference, seed } = this.#bench;
    const arrays = Object.entries(inputs).map(
      ([input, { shape }]) => [input, randomArray({ shape }, seed, `${name} ${input}`, range)] as const,
    );
    const given: Record<string, HostArray> = Object.fromEntries(arrays.map(([input, { data }]) => [input, data]));
    const outputs = await this.#program.run(given);
    const byRows = arrays.some(([input]) => inputs[input]!.rows !== undefined);
    const [y] = Object.values(outputs);
    const rows = rowsToCheck(byRows ? (y!.shape[0] ?? 1) : 1, seed, name, expensiveRows);
    const some = arrays.map(([input, array]): [string, NdArray] => {
      const axis = inputs[input]!.rows;
      return [input, axis === undefined ? array : take(array, axis, rows)];
    });
    const want = await reference.run(fn, Object.fromEntries(some));
    for (const [output, all] of Object.entries(outputs)) {
      const got = byRows ? take(all, 0, rows) : all;
      checkClose(output === 'y' ? name : `${name} ${output}`, got.data, want[output]!.data);
    }
  }

  run(times: number, expected: number): Promise<Timing> {
    return timeProgram(this.#bench.backend, this.#program, times, expected);
  }

  dispose(): void {
    this.#program.dispose();
  }
}

/** Milliseconds of `times` runs of a program: by the device's clock where it has one, else by the host's. */
async function timeProgram(backend: Backend, program: Program, times: number, expected: number): Promise<Timing> {
  if (program instanceof GpuProgram) {
    const encode = (pass: GPUComputePassEncoder) => program.encodeInto(pass, times);
    return timePass(gpuOf(backend).runtime, { label: program.label, encode }, expected);
  }
  const since = performance.now();
  await program.submit(times).values();
  return { ms: performance.now() - since, clock: 'wall clock' };
}
