// "Not learning": a loss no better than the best constant prediction's, while units are saturated or dead. Such a network does
// not overflow, so nothing else would tell.
import { interpret } from '../cpu/interpreter.ts';
import type { HostArray } from '../graph/dtype.ts';
import type { Executor } from '../graph/executor.ts';
import { withPaths } from '../graph/paths.ts';
import { constant, type Node, type Tensor } from '../graph/tensor.ts';
import { newTrace, withTrace } from '../graph/trace.ts';
import { topologicalOrder } from '../graph/walk.ts';
import type { Loss } from '../loss/loss.ts';
import { iota } from '../ops/counter.ts';
import { type Examples, rowsAt } from './batch.ts';
import type { State } from './state.ts';
import { forward, type Task } from './step.ts';

/** Steps after which a run should have learnt something. */
export const PATIENCE = 200;
/** A loss above this share of the best constant prediction's is no better. */
const NO_BETTER = 0.98;
const SAMPLE = 1000;
const LOOKED_AT = 256;
/** The share of a layer's units that must be idle to be worth a warning. */
const IDLE_SHARE = 0.5;
const TINY = 1e-6;

/** The loss of the best prediction that is the same for every example; undefined where that cannot be told. */
export function bestConstantLoss(loss: Loss, data: Examples): number | undefined {
  const n = Math.min(data.size, SAMPLE);
  const width = data.y.data.length / data.size;
  const targets = data.y.data.slice(0, n * width);
  const classes = data.y.data instanceof Float32Array || data.y.data instanceof Float64Array ? undefined : data.classes;
  const columns = classes === undefined ? columnsOf(targets, n, width) : frequencies(targets, n, classes);
  const y =
    classes === undefined
      ? constant(Float32Array.from(targets), { shape: [n, ...data.y.shape.slice(1)] })
      : constant(Uint32Array.from(targets), { shape: [n] });
  const shape = classes === undefined ? y.shape : [n, classes];
  const losses = columns.map((row) => lossOf(loss, row, n, shape, y)).filter((value) => Number.isFinite(value));
  return losses.length > 0 ? Math.min(...losses) : undefined;
}

/** Constant rows worth trying for class indices: their frequencies, as probabilities and as logits. */
function frequencies(labels: HostArray, n: number, classes: number): number[][] {
  const share = new Array<number>(classes).fill(0);
  for (const label of labels) share[label]! += 1 / n;
  return [share, share.map((p) => Math.log(Math.max(p, TINY)))];
}

/** Those for other targets: each column's mean and median, and the mean as logits of two kinds. */
function columnsOf(targets: HostArray, n: number, width: number): number[][] {
  const columns = Array.from({ length: width }, (_, c) => Array.from({ length: n }, (_, r) => targets[r * width + c]!));
  const means = columns.map((column) => column.reduce((a, b) => a + b, 0) / n);
  const medians = columns.map((column) => [...column].sort((a, b) => a - b)[n >> 1]!);
  const inside = means.map((p) => Math.min(Math.max(p, TINY), 1 - TINY));
  return [means, medians, inside.map((p) => Math.log(p)), inside.map((p) => Math.log(p / (1 - p)))];
}

function lossOf(loss: Loss, row: readonly number[], n: number, shape: readonly number[], y: Tensor): number {
  const data = new Float64Array(n * row.length);
  for (let r = 0; r < n; r++) data.set(row, r * row.length);
  try {
    return interpret([loss(constant(data, { shape }), y)], () => undefined)[0]!.data[0]!;
  } catch {
    return Number.NaN; // A loss that does not take predictions of this shape has no constant to be held against.
  }
}

/** Whether a loss is no better than a constant prediction. */
export function noBetter(loss: number, constantLoss: number | undefined): boolean {
  return constantLoss !== undefined && loss > NO_BETTER * constantLoss;
}

/** A layer's units that give the same whatever comes in. */
export interface IdleUnits {
  readonly name: string;
  readonly idle: number;
  readonly units: number;
}

/** The activations of which at least half of the units are saturated or dead on the first examples of `data`. */
export async function idleUnits(executor: Executor, state: State, task: Task, data: Examples): Promise<IdleUnits[]> {
  const rows = Math.min(data.size, LOOKED_AT);
  const activations = withPaths(task.model, () => traceActivations(task, data, rows, executor.maxBindingBytes));
  const outputs = Object.fromEntries(activations.map(({ y }, k) => [`${k}`, y]));
  if (activations.length === 0) return [];
  const program = await executor.compile({ outputs }, { storages: [state.storage], label: 'activations' });
  try {
    const values = await program.run();
    return activations
      .map(({ name, y }, k) => ({
        name,
        units: y.shape.at(-1)!,
        idle: countIdle(values[`${k}`]!.data, y.shape.at(-1)!),
      }))
      .filter(({ idle, units }) => idle >= IDLE_SHARE * units);
  } finally {
    program.dispose();
  }
}

/** Elementwise functions of one tensor that depends on parameters, in the forward pass. */
function traceActivations(task: Task, data: Examples, rows: number, maxBytes: number): { name: string; y: Tensor }[] {
  const trace = newTrace({ training: false });
  return withTrace(trace, () => {
    const prediction = forward(task.model, rowsAt(data, iota(rows), maxBytes).x);
    const names = new Map([...trace.captures].map(([name, x]) => [x.node, name]));
    const learnt = new Set<Node>();
    const found: { name: string; y: Tensor }[] = [];
    for (const node of topologicalOrder([prediction])) {
      if (node.source?.kind === 'variable' || node.inputs.some((x) => learnt.has(x.node))) learnt.add(node);
      const [x] = node.inputs;
      const spec = node.outs[0]!;
      if (!node.op?.elementwise || node.op.view || node.inputs.length !== 1 || !learnt.has(x!.node)) continue;
      if (spec.dtype !== 'f32' || spec.shape.length < 2) continue;
      found.push({ name: names.get(x!.node) ?? names.get(node) ?? node.name, y: outputOf(node, prediction) });
    }
    return found;
  });
}

function outputOf(node: Node, prediction: Tensor): Tensor {
  if (prediction.node === node) return prediction;
  return topologicalOrder([prediction])
    .flatMap((user) => user.inputs)
    .find((x) => x.node === node)!;
}

/** Units (of the last axis) whose values lie, for every row, at the ends of the range: 0 and 1, -1 and 1, or 0 alone. */
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
