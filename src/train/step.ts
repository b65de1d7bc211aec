// One training step as a recipe over a State: batch, forward, loss, gradients, optimizer, and the row it leaves in the ring.
// Everything that changes from step to step is a function of the step counter in device memory.
import { grad, whyNoGradient } from '../autodiff/grad.ts';
import { OptionError, ShapeError } from '../graph/errors.ts';
import type { Recipe } from '../graph/executor.ts';
import { show } from '../graph/options.ts';
import { type NamedVariable, withPaths } from '../graph/paths.ts';
import { formatShape } from '../graph/shape.ts';
import { Tensor, type Variable } from '../graph/tensor.ts';
import { type Assignment, newTrace, withTrace } from '../graph/trace.ts';
import type { Loss } from '../loss/loss.ts';
import { areClasses } from '../loss/targets.ts';
import { countOfBatch, weightedLoss } from '../loss/weighted.ts';
import { add, equal } from '../ops/binary.ts';
import { iota, remainder } from '../ops/counter.ts';
import { batchIndices } from '../ops/random.ts';
import { reshape } from '../ops/reshape.ts';
import { where } from '../ops/select.ts';
import { updateArenas } from '../optim/update.ts';
import { type Examples, inputsOf, type Labels, labelsOf, rowsAt } from './batch.ts';
import { RING, type State } from './state.ts';

/** What a trainer makes a model learn by. */
export interface Task {
  readonly model: { forward(x: Tensor): Tensor };
  readonly loss: Loss;
  /** Metrics of the user's own beside loss and accuracy: scalars that are averages over the batch. */
  readonly metrics: Readonly<Record<string, Metric>>;
}

/** A scalar from predictions and targets, an average over the batch. */
export type Metric = (prediction: Tensor, target: Tensor) => Tensor;

/** The order in which a run goes through its data. */
export interface DataOrder {
  readonly size: number;
  readonly batchSize: number;
  readonly stepsPerEpoch: number;
  readonly shuffle: boolean;
}

/** A traced step: what to compile, and its inner tensors by name, in the order in which they are computed. */
export interface TrainingStep {
  readonly recipe: Recipe;
  /** The metrics in the columns of the ring. */
  readonly metrics: readonly string[];
  readonly inner: ReadonlyMap<string, Tensor>;
  /** The examples of the batch, by their numbers in the data set. */
  readonly batch: Tensor;
}

/** The model's prediction. @throws OptionError where it is none. */
export function forward(model: Task['model'], x: Tensor): Tensor {
  const prediction: unknown = model.forward(x);
  if (prediction instanceof Tensor) return prediction;
  throw new OptionError(`model: its forward returned ${show(prediction)}. Return the Tensor of predictions.`);
}

/** What {@link judge} finds. */
export interface Judgement {
  readonly prediction: Tensor;
  readonly loss: Tensor;
  /** The loss, accuracy where there is one, and the user's own: a metric of theirs with that name takes the accuracy's place. */
  readonly metrics: Readonly<Record<string, Tensor>>;
  /** What the batch counts in a mean of losses, where that is not its number of examples. */
  readonly weight?: Tensor;
}

/** Forward, loss and metrics of a batch, traced within the trace in progress. Weights (B) count in the loss alone. */
export function judge(
  { model, loss, metrics }: Task,
  x: Tensor,
  y: Tensor,
  labels?: Labels,
  weights?: Tensor,
): Judgement {
  const prediction = forward(model, x);
  const width = prediction.shape.at(-1)!;
  const judged = y.rank === 1 || areClasses(prediction, y);
  if (labels && judged && (labels.exact ? width !== labels.classes : width < labels.classes)) {
    throw new ShapeError(
      `model: its output is ${formatShape(prediction.shape)}, and the data has ${labels.classes} classes. Make the last layer ${labels.classes} wide, or, to regress on numbers, make the data with { targets: 'values' }.`,
    );
  }
  const weighted = weights && weightedLoss(loss, prediction, y, weights);
  const value = weighted?.loss ?? loss(prediction, y);
  const own = Object.fromEntries(Object.entries(metrics).map(([name, metric]) => [name, metric(prediction, y)]));
  const all = { loss: value, ...loss.metrics(prediction, y), ...own };
  for (const [name, metric] of Object.entries(all)) {
    if (!(metric instanceof Tensor))
      throw new OptionError(`${name}: its function returned ${show(metric)}. Return a Tensor of one number.`);
    if (metric.size !== 1)
      throw new ShapeError(
        `${name}: it is ${formatShape(metric.shape)} for a batch. It must be one number: take its mean.`,
      );
  }
  const weight = weighted?.weight ?? countOfBatch(loss, prediction, y);
  return { prediction, loss: value, metrics: all, ...(weight && { weight }) };
}

