// Forward, loss and metrics of a batch. With several outputs, each has its own loss, and their weighted sum is minimized.
import { OptionError, ShapeError } from '../graph/errors.ts';
import { isSeveral, listed, misnamed, type Nested, partAt, partsOf } from '../graph/nested.ts';
import { show } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import { Tensor } from '../graph/tensor.ts';
import type { Loss } from '../loss/loss.ts';
import { areClasses } from '../loss/targets.ts';
import { countOfBatch, weightedLoss } from '../loss/weighted.ts';
import { add, mul } from '../ops/binary.ts';
import type { Labels } from './batch.ts';
import type { AllLabels } from './targets.ts';
import type { Head, Model, Task } from './task.ts';

/** The model's prediction. @throws OptionError if it is not one. */
export function forward(model: Model, x: Nested<Tensor>): Nested<Tensor> {
  const prediction = called(model, x);
  const wrong = partsOf(prediction).find(([, part]) => !((part as unknown) instanceof Tensor));
  if (!wrong) return prediction;
  const [name, part] = wrong;
  const what = name === undefined ? '' : ` for ${name}`;
  throw new OptionError(`model: its forward returned ${show(part)}${what}. Return the Tensor of predictions${what}.`);
}

/** The result of forward. If forward lacks a tensor, such as one that x does not have, the error says what it received. */
function called(model: Model, x: Nested<Tensor>): Nested<Tensor> {
  try {
    return model.forward(x as never) as Nested<Tensor>;
  } catch (error) {
    const [wrong] = (error as Error).message.split('. ');
    if (!/, not a tensor$|of undefined/.test(wrong!)) throw error;
    const given = Array.isArray(x) ? '[a, b]' : isSeveral(x) ? `{ ${listed(x)} }` : 'a tensor';
    throw new ShapeError(`${wrong}. The model's forward gets one argument, ${given}.`, { cause: error });
  }
}

/** The result of {@link judge}. */
export interface Judgement {
  readonly prediction: Nested<Tensor>;
  readonly loss: Tensor;
  /**
   * Loss, accuracy if there is one, and the user's metrics, of which one named `accuracy` replaces the loss's. With several outputs, `loss`
   * is the weighted sum, besides each output's loss (`price.loss`) and accuracy (`kind.accuracy`).
   */
  readonly metrics: Readonly<Record<string, Tensor>>;
  /** The batch's weight in the mean of each loss among the metrics, if it is not the number of examples. */
  readonly counts: ReadonlyMap<string, Tensor>;
}

/** Forward, loss and metrics of a batch, added to the trace in progress. Weights (B) apply to losses only. */
export function judge(
  task: Task,
  x: Nested<Tensor>,
  y: Nested<Tensor>,
  labels?: AllLabels,
  weights?: Tensor,
): Judgement {
  const prediction = forward(task.model, x);
  const judged = ofPrediction(task, prediction, y, labels, weights);
  const own = Object.fromEntries(Object.entries(task.metrics).map(([name, metric]) => [name, metric(prediction, y)]));
  const metrics = { loss: judged.loss, ...judged.metrics, ...own };
  checkMetrics(metrics);
  return { prediction, ...judged, metrics };
}

/** The unweighted loss of predictions. */
export function lossOf(task: Task, prediction: Nested<Tensor>, y: Nested<Tensor>): Tensor {
  return ofPrediction(task, prediction, y).loss;
}

function ofPrediction(
  task: Task,
  prediction: Nested<Tensor>,
  y: Nested<Tensor>,
  labels?: AllLabels,
  weights?: Tensor,
): Judged {
  if (task.heads) return ofHeads(task.heads, prediction, y, labels, weights);
  if (isSeveral(prediction) || isSeveral(y)) return ofFormula(task, prediction, y, weights);
  return ofOne(task.loss, prediction as Tensor, y as Tensor, labels?.get(undefined), weights);
}

