// A whole training step as a subject: batch, forward, loss, gradients, optimizer, as a Trainer compiles it, many steps a submit,
// timed by the host's clock from the first submit until the last losses are there.
import type { Backend } from '../src/backend.ts';
import { CompiledProgram } from '../src/compile/executor.ts';
import { workOfDispatch } from '../src/explain/dispatch-work.ts';
import type { DispatchWork } from '../src/explain/explanation.ts';
import { type Clock, type Timing, timeDispatches, waitFor } from '../src/gpu/profiler.ts';
import type { HostArray } from '../src/graph/dtype.ts';
import { internal } from '../src/graph/errors.ts';
import type { Program } from '../src/graph/executor.ts';
import { philox } from '../src/graph/random.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { asLoss, type Loss, type LossFunction } from '../src/loss/loss.ts';
import type { Optimizer } from '../src/optim/optimizer.ts';
import type { Examples } from '../src/train/batch.ts';
import { network } from '../src/train/network.ts';
import type { NetworkDescription } from '../src/train/network-description.ts';
import { Rates } from '../src/train/rates.ts';
import { RING, State } from '../src/train/state.ts';
import { traceStep } from '../src/train/step.ts';
import { type Prepared, WrongResult } from './cases.ts';
import { checkClose } from './data.ts';
import { gpuOf } from './kernel.ts';

/** A model with its loss: a dense network as its description, or any other. */
export type Trained =
  | { readonly network: NetworkDescription }
  | { readonly network?: undefined; model(): { forward(x: Tensor): Tensor }; readonly loss: Loss | LossFunction };

/** What is trained, by what, on how much at once. */
export type StepFacts = Trained & StepSettings;

interface StepSettings {
  readonly name: string;
  readonly optimizer: Optimizer;
  readonly batch: number;
  readonly data: Examples;
  readonly seed: number;
  /** Steps of the whole run, where the learning rate's schedule wants to know. */
  readonly total?: number;
}

/** A dispatch: how long it took, and the arithmetic and the least memory traffic of what it computes. */
export interface TimedDispatch extends DispatchWork {
  readonly label: string;
  /** Whether it comes once a submit, before the first step. */
  readonly once: boolean;
  readonly microseconds: number;
}

/** All dispatches in order, and whose clock their times are from. */
export interface StepProfile {
  readonly clock: Clock;
  readonly dispatches: readonly TimedDispatch[];
}

/** Random bytes as pictures, with random classes. */
export function randomExamples({ inputs, outputs }: NetworkDescription, size: number, seed: number): Examples {
  const words = new Uint32Array((size * inputs) / 4 + size);
  for (let at = 0; at + 4 <= words.length; at += 4) philox(words, at, at, 0, 0, 3, seed, 0);
  const x = new Uint8Array(words.buffer, 0, size * inputs);
  const y = Uint8Array.from(words.subarray(words.length - size), (word) => word % outputs);
  return {
    name: 'random bytes',
    size,
    x: { shape: [size, inputs], data: x },
    y: { shape: [size], data: y },
    classes: outputs,
  };
}

/**
 * Arithmetic of a step (forward, gradients of weights, gradients of inputs but the first layer's) and the bytes that must
 * move: pictures twice, activations and their gradients written and read, parameters, gradients and moments read and written.
 */
export function workOf({ inputs, hidden, outputs }: NetworkDescription, batch: number, moments: number): DispatchWork {
  const widths = [inputs, ...hidden, outputs];
  const products = widths.slice(1).map((n, k) => n * widths[k]!);
  const weights = products.reduce((a, b) => a + b, 0);
  const parameters = weights + widths.slice(1).reduce((a, b) => a + b, 0);
  const flops = 2 * batch * (3 * weights - products[0]!);
  const activations = batch * widths.slice(1).reduce((a, b) => a + b, 0);
  return { flops, bytes: 2 * batch * inputs + 4 * (4 * activations + (4 + 2 * moments) * parameters) };
}

/** How far the change a step makes to the weights may be from the reference's, as norms. */
const TOLERANCE = 0.01;

