// Looking inside: a model's predictions and named inner outputs for given inputs and, with targets, its loss and gradients.
import type { ByteScale, Values } from '../data/dataset.ts';
import { dtypeOf, hostArray } from '../graph/dtype.ts';
import { DataError, ShapeError } from '../graph/errors.ts';
import type { Executor, Program } from '../graph/executor.ts';
import { mapParts, type Nested, partAt, partName, partsOf } from '../graph/nested.ts';
import type { NdArray } from '../graph/op.ts';
import type { Tensor } from '../graph/tensor.ts';
import { traceWith } from '../graph/trace.ts';
import { feedsOf, inputX, inputY, namedParts, specsOf, toArray } from './batch.ts';
import { forward, judge } from './judge.ts';
import type { Programs } from './programs.ts';
import type { State } from './state.ts';
import { gradientsOf } from './step.ts';
import type { Task } from './task.ts';

/** A model's values for one batch, all as arrays. */
export interface Inspection<P = NdArray> {
  /** As the model returns it: one array, or one for each output. */
  readonly prediction: P;
  /** Outputs of layers (and of `capture(name, x)`) by name. */
  readonly outputs: Readonly<Record<string, NdArray>>;
  /** With targets: the loss, and its gradient with respect to each trainable parameter by path. */
  readonly loss?: number;
  /** With targets: the gradient of the loss with respect to each trainable parameter, by path. */
  readonly gradients?: Readonly<Record<string, NdArray>>;
}

/** A batch to inspect. */
export interface Looked {
  readonly x: Nested<Values>;
  readonly y?: Nested<Values> | undefined;
  /** For bytes without a scale of their own. */
  readonly scale?: ByteScale | undefined;
}

interface Trained {
  readonly executor: Executor;
  readonly state: State;
  readonly task: Task;
  readonly programs: Programs;
}

/** A program, and its predictions in their structure. */
interface InspectProgram {
  readonly program: Program;
  readonly predictions: Nested<Tensor>;
  dispose(): void;
}

/** Runs the model on one batch in evaluation mode; the program is cached for batches of the same shapes. */
export async function inspect(
  trained: Trained,
  batch: Looked,
  { outputs = false }: { readonly outputs?: boolean } = {},
): Promise<Inspection<Nested<NdArray>>> {
  const owner = {};
  const key = `inspect ${outputs} ${JSON.stringify(batch.scale)} ${specsOf(batch)}`;
  try {
    const { program, predictions } = await trained.programs.ofInputs(
      key,
      () => compile(trained, batch, outputs),
      owner,
    );
    return sorted(await program.run(feedsOf(batch)), predictions);
  } finally {
    trained.programs.release(owner);
  }
}

/** The output name of a prediction in a program. */
const keyOf = (name: string | undefined) => partName('prediction', name);

async function compile(
  { executor, state, task }: Trained,
  batch: Looked,
  withOutputs: boolean,
): Promise<InspectProgram> {
  const { prediction, outputs } = traceWith({ model: task.model }, ({ captures }) => {
    const x = inputX(batch.x, batch.scale);
    const judged = batch.y && judge(task, x, inputY(batch.y, batch.scale));
    const prediction = judged?.prediction ?? forward(task.model, x);
    const all = Object.fromEntries(partsOf<Tensor>(prediction).map(([name, part]) => [keyOf(name), part]));
    if (judged) Object.assign(all, { loss: judged.loss }, namedGradients(state, judged.loss));
    if (withOutputs) for (const [name, tensor] of captures) all[`output ${name}`] = tensor;
    return { prediction, outputs: all };
  });
  const program = await executor.compile({ outputs }, { storages: [state.storage], label: 'inspect' });
  return { program, predictions: prediction, dispose: () => program.dispose() };
}

function namedGradients(state: State, loss: Tensor): Record<string, Tensor> {
  const gradients = gradientsOf(state, loss);
  const named = state.trained.map(({ path, variable }) => [`gradient ${path}`, gradients.get(variable)!]);
  return Object.fromEntries(named);
}

function sorted(
  values: Readonly<Record<string, NdArray>>,
  predictions: InspectProgram['predictions'],
): Inspection<Nested<NdArray>> {
  const part = (prefix: string) =>
    Object.fromEntries(
      Object.entries(values)
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, value]) => [name.slice(prefix.length), value]),
    );
  const { loss } = values;
  return {
    prediction: mapParts(predictions, (_, name) => values[keyOf(name)]!),
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

/** Batch sizes: few, so that few programs are compiled for requests of any size. */
const PREDICT_ROWS = [1, 8, 64, 256];

/** Predictions for any number of rows, at most `most` at a time. */
export async function predict(model: Trained, batch: Looked, most = 1000): Promise<Nested<NdArray>> {
  const N = rowCount(batch);
  if (N === 0) return (await inspect(model, batch)).prediction; // throws the reason
  const parts: Nested<NdArray>[] = [];
  for (let from = 0; from < N; from += most) {
    const x = mapParts(batch.x, (values) => rowsOf(values, from, Math.min(from + most, N)));
    parts.push(await predictRows(model, { ...batch, x }, most));
  }
  if (parts.length === 1) return parts[0]!;
  return mapParts(parts[0]!, (_, name) =>
    joined(
      N,
      parts.map((part) => partAt(part, name)!),
    ),
  );
}

/** The rows of a batch. @throws DataError if its tensors differ in rows. */
export function rowCount(batch: Looked): number {
  const [first, ...others] = namedParts(batch).map(([part, values]) => ({
    part,
    rows: toArray(part, values).shape[0] ?? 0,
  }));
  const other = others.find(({ rows }) => rows !== first!.rows);
  if (!other) return first!.rows;
  throw new DataError(
    `${other.part}: it has ${other.rows} rows, but ${first!.part} has ${first!.rows}. Give the same number of rows of each.`,
  );
}

function joined(N: number, parts: readonly NdArray[]): NdArray {
  const data = new Float32Array(parts.reduce((total, part) => total + part.data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { shape: [N, ...parts[0]!.shape.slice(1)], dtype: 'f32', data };
}

/** One batch, padded with copies of its last row to the next size of {@link PREDICT_ROWS}. */
async function predictRows(model: Trained, batch: Looked, most: number): Promise<Nested<NdArray>> {
  const N = rowCount(batch);
  const rows = Math.min(PREDICT_ROWS.find((size) => size >= N) ?? most, most);
  if (rows === N) return (await inspect(model, batch)).prediction;
  const { prediction } = await inspect(model, {
    ...batch,
    x: mapParts(batch.x, (values) => padded(values, rows)),
  }).catch((error: unknown) => {
    // Errors name the shape that was given, not the padded one.
    if (error instanceof ShapeError) return inspect(model, batch);
    throw error;
  });
  // If outputs do not correspond to rows of x, padding would change them: run without it.
  if (!partsOf<NdArray>(prediction).every(([, { shape }]) => shape[0] === rows))
    return (await inspect(model, batch)).prediction;
  return mapParts(prediction, ({ shape, dtype, data }) => {
    return { shape: [N, ...shape.slice(1)], dtype, data: data.slice(0, (data.length / rows) * N) };
  });
}

function padded(values: Values, rows: number): Values {
  const { shape, data } = values;
  const [N, row] = [shape[0]!, data.length / shape[0]!];
  const all = hostArray(dtypeOf(data), rows * row, data instanceof Float64Array ? 'float64' : undefined);
  all.set(data);
  for (let at = N; at < rows; at++) all.set(data.subarray((N - 1) * row, N * row), at * row);
  return { ...values, shape: [rows, ...shape.slice(1)], data: all };
}
