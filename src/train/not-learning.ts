// "Not learning": a loss no better than the best constant prediction's, while units are saturated or dead. Such a network never
// overflows, so no other check detects it.
import type { HostArray } from '../graph/dtype.ts';
import type { Executor, Program } from '../graph/executor.ts';
import { partsOf } from '../graph/nested.ts';
import type { Node, Tensor } from '../graph/tensor.ts';
import { traceWith } from '../graph/trace.ts';
import { topologicalOrder } from '../graph/walk.ts';
import { iota } from '../ops/counter.ts';
import { type Examples, rowsAt } from './batch.ts';
import { forward } from './judge.ts';
import type { State } from './state.ts';
import type { Task } from './task.ts';

/** Steps after which a run should have learnt something. */
const PATIENCE = 200;
const LOOKED_AT = 256;
/** The share of a layer's units that must be idle to be worth a warning. */
const IDLE_SHARE = 0.5;

/** Whether to check after this many steps: 200, 400, 800, …, since a check waits for the device. */
export function isCheckStep(steps: number): boolean {
  const times = steps / PATIENCE;
  return times >= 1 && Number.isInteger(times) && (times & (times - 1)) === 0;
}

/** Units of a layer whose output does not depend on the input. */
export interface IdleUnits {
  readonly name: string;
  readonly idle: number;
  readonly units: number;
}

interface Activation {
  readonly name: string;
  readonly y: Tensor;
}

/** Finds idle units in the activations of a run. */
export class IdleWatch {
  readonly #activations: readonly Activation[];
  readonly #program: Program | undefined;

  private constructor(activations: readonly Activation[], program: Program | undefined) {
    this.#activations = activations;
    this.#program = program;
  }

  /** Compiles the activations of the first examples of `data`. */
  static async compile(executor: Executor, state: State, task: Task, data: Examples): Promise<IdleWatch> {
    const rows = Math.min(data.size, LOOKED_AT);
    const activations = traceActivations(task, data, rows, executor.maxBindingBytes);
    if (activations.length === 0) return new IdleWatch([], undefined);
    const outputs = Object.fromEntries(activations.map(({ y }, k) => [`${k}`, y]));
    const program = await executor.compile({ outputs }, { storages: [state.storage], label: 'activations' });
    return new IdleWatch(activations, program);
  }

  /** The activations with at least half of their units saturated or dead. */
  async look(): Promise<IdleUnits[]> {
    const values = (await this.#program?.run()) ?? {};
    return this.#activations
      .map(({ name, y }, k) => ({
        name,
        units: y.shape.at(-1)!,
        idle: countIdle(values[`${k}`]!.data, y.shape.at(-1)!),
      }))
      .filter(({ idle, units }) => idle >= IDLE_SHARE * units);
  }

  dispose(): void {
    this.#program?.dispose();
  }
}

/** Elementwise functions of one tensor that depends on parameters, in the forward pass. */
function traceActivations(task: Task, data: Examples, rows: number, maxBytes: number): Activation[] {
  return traceWith({ model: task.model }, ({ captures }) => {
    const { x } = rowsAt(data, iota(rows), maxBytes);
    const predictions = partsOf<Tensor>(forward(task.model, x)).map(([, prediction]) => prediction);
    const names = new Map([...captures].map(([name, x]) => [x.node, name]));
    const learnt = new Set<Node>();
    const found: Activation[] = [];
    for (const node of topologicalOrder(predictions)) {
      if (node.source?.kind === 'variable' || node.inputs.some((x) => learnt.has(x.node))) learnt.add(node);
      const [x] = node.inputs;
      const spec = node.outs[0]!;
      if (!node.op?.elementwise || node.op.view || node.inputs.length !== 1 || !learnt.has(x!.node)) continue;
      if (spec.dtype !== 'f32' || spec.shape.length < 2) continue;
      found.push({ name: names.get(x!.node) ?? names.get(node) ?? node.name, y: outputOf(node, predictions) });
    }
    return found;
  });
}

function outputOf(node: Node, predictions: readonly Tensor[]): Tensor {
  const result = predictions.find((prediction) => prediction.node === node);
  if (result) return result;
  return topologicalOrder(predictions)
    .flatMap((user) => user.inputs)
    .find((x) => x.node === node)!;
}

/** The number of units (of the last axis) whose values are, for every row, at an end of the range: 0 and 1, -1 and 1, or 0 alone. */
function countIdle(values: HostArray, units: number): number {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const v of values) [low, high] = [Math.min(low, v), Math.max(high, v)];
  const slope = (v: number) => {
    if (high > 1 || low < -1) return v === 0 ? 0 : 1;
    return low < 0 ? (1 - v * v) / 2 : v * (1 - v);
  };
  let idle = 0;
  for (let u = 0; u < units; u++) {
    let flat = true;
    for (let i = u; flat && i < values.length; i += units) flat = slope(values[i]!) < 0.01;
    if (flat) idle++;
  }
  return idle;
}