export class TrainingStep implements Prepared {
  readonly dispatches: number;
  readonly most = 16 * RING;
  readonly #facts: StepFacts;
  readonly #state: State;
  readonly #program: Program;
  readonly #reference: Backend;

  private constructor(facts: StepFacts, state: State, program: Program, reference: Backend) {
    this.#facts = facts;
    this.#state = state;
    this.#program = program;
    this.#reference = reference;
    this.dispatches = program.dispatches;
  }

  /** `reference` makes the step that the first one is held against. */
  static async prepare({ executor }: Backend, facts: StepFacts, reference: Backend): Promise<TrainingStep> {
    const { optimizer, seed, data, batch, name, total } = facts;
    const { model, loss } = facts.network ? network(facts.network) : { model: facts.model(), loss: asLoss(facts.loss) };
    const state = new State(executor, { model, optimizer, seed });
    try {
      const shape = { size: data.size, batchSize: batch, shuffle: true, dropLast: true };
      const run = { dataName: name, ...shape, start: 0, total };
      const order = { ...shape, stepsPerEpoch: Math.floor(data.size / batch) };
      const { recipe } = traceStep(state, { model, loss, metrics: {} }, data, order, batch);
      const program = await executor.compile(recipe, { storages: [state.storage], label: name });
      new Rates(optimizer).write(state, 0, Math.min(RING, total ?? RING), run); // a constant rate's for every step
      return new TrainingStep(facts, state, program, reference);
    } catch (error) {
      state.dispose();
      throw error;
    }
  }

  async run(times: number, expected: number): Promise<Timing> {
    const since = performance.now();
    let landed: readonly HostArray[] = [];
    for (let left = times; left > 0; left -= RING) {
      const read = left <= RING ? [this.#state.ring, this.#state.status] : [];
      const ticket = this.#program.submit(Math.min(left, RING), read);
      if (left > RING) continue;
      const timing = await waitFor(
        async () => {
          landed = await ticket.values();
        },
        expected,
        since,
      );
      if (landed[1]![0] !== 0) throw new WrongResult(`${this.#facts.name}: a value is not finite.`);
      return timing;
    }
    throw new RangeError(`run: ${times} steps. Make one at least.`);
  }

  /** How long each dispatch takes, and what it does in that time. */
  async profile(backend: Backend, rounds: number): Promise<StepProfile> {
    if (!(this.#program instanceof CompiledProgram)) throw internal('a profile of the CPU backend');
    const { parts } = this.#program;
    const { clock, microseconds } = await timeDispatches(gpuOf(backend).runtime, parts, rounds);
    const dispatches = parts.map(({ label, contents, once }, n) => {
      return { label, once, microseconds: microseconds[n]!, ...workOfDispatch(contents) };
    });
    return { clock, dispatches };
  }

  /** Makes the first step here and by the reference, and compares what it did to every weight. */
  async check(): Promise<void> {
    const other = await TrainingStep.prepare(this.#reference, this.#facts, this.#reference);
    try {
      const [mine, theirs] = [await this.#firstStep(), await other.#firstStep()];
      for (const [k, { path }] of this.#state.variables.entries()) {
        const what = `${this.#facts.name}: what the first step did to ${path}`;
        checkNear(what, mine[k]!, theirs[k]!);
      }
    } finally {
      other.dispose();
    }
  }

  /** What the first step adds to each variable. */
  async #firstStep(): Promise<Float64Array[]> {
    const variables = this.#state.variables.map(({ variable }) => variable);
    const before = await this.#state.storage.read(variables);
    await this.run(1, 0);
    const after = await this.#state.storage.read(variables);
    return after.map((values, k) => Float64Array.from(values, (value, i) => value - before[k]![i]!));
  }

  dispose(): void {
    this.#program.dispose();
    this.#state.dispose();
  }
}

/** As norms: the least gradients are rounding noise, which Adam makes as large as all others. */
function checkNear(what: string, got: Float64Array, want: Float64Array): void {
  let [difference, size] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    difference += (got[i]! - want[i]!) ** 2;
    size += want[i]! ** 2;
  }
  if (!(difference <= TOLERANCE ** 2 * size)) checkClose(what, got, want, TOLERANCE);
}
