// An optimizer's state for a model in a bare loop: arenas with moments, the step counter and the rates, as variables that a
// storage allocates; and a step's update, to be called in the traced function.
import { OptionError } from '../graph/errors.ts';
import type { VariableGroup } from '../graph/executor.ts';
import { COUNT, checkOptions, checkValue, OBJECT, POSITIVE, type Schema, show } from '../graph/options.ts';
import { MEMORY, type MemoryLayout, type NamedVariable, NOT_OF_A_MODEL, variablesOf } from '../graph/paths.ts';
import { formatShape, sameShape } from '../graph/shape.ts';
import { constant, isParameter, type Tensor, Variable } from '../graph/tensor.ts';
import { assign } from '../graph/trace.ts';
import { add, minimum } from '../ops/binary.ts';
import { checkTensors } from '../ops/tensors.ts';
import { type Arena, buffersOf, MAX_ARENA_BYTES } from './arena.ts';
import { arenasOf, membersOf, ratesOf } from './groups.ts';
import { checkOptimizer, type Optimizer } from './optimizer.ts';
import { rateOf } from './schedules.ts';
import { updateArenas } from './update.ts';

/** Options of {@link state}. */
export interface OptimizerStateOptions {
  /** The number of steps of the schedules; the last rate holds after them. Required if a rate is a schedule. */
  readonly steps?: number | undefined;
  /** The maximum bytes of parameters in one buffer. Default 128 MiB. */
  readonly maxArenaBytes?: number | undefined;
}

const SCHEMA = { steps: COUNT, maxArenaBytes: [POSITIVE, MAX_ARENA_BYTES] } satisfies Schema<OptimizerStateOptions>;

/** A model's variables and the optimizer's state for them. `backend.allocate` allocates all of it. */
export class OptimizerState {
  readonly [NOT_OF_A_MODEL] = true;
  /** The optimizer that the state belongs to. */
  readonly optimizer: Optimizer;
  /** Steps made, u32 [1]; also dropout's counter, as the option `step` of `backend.compile`. */
  readonly step: Variable = new Variable([1], { dtype: 'u32', initial: () => new Uint32Array(1) });
  /** Learning rates, f32: one per step for the optimizer and for each group with its own rate; just one if all are numbers. */
  readonly rates: Variable;
  /** The trained parameters, by path. */
  readonly trained: readonly NamedVariable[];
  /** The trained parameters and the optimizer's moments as flat f32 vectors. */
  readonly arenas: readonly Arena[];
  readonly #variables: readonly NamedVariable[];
  readonly #maxArenaBytes: number;

  /** @throws OptionError as {@link state}. */
  constructor(optimizer: Optimizer, model: object, options: OptimizerStateOptions = {}, ...extra: never[]) {
    checkOptimizer('optim.state', optimizer);
    const { steps, maxArenaBytes } = checkOptions('optim.state', options, SCHEMA, extra);
    this.optimizer = optimizer;
    this.#variables = variablesOf(model);
    this.#maxArenaBytes = maxArenaBytes;
    const parameters = this.#variables.filter(({ variable }) => isParameter(variable));
    this.trained = parameters.filter(({ variable }) => variable.trainable);
    if (this.trained.length === 0)
      throw new OptionError('optim.state: no variable of the model is trainable. Give it a layer with parameters.');
    this.arenas = arenasOf(optimizer, this.trained, membersOf(optimizer, parameters), maxArenaBytes);
    this.rates = ratesVariable(optimizer, steps);
  }

