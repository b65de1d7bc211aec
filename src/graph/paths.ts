// A model is any object with variables in it. Walking it gives every variable a path (`hidden.weight`, `layers.0.weight`), its only
// name in errors, checkpoints, initial values and pictures, and every layer the prefix of its variables' paths.
import { OptionError } from './errors.ts';
import type { VariableGroup } from './executor.ts';
import { checkExtra, checkValue, OBJECT } from './options.ts';
import { Tensor, Variable } from './tensor.ts';

/** A variable and its path in the model. */
export interface NamedVariable {
  /** Its path in the model: `hidden.weight`. */
  readonly path: string;
  /** The variable. */
  readonly variable: Variable;
}

/** Marks objects that are never part of a model, although a model may refer to them: a trainer has other variables. */
export const NOT_OF_A_MODEL = Symbol('not of a model');

/** The method of objects that lay out their own variables in memory. */
export const MEMORY = Symbol('memory');

/** A method of layers that have something to freeze besides parameters; `nn.freeze` and `nn.unfreeze` call it. */
export const FREEZE = Symbol('freeze');

/** A property of layers: how some of their variables appear in files of weights, by property. */
export const IN_FILES = Symbol('in files');

/** A variable's name in files of weights, which is PyTorch's, and the dtype it has there if not its own. */
export interface InFile {
  readonly name: string;
  readonly dtype?: 'I64';
}

/** Buffers for variables, and the variables that begin with their initial values, by path. */
export interface MemoryLayout {
  readonly groups: readonly VariableGroup[];
  readonly variables: readonly NamedVariable[];
}

/** The memory layout of a model: each variable alone, unless the model has a {@link MEMORY} method. */
export function memoryOf(model: object, maxBindingBytes: number): MemoryLayout {
  const own = (model as { [MEMORY]?: (maxBindingBytes: number) => MemoryLayout } | null)?.[MEMORY];
  if (own) return own.call(model, maxBindingBytes);
  const variables = variablesOf(model);
  return { groups: variables.map(({ variable }) => ({ variable })), variables };
}

let paths = new WeakMap<object, string>();

/**
 * The variables of a model in the order of its properties, with their paths. Own enumerable properties, arrays and Maps are walked,
 * however nested; a variable reached twice counts once, under its first path. Remembers the paths of all objects for {@link pathOf}.
 * @throws OptionError if there are none, or if two would have the same path.
 */
export function variablesOf(model: object, ...extra: never[]): NamedVariable[] {
  checkValue('variablesOf', 'the model', model, OBJECT);
  checkExtra('variablesOf', extra);
  const { variables, objects } = walk(model);
  if (variables.length === 0) {
    throw new OptionError(
      `model: this ${model.constructor?.name ?? 'object'} has no variables in its properties. Give an object that holds layers, such as new nn.Linear(784, 10).`,
    );
  }
  checkUniquePaths(variables);
  for (const [object, path] of objects) paths.set(object, path);
  return variables;
}

/** Every object in a model that is not a tensor, outermost first, by path ('' for the model itself). */
export function objectsOf(model: object): Map<string, object> {
  return new Map([...walk(model).objects].map(([object, path]) => [path, object]));
}

/** The path of a layer in the model that was walked last and contains it: `hidden`, `layers.0`; '' for the model itself. */
export function pathOf(layer: object): string | undefined {
  return paths.get(layer);
}

/** Runs `fn` with the paths of `model` only, then restores the previous paths: for inspecting a part of a model. */
export function withPaths<T>(model: object, fn: () => T): T {
  const outer = paths;
  paths = new WeakMap(walk(model).objects);
  try {
    return fn();
  } finally {
    paths = outer;
  }
}

function walk(model: object): { variables: NamedVariable[]; objects: Map<object, string> } {
  const variables: NamedVariable[] = [];
  const objects = new Map<object, string>();
  const seen = new Set<Variable>();
  // An explicit stack, children in reverse, so that deep models cannot overflow the call stack.
  const stack: [unknown, string][] = [[model, '']];
  while (stack.length > 0) {
    const [value, path] = stack.pop()!;
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) continue;
    if (value instanceof Tensor) {
      if (!(value instanceof Variable) || seen.has(value) || path === '') continue;
      seen.add(value);
      variables.push({ path, variable: value });
    } else if (!objects.has(value) && !(NOT_OF_A_MODEL in value)) {
      objects.set(value, path);
      const entries = value instanceof Map ? [...value] : Object.entries(value);
      for (const [key, child] of entries.reverse()) stack.push([child, path === '' ? `${key}` : `${path}.${key}`]);
    }
  }
  return { variables, objects };
}

/** A key with a dot in it can spell the path of a nested property. */
function checkUniquePaths(variables: readonly NamedVariable[]): void {
  const seen = new Set<string>();
  for (const { path } of variables) {
    if (seen.has(path)) {
      throw new OptionError(
        `model: two variables have the path ${path}. Rename a property or Map key that contains a dot.`,
      );
    }
    seen.add(path);
  }
}
