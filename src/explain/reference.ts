// A batch's loss and gradients in doubles on the CPU, as in training: the reference for gradients and for changes of weights.
import { CpuExecutor } from '../cpu/executor.ts';
import type { HostArray } from '../graph/dtype.ts';
import type { Executor, Program, Storage } from '../graph/executor.ts';
import type { Nested } from '../graph/nested.ts';
import type { NamedVariable } from '../graph/paths.ts';
import { seedKey } from '../graph/random.ts';
import { constant, type Tensor, type Variable } from '../graph/tensor.ts';
import { traceWith } from '../graph/trace.ts';
import { feedsOf, inputX, inputY } from '../train/batch.ts';
import type { Looked } from '../train/inspection.ts';
import { judge } from '../train/judge.ts';
import type { State } from '../train/state.ts';
import { gradientsOf } from '../train/step.ts';
import type { Task } from '../train/task.ts';

/** A model's loss in doubles, as a function of its parameters. */
export interface Reference {
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, HostArray>;
  /** The loss with entry `index` of a parameter changed by `delta`. */
  lossAt(variable: Variable, index: number, delta: number): Promise<number>;
  dispose(): void;
}

export interface Model {
  readonly executor: Executor;
  readonly state: State;
  readonly task: Task;
}

export interface Traced {
  readonly loss: Tensor;
  readonly gradients: readonly { readonly path: string; readonly gradient: Tensor }[];
  readonly members: readonly NamedVariable[];
}

/** The result of a forward pass of a batch, and its targets. */
export interface Judged {
  readonly prediction: Nested<Tensor>;
  readonly loss: Tensor;
  readonly target: Nested<Tensor>;
}

/**
 * Loss and gradients as in training (dropout at step 0 included), from inputs x and y; the gradients are those of `objective` applied to
 * the loss.
 */
export function traceBatch(
  { state, task }: Model,
  batch: Looked,
  objective: (judged: Judged) => Tensor = ({ loss }) => loss,
): Traced {
  const step = constant([0], { dtype: 'u32' });
  const seed = constant([...seedKey(state.seedNumber)], { dtype: 'u32' });
  const trained = new Set(state.trained.map(({ variable }) => variable));
  return traceWith({ model: task.model, training: true, trained, step, seed }, () => {
    const target = inputY(batch.y!, batch.scale);
    const { prediction, loss } = judge(task, inputX(batch.x, batch.scale), target);
    const byVariable = gradientsOf(state, objective({ prediction, loss, target }));
    const members = state.trained;
    const gradients = members.map(({ path, variable }) => ({ path, gradient: byVariable.get(variable)! }));
    return { loss, gradients, members };
  });
}

export function outputsOf({ loss, gradients }: Traced): Record<string, Tensor> {
  return { loss, ...Object.fromEntries(gradients.map(({ path, gradient }) => [`gradient ${path}`, gradient])) };
}

/** The loss and gradients of a batch in doubles on the CPU, with the State's current parameters. */
export async function reference(model: Model, batch: Looked): Promise<Reference> {
  return referenceOf(model, traceBatch(model, batch), feedsOf(batch));
}

/** The same for a batch that is already traced. */
export async function referenceOf(
  { state }: Model,
  traced: Traced,
  inputs: Record<string, HostArray>,
): Promise<Reference> {
  const cpu = new CpuExecutor({ precision: 'float64' });
  const variables = state.variables.map(({ variable }) => variable);
  const storage = cpu.allocate(variables.map((variable) => ({ variable })));
  const values = await state.storage.read(variables);
  const exact = new Map(variables.map((variable, k) => [variable, values[k]!]));
  for (const [variable, data] of exact) storage.write(variable, data);
  const options = { storages: [storage] };
  const all = await cpu.compile({ outputs: outputsOf(traced) }, options);
  const { loss, ...rest } = await all.run(inputs);
  all.dispose();
  const program = await cpu.compile({ outputs: { loss: traced.loss } }, options);
  await program.run(inputs);
  const gradients = new Map(traced.gradients.map(({ path }) => [path, rest[`gradient ${path}`]!.data]));
  return {
    loss: loss!.data[0]!,
    gradients,
    lossAt: (variable, index, delta) => moved(program, storage, variable, exact.get(variable)!, index, delta),
    dispose: () => {
      program.dispose();
      storage.dispose();
      cpu.dispose();
    },
  };
}

async function moved(
  program: Program,
  storage: Storage,
  variable: Variable,
  exact: HostArray,
  index: number,
  delta: number,
): Promise<number> {
  const data = variable.dtype === 'f32' ? Float64Array.from(exact) : exact.slice();
  data[index]! += delta;
  storage.write(variable, data);
  const { loss } = await program.run();
  storage.write(variable, exact);
  return loss!.data[0]!;
}