  /** How the variables lie in memory. */
  [MEMORY](maxBindingBytes: number): MemoryLayout {
    const moved = new Set(this.trained);
    const others = this.#variables.filter((named) => !moved.has(named));
    const slots = this.arenas.flatMap((arena, k) =>
      arena.slots.map((variable, s): NamedVariable => ({ path: `${arena.rule.slots[s]} ${k}`, variable })),
    );
    const own = [{ path: 'step', variable: this.step }, { path: 'rates', variable: this.rates }, ...slots];
    const groups: VariableGroup[] = [
      ...buffersOf(this.arenas, Math.min(this.#maxArenaBytes, maxBindingBytes), maxBindingBytes),
      ...others,
      { variable: this.step },
      { variable: this.rates },
    ];
    return { groups, variables: [...this.#variables, ...own] };
  }
}

/** The rates of all steps, column by column. */
function ratesVariable(optimizer: Optimizer, steps: number | undefined): Variable {
  const rates = ratesOf(optimizer);
  const schedule = rates.find((rate) => typeof rate === 'function');
  if (schedule && steps === undefined)
    throw new OptionError(
      'optim.state: a learning rate is a schedule, and its number of steps is not known. Give { steps }.',
    );
  const rows = schedule ? steps! : 1;
  const table = Float32Array.from(
    rates.flatMap((rate) => Array.from({ length: rows }, (_, t) => rateOf(rate, t, rows))),
  );
  return new Variable([table.length], { initial: () => table });
}

/**
 * The state of `optimizer` for `model` (a layer, an array of models, or of trainable variables): moments, step counter and rates.
 * `backend.allocate(state)` allocates it and the model's variables, and {@link apply} updates them. @throws OptionError for a model without
 * trainable variables, a schedule without `steps`, or groups that match none.
 */
export function state(
  optimizer: Optimizer,
  model: object,
  options: OptimizerStateOptions = {},
  ...extra: never[]
): OptimizerState {
  checkValue('optim.state', 'the model', model, OBJECT);
  return new OptimizerState(optimizer, model, options, ...extra);
}

/**
 * One step of the optimizer, in a function that `backend.compile` traces with `training: true`: clips the gradients, updates the parameters
 * and moments, and counts the step. `gradients` are by path, as `valueAndGrad` of the same model returns them. The same arithmetic as a
 * Trainer's step. @throws OptionError for gradients that are missing, have another shape or belong to no parameter, and outside of
 * training.
 */
export function apply(state: OptimizerState, gradients: Readonly<Record<string, Tensor>>, ...extra: never[]): void {
  if (!(state instanceof OptimizerState))
    throw new OptionError(
      `optim.apply: the state is ${show(state)}. Give the state returned by optim.state(optimizer, model).`,
    );
  checkValue('optim.apply', 'the gradients', gradients, OBJECT);
  checkTensors('optim.apply', gradients, extra);
  checkGradients(state, gradients);
  const { optimizer, arenas, step, rates } = state;
  const rows = rates.size / ratesOf(optimizer).length;
  const row = rows === 1 ? constant([0], { dtype: 'u32' }) : minimum(step, rows - 1);
  const { assignments } = updateArenas(optimizer, arenas, ({ path }) => gradients[path]!, { step, rates, rows, row });
  for (const [variable, value] of assignments) assign(variable, value);
  assign(step, add(step, 1));
}

function checkGradients({ trained }: OptimizerState, gradients: Readonly<Record<string, Tensor>>): void {
  const wanted = new Map(trained.map(({ path, variable }) => [path, variable]));
  const unknown = Object.keys(gradients).find((path) => !wanted.has(path));
  if (unknown !== undefined)
    throw new OptionError(
      `optim.apply: ${show(unknown)} is not a trained parameter of the state's model. It has ${[...wanted.keys()].join(', ')}.`,
    );
  for (const [path, { shape }] of wanted) {
    const gradient = Object.hasOwn(gradients, path) ? gradients[path] : undefined;
    if (!gradient)
      throw new OptionError(
        `optim.apply: no gradient of ${path}. Give the gradients from valueAndGrad of the same model.`,
      );
    if (!sameShape(gradient.shape, shape))
      throw new OptionError(
        `optim.apply: the gradient of ${path} is ${formatShape(gradient.shape)}, but the parameter is ${formatShape(shape)}. Give a gradient of its shape.`,
      );
  }
}
