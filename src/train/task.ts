// What a trainer optimizes: a loss, or one for each output of the model with its weight in their sum; and metrics.
import { OptionError } from '../graph/errors.ts';
import { guess, isSeveral, listed, type Nested, partAt, partsOf } from '../graph/nested.ts';
import { show } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { asLoss, type Loss, type LossFunction } from '../loss/loss.ts';

/** Any object with a forward: from a tensor, or several by name or in order, to the same. */
export interface Model {
  /** The model's outputs for its inputs, one tensor or several by name or in order. */
  forward(x: never): unknown;
}

/** A model from `X` to `Y`; as an object literal it may have any other members. */
export type ModelOf<X, Y> = { forward(x: X): Y } | ({ forward(x: X): Y } & Readonly<Record<string, unknown>>);

/** A scalar from predictions and targets, an average over the batch. */
export type Metric<Y = Tensor> = (prediction: Y, target: TargetsOf<Y>) => Tensor;

/** The targets of predictions: the same structure. */
export type TargetsOf<Y> = [Y] extends [Tensor] ? Tensor : { readonly [K in keyof Y]: Tensor };

/** One loss for the model's one output; of several outputs one for each, or a function of all predictions and all targets. */
export type LossOf<Y> = [Y] extends [Tensor]
  ? Loss | LossFunction
  : { readonly [K in keyof Y]: Loss | LossFunction } | ((prediction: Y, target: TargetsOf<Y>) => Tensor);

/** Metrics by name; of several outputs also by the output's name and theirs. */
export type MetricsOf<Y> = [Y] extends [Tensor]
  ? Readonly<Record<string, Metric>>
  : Readonly<Record<string, Metric<Y> | Readonly<Record<string, Metric>>>>;

/** Weights of losses in their sum, by output. */
export type LossWeights = Readonly<Record<string, number>> | readonly number[];

/** An output of several, its loss and the weight of that in the sum. */
export interface Head {
  readonly name: string;
  readonly loss: Loss;
  readonly weight: number;
}

type AnyMetric = (prediction: Nested<Tensor>, target: Nested<Tensor>) => Tensor;

export interface Task {
  readonly model: Model;
  /** The loss of the only output; with heads, a stand-in with their names. */
  readonly loss: Loss;
  /** If losses were given by output. */
  readonly heads?: readonly Head[];
  /** A plain function given as the loss: it may take several predictions and targets. */
  readonly formula?: (prediction: Nested<Tensor>, target: Nested<Tensor>) => Tensor;
  /** The user's metrics besides loss and accuracy: scalars that are averages over the batch. */
  readonly metrics: Readonly<Record<string, AnyMetric>>;
}

/** A task as users state it. */
export interface TaskOptions {
  readonly model: Model;
  readonly loss: unknown;
  readonly lossWeights?: LossWeights | undefined;
  readonly metrics?: Readonly<Record<string, unknown>> | undefined;
}

/** @throws OptionError for an invalid model, loss, weight or metric. */
export function taskOf(where: string, { model, loss, lossWeights, metrics = {} }: TaskOptions): Task {
  if (typeof model?.forward !== 'function')
    throw new OptionError(`${where}: the model is ${show(model)}. Give an object with a forward method.`);
  const several = isSeveral(loss as Nested<unknown>);
  for (const [name, one] of partsOf(loss as Nested<unknown>)) checkLoss(where, name, one);
  if (lossWeights !== undefined && !several)
    throw new OptionError(
      `${where}: lossWeights are given, but there is only one loss. Give a loss for each output, or leave them out.`,
    );
  const all = checkedMetrics(where, metrics, several);
  if (several) {
    const heads = headsOf(where, loss as Nested<Loss | LossFunction>, lossWeights);
    return { model, loss: sumOf(heads), heads, metrics: all };
  }
  const own = asLoss(loss as Loss | LossFunction);
  return { model, loss: own, metrics: all, ...(own !== loss && { formula: loss as AnyMetric }) };
}

function checkLoss(where: string, name: string | undefined, loss: unknown): void {
  const { factory } = (loss ?? {}) as { readonly factory?: string };
  const which = name === undefined ? 'the loss' : `the loss ${name}`;
  if (factory !== undefined)
    throw new OptionError(`${where}: ${which} is a function that makes one. Call it: ${factory}.`);
  if (typeof loss === 'function') return;
  const advice = 'Give one of losses, such as losses.softmaxCrossEntropy, or a function (prediction, target) => Tensor';
  throw new OptionError(`${where}: ${which} is ${show(loss)}. ${advice}.`);
}

