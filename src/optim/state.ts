// What an optimizer keeps of a model in a bare loop: arenas with moments, the step counter and the rates, as variables that a
// storage gives memory to; and the update of a step, to be called in the function that is traced.
import { OptionError } from '../graph/errors.ts';
import type { VariableGroup } from '../graph/executor.ts';
import { COUNT, checkOptions, checkValue, type Names, OBJECT, POSITIVE, show } from '../graph/options.ts';
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
  /** Steps that schedules are made for; after them the last rate stays. Needed where a rate is a schedule. */
  readonly steps?: number;
  /** The most bytes of parameters in one buffer. Default 128 MiB. */
  readonly maxArenaBytes?: number;
}

const NAMES: Names<OptimizerStateOptions> = { steps: COUNT, maxArenaBytes: POSITIVE };

/** A model's variables, and what an optimizer keeps beside them. `backend.allocate` gives all of it memory. */
export class OptimizerState {
  readonly [NOT_OF_A_MODEL] = true;
  readonly optimizer: Optimizer;
  /** Steps made, u32 [1]: also what dropout draws from, as the option `step` of `backend.compile`. */
  readonly step: Variable = new Variable([1], { dtype: 'u32', initial: () => new Uint32Array(1) });
  /** Learning rates, one a step and group with a rate of its own, f32; a single one where all are numbers. */
  readonly rates: Variable;
  /** The parameters that are trained, by path. */
  readonly trained: readonly NamedVariable[];
  readonly arenas: readonly Arena[];
  readonly #variables: readonly NamedVariable[];
  readonly #maxArenaBytes: number;

  /** @throws OptionError as {@link state}. */
  constructor(optimizer: Optimizer, model: object, options: OptimizerStateOptions = {}, ...extra: never[]) {
    checkOptimizer('optim.state', optimizer);
    const { steps, maxArenaBytes = MAX_ARENA_BYTES } = checkOptions('optim.state', options, NAMES, extra);
    this.optimizer = optimizer;
    this.#variables = variablesOf(model);
    this.#maxArenaBytes = maxArenaBytes;
    const parameters = this.#variables.filter(({ variable }) => isParameter(variable));
    this.trained = parameters.filter(({ variable }) => variable.trainable);
    if (this.trained.length === 0)
      throw new OptionError('optim.state: no variable of the model is trained. Give it a layer with parameters.');
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
      'optim.state: a learning rate is a schedule, and how many steps it is for is not known. Give { steps }.',
    );
  const rows = schedule ? steps! : 1;
  const table = Float32Array.from(
    rates.flatMap((rate) => Array.from({ length: rows }, (_, t) => rateOf(rate, t, rows))),
  );
  return new Variable([table.length], { initial: () => table });
}

/**
 * What `optimizer` keeps of `model` (layers, an array of models, or of variables made trainable): moments, step counter and
 * rates. `backend.allocate(state)` gives memory to it and to the model's variables, and {@link apply} moves them.
 * @throws OptionError for a model without variables that are trained, for a schedule without `steps`, for groups that match none.
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
 * One step of the optimizer, in a function that `backend.compile` traces with `training: true`: clips the gradients, moves the
 * parameters and moments, and counts the step. `gradients` are by path, as `valueAndGrad` of the same model gives them. The same
 * arithmetic as a Trainer's step.
 * @throws OptionError for gradients that are missing, of other shapes or of no parameter, and outside of training.
 */
export function apply(state: OptimizerState, gradients: Readonly<Record<string, Tensor>>, ...extra: never[]): void {
  if (!(state instanceof OptimizerState))
    throw new OptionError(`optim.apply: the state is ${show(state)}. Give what optim.state(optimizer, model) gave.`);
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
      `optim.apply: ${show(unknown)} is no parameter of the state's model that is trained. It has ${[...wanted.keys()].join(', ')}.`,
    );
  for (const [path, { shape }] of wanted) {
    const gradient = Object.hasOwn(gradients, path) ? gradients[path] : undefined;
    if (!gradient)
      throw new OptionError(
        `optim.apply: there is no gradient of ${path}. Give those of valueAndGrad of the same model.`,
      );
    if (!sameShape(gradient.shape, shape))
      throw new OptionError(
        `optim.apply: the gradient of ${path} is ${formatShape(gradient.shape)}, and the parameter ${formatShape(shape)}. Give one of its shape.`,
      );
  }
}
