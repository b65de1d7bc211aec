// One training step as a recipe over a State: batch, forward, loss, gradients, optimizer, and its row of the ring. Everything that
// changes from step to step is a function of the step counter in device memory.
import { grad, whyNoGradient } from '../autodiff/grad.ts';
import { OptionError } from '../graph/errors.ts';
import type { Recipe } from '../graph/executor.ts';
import { type Nested, partsOf } from '../graph/nested.ts';
import type { NamedVariable } from '../graph/paths.ts';
import type { Tensor, Variable } from '../graph/tensor.ts';
import { type Assignment, traceWith } from '../graph/trace.ts';
import { add, equal } from '../ops/binary.ts';
import { iota, remainder } from '../ops/counter.ts';
import { batchIndices } from '../ops/random.ts';
import { reshape } from '../ops/reshape.ts';
import { where } from '../ops/select.ts';
import { updateArenas } from '../optim/update.ts';
import { type Examples, inputsOf, rowsAt } from './batch.ts';
import { judge } from './judge.ts';
import { squashedTwice } from './squashed.ts';
import { RING, type State } from './state.ts';
import { checkTargets } from './target-range.ts';
import { allLabels } from './targets.ts';
import type { Task } from './task.ts';

/** The order in which a run visits its data. */
export interface DataOrder {
  readonly size: number;
  readonly batchSize: number;
  readonly stepsPerEpoch: number;
  readonly shuffle: boolean;
}

/** A traced step: its recipe, and its inner tensors by name in the order of computation. */
export interface TrainingStep {
  readonly recipe: Recipe;
  /** The metrics in the columns of the ring. */
  readonly metrics: readonly string[];
  readonly inner: ReadonlyMap<string, Tensor>;
  /** The indices of the batch's examples in the data set. */
  readonly batch: Tensor;
  /** The warning, if predictions are squashed twice. */
  readonly squashed: string | undefined;
}

/** The rows of the data that a step uses. */
function indicesOf({ step, origin, order }: State, of: DataOrder, rows: number): Tensor {
  const { size, shuffle, stepsPerEpoch, batchSize: stride } = of;
  return batchIndices(step, origin, order, { size, shuffle, stepsPerEpoch, batch: rows, stride });
}

/**
 * Traces the step that trains `task` on `rows` rows of `data`: the order's batch size, or the rest for an epoch's last batch. Without an
 * order, `data` gives the shapes of one batch, which is passed to each run of the program as its inputs x and y.
 */
export function traceStep(
  state: State,
  task: Task,
  data: Examples,
  order: DataOrder | undefined,
  rows: number,
): TrainingStep {
  const { step, seed } = state;
  const trained = new Set(state.trained.map(({ variable }) => variable));
  return traceWith({ model: task.model, training: true, trained, step, seed }, (trace) => {
    const indices = order && indicesOf(state, order, rows);
    if (order) checkTargets(task, data);
    const { x, y, weights } = indices ? rowsAt(data, indices, state.maxBindingBytes, { step, seed }) : inputsOf(data);
    const { loss, metrics, prediction } = judge(task, x, y, allLabels(task, data, { exact: true }), weights);
    const slot = remainder(step, RING);
    const { assignments, inner } = update(state, loss, slot);
    const recipe: Recipe = {
      assignments: [...assignments, ...checkAssignments(state, trace.assignments), [step, add(step, 1)]],
      records: [[state.ring, ringWith(state.ring, slot, Object.values(metrics))]],
      guard: { status: state.status, step, checked: [loss] },
    };
    const captures = labelled(trace.captures, "'s output");
    const given = [...partsNamed('the input', x), ...partsNamed('the target', y)];
    const named = new Map([...given, ...captures, ['the loss', loss], ...inner]);
    const squashed = squashedTwice(task, prediction);
    return { recipe, metrics: Object.keys(metrics), inner: named, batch: indices ?? iota(rows), squashed };
  });
}

/** `the input`, or `the input pixels`. */
function partsNamed(whole: string, nested: Nested<Tensor>): [string, Tensor][] {
  return partsOf<Tensor>(nested).map(([name, x]) => [name === undefined ? whole : `${whole} ${name}`, x]);
}

function labelled(captures: ReadonlyMap<string, Tensor>, suffix: string): [string, Tensor][] {
  return [...captures].map(([name, x]) => [`${name}${suffix}`, x]);
}

/** The optimizer's update: new arenas and slots; gradients and new parameters by name. */
function update(state: State, loss: Tensor, slot: Tensor): { assignments: Assignment[]; inner: [string, Tensor][] } {
  const { arenas, optimizer, trained, step, rates } = state;
  const gradients = gradientsOf(state, loss);
  const gradientOf = ({ variable }: NamedVariable) => gradients.get(variable)!;
  const { assignments, updated } = updateArenas(optimizer, arenas, gradientOf, { step, rates, rows: RING, row: slot });
  const names = trained.map((named): [string, Tensor] => [`${named.path}'s gradient`, gradientOf(named)]);
  // Backward visits the last layer first.
  return { assignments, inner: [...names.reverse(), ...updated] };
}

/** The gradient of every trained parameter. @throws OptionError naming one without a gradient, and what blocked it. */
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

/** The model's own assignments, which may only change variables that the optimizer does not. */
function checkAssignments(state: State, assignments: readonly Assignment[]): readonly Assignment[] {
  for (const [variable] of assignments) {
    const known = state.variables.find((v) => v.variable === variable);
    if (!known) throw new OptionError(`assign: ${variable} is not in the model. Make it a property of a layer.`);
    if (state.trained.includes(known))
      throw new OptionError(`assign: ${known.path} is trained by the optimizer. Make it non-trainable to assign it.`);
  }
  return assignments;
}
