// The trace in progress: whether it is for training, the step and seed that random ops read, and the traced function's effects besides
// its result (assignments, captured inner tensors).
import { isPacked } from './dtype.ts';
import { OptionError } from './errors.ts';
import { checkExtra, checkValue, type Kind, STRING } from './options.ts';
import { withPaths } from './paths.ts';
import { formatShape, sameShape } from './shape.ts';
import { Tensor, type Variable } from './tensor.ts';

const TENSOR: Kind = { advice: 'Give a tensor.', fits: (x) => x instanceof Tensor };

/** A variable and the value it takes when the program's step ends. */
export type Assignment = readonly [Variable, Tensor];

export interface Trace {
  readonly training: boolean;
  /** The variables that the optimizer updates. Default: those that are trainable. */
  readonly trained?: ReadonlySet<Variable> | undefined;
  /** The step counter, u32 [1], and the seed, u32 [2], if the program has them. */
  readonly step?: Tensor;
  readonly seed?: Tensor;
  readonly assignments: Assignment[];
  readonly captures: Map<string, Tensor>;
  readonly occurrences: Map<string, number>;
}

let current: Trace | undefined;

/** The settings of a trace. */
export interface TraceSettings extends Pick<Trace, 'step' | 'seed' | 'trained'> {
  /** Default false. */
  readonly training?: boolean;
  /** The model whose paths apply during the trace. Default: the current paths. */
  readonly model?: object;
}

/** Runs `fn` with a new trace in progress, passed to it, and returns its result. */
export function traceWith<T>({ model, training = false, ...given }: TraceSettings, fn: (trace: Trace) => T): T {
  const outer = current;
  const trace: Trace = { training, ...given, assignments: [], captures: new Map(), occurrences: new Map() };
  current = trace;
  try {
    return model ? withPaths(model, () => fn(trace)) : fn(trace);
  } finally {
    current = outer;
  }
}

/** Whether the program being traced is for training (dropout drops, running statistics move). False outside a trace. */
export function isTraining(): boolean {
  return current?.training ?? false;
}

/** Whether the optimizer of the program being traced updates a variable: a trainer may have frozen it, whatever its `trainable` says. */
export function isTrained(variable: Variable): boolean {
  return current?.trained?.has(variable) ?? variable.trainable;
}

export function currentTrace(): Trace | undefined {
  return current;
}

/**
 * Assigns `value` (same shape and dtype) to `variable` when the step ends. Assignments are simultaneous: every
 * right-hand side sees the old values. Throws outside a training trace.
 */
export function assign(variable: Variable, value: Tensor, ...extra: never[]): void {
  checkValue('assign', 'the variable', variable, TENSOR);
  checkValue('assign', 'the value', value, TENSOR);
  checkExtra('assign', extra);
  if (!current?.training)
    throw new OptionError(
      'assign: this program is not for training, so it cannot change variables. Compile it with { training: true }; in the forward of a layer, check isTraining() first.',
    );
  if (!sameShape(variable.shape, value.shape) || variable.dtype !== value.dtype) {
    throw new OptionError(
      `assign: ${value.dtype} ${formatShape(value.shape)} does not fit the variable's ${variable.dtype} ${formatShape(variable.shape)}.`,
    );
  }
  if (isPacked(variable.dtype))
    throw new OptionError(`assign: ${variable.dtype} variables are storage only. Make the variable u32.`);
  if (current.assignments.some(([v]) => v === variable))
    throw new OptionError('assign: the variable is assigned twice in one step. Assign it once.');
  current.assignments.push([variable, value]);
}

/**
 * Assigns a function of a variable's value: of the value it has been assigned in this step, if any. A layer that is used twice moves its
 * statistics twice. Returns what is assigned.
 */
export function advance(variable: Variable, next: (value: Tensor) => Tensor): Tensor {
  const assignments = current?.assignments ?? [];
  const k = assignments.findIndex(([v]) => v === variable);
  if (k < 0) assign(variable, next(variable));
  else assignments[k] = [variable, next(assignments[k]![1])];
  return assignments[k < 0 ? assignments.length - 1 : k]![1];
}

/** Names an inner tensor, such as an activation, so that it can be inspected by that name; returns it unchanged. */
export function capture(name: string, x: Tensor, ...extra: never[]): Tensor {
  checkValue('capture', 'the name', name, STRING);
  checkValue('capture', 'x', x, TENSOR);
  checkExtra('capture', extra);
  current?.captures.set(name, x);
  return x;
}

/** The number of earlier calls with `key` in this trace: numbers the random ops of one layer. */
export function occurrence(key: string): number {
  const n = current?.occurrences.get(key) ?? 0;
  current?.occurrences.set(key, n + 1);
  return n;
}
