// Values of tensors, computed on an engine: the memory they read, tensors without a value, and numbers nested by shape.

import { type HostArray, isPacked } from './dtype.ts';
import { OptionError } from './errors.ts';
import type { Executor, Storage } from './executor.ts';
import { ARRAY, oneOf, type Schema } from './options.ts';
import type { Shape } from './shape.ts';
import { expandConstant, type Tensor, type Variable, variableOf } from './tensor.ts';
import { topologicalOrder } from './walk.ts';

/** A number, or lists of numbers nested once per axis of the tensor. */
export type NestedValue = number | NestedValue[];

/** Options of `backend.value`. */
export interface ValueOptions {
  /** Lists of numbers, or a typed array. Default `nested`. */
  readonly as?: 'nested' | 'typed' | undefined;
  /** Where to read variables that several storages hold. Default: their holder on this backend. */
  readonly storages?: readonly Storage[] | undefined;
}

export const VALUE = { as: [oneOf('nested', 'typed'), 'nested'], storages: ARRAY } satisfies Schema<ValueOptions>;

/** Tensors in an array or by name. */
export type Tensors = readonly Tensor[] | Readonly<Record<string, Tensor>>;

/** Computes tensors together, once. @throws OptionError as {@link memoryBehind}. */
export async function valuesOf(
  executor: Executor,
  outputs: Readonly<Record<string, Tensor>>,
  { as, storages: given = [] }: ValueOptions,
): Promise<Record<string, NestedValue | HostArray>> {
  const storages = memoryBehind(Object.values(outputs), (variable) => {
    const named = given.filter((storage) => storage.has(variable));
    return named.length > 0 ? named : (executor.inUse?.holding(variable) ?? []);
  });
  const [stored, computed] = [new Map<string, HostArray>(), new Map<string, Tensor>()];
  for (const [name, t] of Object.entries(outputs)) {
    if (isPacked(t.dtype)) stored.set(name, await storedValues(t, storages));
    else computed.set(name, t);
  }
  const program = await executor.compile({ outputs: Object.fromEntries(computed) }, { label: 'value', storages });
  try {
    const arrays = await program.run();
    const values = Object.entries(outputs).map(([name, { shape }]) => {
      const data = stored.get(name) ?? arrays[name]!.data;
      return [name, as === 'typed' ? data : nested(shape, data)] as const;
    });
    return Object.fromEntries(values);
  } finally {
    program.dispose();
  }
}

/** Stored bytes, read directly: programs can only gather and cast them. */
async function storedValues(leaf: Tensor, storages: readonly Storage[]): Promise<HostArray> {
  const { source } = leaf.node;
  if (source?.kind === 'constant') return expandConstant(source.data, leaf).slice();
  if (source?.kind === 'resident') return source.array.data.slice();
  const variable = variableOf(leaf.node)!;
  return (await storages.find((storage) => storage.has(variable))!.read([variable]))[0]!;
}

/**
 * The memory of every variable behind the tensors, found by `holding`.
 * @throws OptionError for an input, which has no values, and for a variable that no storage or several storages hold.
 */
function memoryBehind(tensors: readonly Tensor[], holding: (variable: Variable) => readonly Storage[]): Storage[] {
  const found = new Set<Storage>();
  for (const node of topologicalOrder(tensors)) {
    const refuse = (what: string) => {
      const reader = tensors.find((t) => topologicalOrder([t]).includes(node))!;
      const reads = reader.node === node ? `${reader}` : `${reader} reads ${node.outputs[0]}`;
      return new OptionError(`value: ${reads}, ${what}`);
    };
    if (node.source?.kind === 'input') {
      const { name } = node.source;
      throw refuse(`an input without values. Give them: backend.run(({ ${name} }) => …, { ${name}: array }).`);
    }
    const variable = variableOf(node);
    if (!variable) continue;
    const [storage, other] = holding(variable);
    if (!storage)
      throw refuse(
        'a variable without memory on this backend. Allocate it: backend.allocate(model), or new Trainer(backend, …).',
      );
    if (other)
      throw refuse('a variable that several storages hold. Name one: backend.value(x, { storages: [memory] }).');
    found.add(storage);
  }
  return [...found];
}

/** An array as nested lists, the first axis outermost; a scalar as a number. */
function nested(shape: Shape, data: HostArray): NestedValue {
  const lists = (axis: number, from: number, to: number): NestedValue => {
    if (axis === shape.length) return data[from]!;
    const step = (to - from) / shape[axis]!;
    return Array.from({ length: shape[axis]! }, (_, k) => lists(axis + 1, from + k * step, from + (k + 1) * step));
  };
  return lists(0, 0, data.length);
}
