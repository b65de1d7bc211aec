// Looking inside: a model's prediction and named inner outputs for given inputs and, with targets, its loss and gradients.
import type { ByteScale } from '../data/dataset.ts';
import { dtypeOf, hostArray } from '../graph/dtype.ts';
import type { Executor, Program } from '../graph/executor.ts';
import type { NdArray } from '../graph/op.ts';
import { withPaths } from '../graph/paths.ts';
import { formatShape } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { newTrace, withTrace } from '../graph/trace.ts';
import { inputX, inputY, toArray, type Values } from './batch.ts';
import type { Programs } from './programs.ts';
import type { State } from './state.ts';
import { forward, gradientsOf, judge, type Task } from './step.ts';

/** What is inside a model for one batch, everything as arrays. */
export interface Inspection {
  readonly prediction: NdArray;
  /** Outputs of layers (and of `capture(name, x)`) by name. */
  readonly outputs: Readonly<Record<string, NdArray>>;
  /** With targets: the loss, and its gradient with respect to each trainable parameter by path. */
  readonly loss?: number;
  readonly gradients?: Readonly<Record<string, NdArray>>;
}

/** What is wanted of a batch. */
export interface Wanted {
  readonly outputs?: boolean;
  readonly y?: Values;
}

/** Runs the model, not training, on one batch; the program is kept for the next batches of the same shapes. */
export async function inspect(
  { executor, state, task, programs }: { executor: Executor; state: State; task: Task; programs: Programs },
  x: Values,
  scale: ByteScale | undefined,
  { outputs = false, y }: Wanted = {},
): Promise<Inspection> {
  const xs = toArray('x', x);
  const ys = y === undefined ? undefined : toArray('y', y);
  const name = [xs, ys].map((v) => v && `${v.dtype} ${formatShape(v.shape)}`).join(' ');
  const owner = {};
  const key = `inspect ${outputs} ${JSON.stringify([scale, y?.scale, y?.targets])} ${name}`;
  const make = () => compile(executor, state, task, { x, ...(y && { y }) }, scale, outputs);
  try {
    const program = await programs.ofInputs(key, make, owner);
    return sorted(await program.run({ x: x.data, ...(y && { y: y.data }) }));
  } finally {
    programs.release(owner);
  }
}

function compile(
  executor: Executor,
  state: State,
  task: Task,
  batch: { x: Values; y?: Values },
  scale: ByteScale | undefined,
  withOutputs: boolean,
): Promise<Program> {
  const outputs = withPaths(task.model, () => {
    const trace = newTrace({ training: false });
    return withTrace(trace, () => {
      const x = inputX(batch.x, scale);
      const y = batch.y && inputY(batch.y, scale);
      const all: Record<string, Tensor> = y ? withGradients(state, task, x, y) : { prediction: forward(task.model, x) };
      if (withOutputs) for (const [name, tensor] of trace.captures) all[`output ${name}`] = tensor;
      return all;
    });
  });
  return executor.compile({ outputs }, { storages: [state.storage], label: 'inspect' });
}

function withGradients(state: State, task: Task, x: Tensor, y: Tensor): Record<string, Tensor> {
  const { prediction, loss } = judge(task, x, y);
  const gradients = gradientsOf(state, loss);
  const named = state.trained.map(({ path, variable }) => [`gradient ${path}`, gradients.get(variable)!]);
  return { prediction, loss, ...Object.fromEntries(named) };
}

function sorted(values: Readonly<Record<string, NdArray>>): Inspection {
  const part = (prefix: string) =>
    Object.fromEntries(
      Object.entries(values)
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, value]) => [name.slice(prefix.length), value]),
    );
  const { prediction, loss } = values;
  return {
    prediction: prediction!,
    outputs: part('output '),
    ...(loss && { loss: loss.data[0]!, gradients: part('gradient ') }),
  };
}

/** The values' rows `from` to `to`. */
export function rowsOf(values: Values, from: number, to: number): Values {
  const { shape, data } = values;
  const row = data.length / shape[0]!;
  return { ...values, shape: [to - from, ...shape.slice(1)], data: data.subarray(from * row, to * row) };
}

/** Rows of a batch: few sizes, so that few programs are compiled whatever is asked for. */
const PREDICT_ROWS = [1, 8, 64, 256];

interface Model {
  readonly executor: Executor;
  readonly state: State;
  readonly task: Task;
  readonly programs: Programs;
}

/** Predictions for any number of rows, at most `batch` at a time. */
export async function predict(model: Model, x: Values, scale: ByteScale | undefined, batch = 1000): Promise<NdArray> {
  toArray('x', x);
  const [N = 0] = x.shape;
  if (N === 0) return (await inspect(model, x, scale)).prediction; // which says what is wrong with it
  const parts: NdArray[] = [];
  for (let from = 0; from < N; from += batch) {
    parts.push(await predictRows(model, rowsOf(x, from, Math.min(from + batch, N)), scale, batch));
  }
  const [first] = parts;
  if (parts.length === 1 && first) return first;
  const data = new Float32Array(parts.reduce((total, part) => total + part.data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { shape: [N, ...first!.shape.slice(1)], dtype: 'f32', data };
}

/** One batch, its last row repeated up to the next of the sizes for which programs are kept. */
async function predictRows(model: Model, x: Values, scale: ByteScale | undefined, most: number): Promise<NdArray> {
  const N = x.shape[0]!;
  const rows = Math.min(PREDICT_ROWS.find((size) => size >= N) ?? most, most);
  const { prediction } = await inspect(model, rows === N ? x : padded(x, rows), scale);
  if (rows === N) return prediction;
  // A model that does not give a row for each of x's is asked for just these.
  if (prediction.shape[0] !== rows) return (await inspect(model, x, scale)).prediction;
  const { shape, dtype, data } = prediction;
  return { shape: [N, ...shape.slice(1)], dtype, data: data.slice(0, (data.length / rows) * N) };
}

function padded({ shape, data }: Values, rows: number): Values {
  const [N, row] = [shape[0]!, data.length / shape[0]!];
  const all = hostArray(dtypeOf(data), rows * row, data instanceof Float64Array ? 'float64' : undefined);
  all.set(data);
  for (let at = N; at < rows; at++) all.set(data.subarray((N - 1) * row, N * row), at * row);
  return { shape: [rows, ...shape.slice(1)], data: all };
}