function checkMetrics(metrics: Judgement['metrics']): void {
  for (const [name, metric] of Object.entries(metrics)) {
    if (!(metric instanceof Tensor))
      throw new OptionError(`${name}: its function returned ${show(metric)}. Return a Tensor of one number.`);
    if (metric.size !== 1)
      throw new ShapeError(
        `${name}: its shape for a batch is ${formatShape(metric.shape)}, but it must be one number. Take its mean.`,
      );
  }
}

type Judged = Omit<Judgement, 'prediction'>;

function ofOne(
  loss: Loss,
  prediction: Tensor,
  y: Tensor,
  labels: Labels | undefined,
  weights: Tensor | undefined,
  name?: string,
): Judged {
  const width = prediction.shape.at(-1)!;
  const judged = y.rank === 1 || areClasses(prediction, y);
  // A binary loss takes no class indices, and throws a better error.
  if (
    labels &&
    judged &&
    loss.classes !== 'binary' &&
    (labels.exact ? width !== labels.classes : width < labels.classes)
  ) {
    const output = name === undefined ? 'output' : `output ${name}`;
    const numbers = loss.probabilities ? '' : ", or, for regression, make the data with { targets: 'values' }";
    throw new ShapeError(
      `model: its ${output} is ${formatShape(prediction.shape)}, but the data has ${labels.classes} classes. Make the last layer ${labels.classes} wide${numbers}.`,
    );
  }
  const weighted = weights && weightedLoss(loss, prediction, y, weights);
  const value = weighted?.loss ?? loss(prediction, y);
  const count = weighted?.weight ?? countOfBatch(loss, prediction, y);
  return {
    loss: value,
    metrics: { ...loss.metrics(prediction, y) },
    counts: new Map(count && [['loss', count]]),
  };
}

/** A user's function of all predictions and all targets. */
function ofFormula(
  { formula, loss: { lossName } }: Task,
  prediction: Nested<Tensor>,
  y: Nested<Tensor>,
  weights: Tensor | undefined,
): Judged {
  if (!formula)
    throw new OptionError(
      `${lossName}: it takes one prediction and one target, but the model returns ${listed(prediction)} and the targets are ${listed(y)}. Give a loss for each, such as loss: { ${Object.keys(isSeveral(prediction) ? prediction : y)[0]}: ${lossName} }, or a function (prediction, target) => Tensor.`,
    );
  if (weights)
    throw new OptionError(
      `${lossName}: the examples have weights, but a function of several outputs has no loss per example. Give a loss for each output, or leave the weights out.`,
    );
  return { loss: formula(prediction, y), metrics: {}, counts: new Map() };
}

/** Σ w·l over the outputs. */
function ofHeads(
  heads: readonly Head[],
  prediction: Nested<Tensor>,
  y: Nested<Tensor>,
  labels: AllLabels | undefined,
  weights: Tensor | undefined,
): Judged {
  const losses = Object.fromEntries(heads.map(({ name, loss }) => [name, loss]));
  const check = (message: string, wrong: string | undefined) => {
    if (wrong) throw new OptionError(`${message}. ${wrong}`);
  };
  check(
    `trainer: the losses are for ${listed(losses)}, but the model returns ${listed(prediction)}`,
    misnamed(losses, prediction, 'a loss for '),
  );
  check(`data: y has ${listed(y)}, but the losses are for ${listed(losses)}`, misnamed(y, losses, 'targets for '));
  const judged = heads.map(({ name, loss }) => {
    const [own, target] = [partAt(prediction, name)!, partAt(y, name)!];
    return ofOne(loss, own, target, labels?.get(name), weights, name);
  });
  const terms = judged.map(({ loss }, k) => (heads[k]!.weight === 1 ? loss : mul(loss, heads[k]!.weight)));
  const named = (name: string, metrics: Readonly<Record<string, Tensor>>) =>
    Object.entries<Tensor>(metrics).map(([metric, value]) => [`${name}.${metric}`, value] as const);
  return {
    loss: terms.reduce((sum, term) => add(sum, term)),
    metrics: Object.fromEntries(judged.flatMap(({ loss, metrics }, k) => named(heads[k]!.name, { loss, ...metrics }))),
    counts: new Map(judged.flatMap(({ counts }, k) => named(heads[k]!.name, Object.fromEntries(counts)))),
  };
}