/** Which rows of the data a step takes. */
function indicesOf({ step, origin, order }: State, of: DataOrder, rows: number): Tensor {
  const { size, shuffle, stepsPerEpoch, batchSize: stride } = of;
  return batchIndices(step, origin, order, { size, shuffle, stepsPerEpoch, batch: rows, stride });
}

/**
 * Traces the step that trains `task` on `rows` rows of `data`: the order's batch size, or those left for an epoch's last. Without an
 * order the data is the shapes of one batch, which each run of the program is given as its inputs x and y.
 */
export function traceStep(
  state: State,
  task: Task,
  data: Examples,
  order: DataOrder | undefined,
  rows: number,
): TrainingStep {
  const { step, seed } = state;
  const trace = newTrace({ training: true, step, seed });
  return withPaths(task.model, () =>
    withTrace(trace, () => {
      const indices = order && indicesOf(state, order, rows);
      const { x, y, weights } = indices ? rowsAt(data, indices, state.maxBindingBytes) : inputsOf(data);
      const { ignoreIndex } = task.loss;
      const { loss, metrics } = judge(task, x, y, labelsOf(data, { exact: true, ignoreIndex }), weights);
      const slot = remainder(step, RING);
      const { assignments, inner } = update(state, loss, slot);
      const recipe: Recipe = {
        assignments: [...assignments, ...checkAssignments(state, trace.assignments), [step, add(step, 1)]],
        records: [[state.ring, ringWith(state.ring, slot, Object.values(metrics))]],
        guard: { status: state.status, step, checked: [loss] },
      };
      const captures = labelled(trace.captures, "'s output");
      const named = new Map([['the input', x], ['the target', y], ...captures, ['the loss', loss], ...inner]);
      return { recipe, metrics: Object.keys(metrics), inner: named, batch: indices ?? iota(rows) };
    }),
  );
}

function labelled(captures: ReadonlyMap<string, Tensor>, suffix: string): [string, Tensor][] {
  return [...captures].map(([name, x]) => [`${name}${suffix}`, x]);
}

/** What the optimizer makes of the loss's gradients: new arenas and slots; gradients and new parameters by name. */
function update(state: State, loss: Tensor, slot: Tensor): { assignments: Assignment[]; inner: [string, Tensor][] } {
  const { arenas, optimizer, trained, step, rates } = state;
  const gradients = gradientsOf(state, loss);
  const gradientOf = ({ variable }: NamedVariable) => gradients.get(variable)!;
  const { assignments, updated } = updateArenas(optimizer, arenas, gradientOf, { step, rates, rows: RING, row: slot });
  const names = trained.map((named): [string, Tensor] => [`${named.path}'s gradient`, gradientOf(named)]);
  // Backward visits the last layer first.
  return { assignments, inner: [...names.reverse(), ...updated] };
}

/** The gradient of every trained parameter. @throws OptionError that names one without, and what blocked it. */
export function gradientsOf({ trained }: Pick<State, 'trained'>, loss: Tensor): Map<Variable, Tensor> {
  const gradients = grad(
    loss,
    trained.map(({ variable }) => variable),
  );
  const missing = trained.findIndex((_, k) => gradients[k] === undefined);
  if (missing >= 0) {
    const { path, variable } = trained[missing]!;
    throw new OptionError(
      `model: ${path} gets no gradient from the loss: ${whyNoGradient(loss, variable)}. Use it in forward, or freeze it.`,
    );
  }
  return new Map(trained.map(({ variable }, k) => [variable, gradients[k]!]));
}

/** The ring with the metrics of this step in row `slot`. */
function ringWith(ring: Variable, slot: Tensor, metrics: readonly Tensor[]): Tensor {
  const K = ring.shape[1]!;
  const column = reshape(iota(K), [1, K]);
  const last = reshape(metrics.at(-1)!, [1, 1]);
  const row = metrics
    .slice(0, -1)
    .reduceRight((rest, metric, k) => where(equal(column, k), reshape(metric, [1, 1]), rest), last);
  return where(equal(reshape(iota(RING), [RING, 1]), slot), row, ring);
}

/** The model's own assignments, which may move only variables that the optimizer does not. */
function checkAssignments(state: State, assignments: readonly Assignment[]): readonly Assignment[] {
  for (const [variable] of assignments) {
    const known = state.variables.find((v) => v.variable === variable);
    if (!known) throw new OptionError(`assign: ${variable} is not in the model. Make it a property of a layer.`);
    if (state.trained.includes(known))
      throw new OptionError(`assign: ${known.path} is trained by the optimizer. Make it not trainable to assign it.`);
  }
  return assignments;
}