function headsOf(where: string, losses: Nested<Loss | LossFunction>, weights: LossWeights = {}): Head[] {
  const names = partsOf(losses).map(([name]) => name!);
  if (typeof weights !== 'object' || weights === null || (Array.isArray(weights) && !Array.isArray(losses)))
    throw new OptionError(
      `${where}: lossWeights is ${show(weights)}. Give numbers by output, such as { ${names[0]}: 0.5 }.`,
    );
  for (const [name, weight] of Object.entries(weights)) {
    if (!names.includes(name))
      throw new OptionError(
        `${where}: lossWeights names ${name}, but the losses are for ${names.join(', ')}. ${guess(name, names)}`,
      );
    if (!(Number.isFinite(weight) && weight >= 0))
      throw new OptionError(`${where}: the loss weight of ${name} is ${show(weight)}. Give a finite number >= 0.`);
  }
  const weightOf = (name: string) => (weights as Readonly<Record<string, number | undefined>>)[name] ?? 1;
  return partsOf(losses).map(([name, loss]) => ({ name: name!, loss: asLoss(loss), weight: weightOf(name!) }));
}

/** The stand-in for several losses where one is expected: for its name, which checkpoints store. */
function sumOf(heads: readonly Head[]): Loss {
  const term = ({ name, loss, weight }: Head) => `${name}: ${weight === 1 ? '' : `${weight} `}${loss.lossName}`;
  const refuse = () => {
    throw new OptionError(
      `model: it returns one prediction, but the losses are for ${heads.map(({ name }) => name).join(', ')}. Give one loss.`,
    );
  };
  return Object.assign(refuse, { lossName: heads.map(term).join(', '), metrics: () => ({}) });
}

function checkedMetrics(
  where: string,
  metrics: NonNullable<TaskOptions['metrics']>,
  several: boolean,
): Task['metrics'] {
  const all = Object.entries(metrics).flatMap(([name, metric]): [string, AnyMetric][] => {
    if (!isSeveral(metric as Nested<unknown>)) return [[name, checkMetric(where, name, metric)]];
    return Object.entries(metric as object).map(([own, of]) => {
      const metric = checkMetric(where, `${name}.${own}`, of);
      return [`${name}.${own}`, (p, t) => metric(output(name, own, p), output(name, own, t))];
    });
  });
  const wrong = all.find(([name]) => name === 'loss' || (several && name.endsWith('.loss')));
  if (wrong) throw new OptionError(`${where}: a metric cannot be named loss. Choose another name.`);
  return Object.fromEntries(all);
}

function checkMetric(where: string, name: string, metric: unknown): AnyMetric {
  if (typeof metric !== 'function')
    throw new OptionError(
      `${where}: the metric ${name} is ${show(metric)}. Give a function (prediction, target) => Tensor.`,
    );
  return metric as AnyMetric;
}

/** The output or target of a metric. */
function output(name: string, metric: string, nested: Nested<Tensor>): Tensor {
  const found = partAt(nested, name);
  if (found) return found;
  const advice = isSeveral(nested) ? guess(name, Object.keys(nested)) : 'Give the metric itself.';
  throw new OptionError(
    `trainer: the metric ${metric} is for the output ${name}, but the outputs are ${listed(nested)}. ${advice}`,
  );
}

/** An output and its loss: the only one, or one of several heads. */
export interface Output extends Omit<Head, 'name'> {
  readonly name: string | undefined;
}

export function outputsOf({ loss, heads }: Pick<Task, 'loss' | 'heads'>): readonly Output[] {
  return heads ?? [{ name: undefined, loss, weight: 1 }];
}

/** The name of an output's metric: `loss`, or `kind.loss`. */
export function metricOf({ name }: Pick<Output, 'name'>, metric: 'loss' | 'accuracy'): string {
  return name === undefined ? metric : `${name}.${metric}`;
}

/** The maximum number of values that a step reports: loss, accuracy and metrics, and loss and accuracy of each head. */
export function widthOf({ heads = [], metrics }: Task): number {
  return 2 + 2 * heads.length + Object.keys(metrics).length;
}

/** Metrics as reported. If only one of several outputs has an accuracy, it is also the overall accuracy. */
export function reported({ heads }: Pick<Task, 'heads'>, all: Record<string, number>): Reported {
  const { loss, accuracy: own, ...metrics } = all;
  const shares = heads && own === undefined ? Object.keys(metrics).filter((name) => name.endsWith('.accuracy')) : [];
  const accuracy = shares.length === 1 ? metrics[shares[0]!] : own;
  return { loss: loss!, ...(accuracy !== undefined && { accuracy }), metrics: metrics as Record<string, number> };
}

/** The numbers of a step, an epoch or an evaluation. */
export interface Reported {
  readonly loss: number;
  readonly accuracy?: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Means over several batches, with the total loss computed from the outputs' mean losses. */
export function summedLosses({ heads }: Pick<Task, 'heads'>, means: Record<string, number>): Record<string, number> {
  if (!heads) return means;
  return { ...means, loss: heads.reduce((sum, head) => sum + head.weight * means[metricOf(head, 'loss')]!, 0) };
}
