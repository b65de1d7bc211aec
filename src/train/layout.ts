// The memory layout of a State: trained parameters in arenas with their moments, every other variable in its own buffer. It follows from
// the optimizer and the frozen parameters, and is rebuilt when these change.
import { type DType, type HostArray, hostArray } from '../graph/dtype.ts';
import { OptionError } from '../graph/errors.ts';
import type { Region, Storage } from '../graph/executor.ts';
import type { NamedVariable } from '../graph/paths.ts';
import type { Shape } from '../graph/shape.ts';
import type { Variable } from '../graph/tensor.ts';
import type { Arena } from '../optim/arena.ts';
import { arenasOf, type Membership } from '../optim/groups.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import { type FileAxes, fromFile } from './file-axes.ts';

/** Which parameters are trained. */
export interface Freezing {
  /** The paths of frozen parameters. */
  readonly frozen: readonly string[];
  /** The step at which a parameter was unfrozen and its moments were reset, by path. */
  readonly unfrozen: Readonly<Record<string, number>>;
}

/** A tensor of a State under its name in checkpoints, and the region of the allocated variable that holds it. */
export interface Entry extends Region {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly fileAxes?: FileAxes;
}

export interface Layout {
  readonly freezing: Freezing;
  /** The parameters that the optimizer updates, in the model's order. */
  readonly trained: readonly NamedVariable[];
  readonly arenas: readonly Arena[];
  /** Variables that it does not update. */
  readonly others: readonly NamedVariable[];
}

/** The inputs of a layout. */
export interface Parts {
  readonly optimizer: Optimizer;
  readonly variables: readonly NamedVariable[];
  /** Those that can be trained. */
  readonly trainable: readonly NamedVariable[];
  readonly membership: Membership;
  readonly maxArenaBytes: number;
}

/** The freezing that the variables' `trainable` flags give. */
export function initialFreezing(trainable: readonly NamedVariable[]): Freezing {
  const frozen = trainable.filter(({ variable }) => !variable.trainable);
  return { frozen: frozen.map(({ path }) => path), unfrozen: {} };
}

/** @throws OptionError if nothing would be trained. */
export function layoutOf(parts: Parts, freezing: Freezing): Layout {
  const { optimizer, variables, trainable, membership, maxArenaBytes } = parts;
  const frozen = new Set(freezing.frozen);
  const trained = trainable.filter(({ path }) => !frozen.has(path));
  if (trained.length === 0)
    throw new OptionError(
      trainable.length > 0
        ? 'model: all of its parameters are frozen. Leave at least one unfrozen.'
        : 'model: it has no trainable variables. Give it a layer with parameters.',
    );
  const { unfrozen } = freezing;
  const sinceOf = (path: string) => (Object.hasOwn(unfrozen, path) ? unfrozen[path]! : 0);
  const arenas = arenasOf(optimizer, trained, membership, maxArenaBytes, sinceOf);
  const moved = new Set(trained);
  return { freezing, trained, arenas, others: variables.filter((named) => !moved.has(named)) };
}

/** Variables, and moments of trained ones, under their names in a checkpoint. */
export function entriesOf({ arenas }: Layout, variables: readonly NamedVariable[]): Entry[] {
  const placed = new Map(
    arenas.flatMap(({ variable: within, members }) => members.map((m) => [m.variable, { within, offset: m.offset }])),
  );
  const weights = variables.map(({ path, variable }): Entry => {
    const { shape, dtype, size, fileAxes } = variable;
    return { name: path, shape, dtype, size, fileAxes, ...(placed.get(variable) ?? { within: variable, offset: 0 }) };
  });
  const slotNames = [...new Set(arenas.flatMap(({ rule }) => rule.slots))];
  const moments = slotNames.flatMap((slot) =>
    arenas.flatMap(({ members, slots, rule }) => {
      const within = slots[rule.slots.indexOf(slot)];
      if (!within) return [];
      return members.map(({ path, variable: { shape, size, fileAxes }, offset }): Entry => {
        return { name: `optimizer.${slot}.${path}`, shape, dtype: 'f32', size, fileAxes, within, offset };
      });
    }),
  );
  return [...weights, ...moments];
}

/** Pairs of entries with the same name. */
export function sameEntries(before: readonly Entry[], after: readonly Entry[]): [Entry, Entry][] {
  const old = new Map(before.map((entry) => [entry.name, entry]));
  return after.flatMap((entry) => {
    const from = old.get(entry.name);
    return from ? [[from, entry] as [Entry, Entry]] : [];
  });
}

/** Writes whole variables, each assembled from its entries in a file's order of axes; padding is zero. */
export function writeEntries(storage: Storage, entries: readonly Entry[], dataOf: (name: string) => HostArray): void {
  const whole = new Map<Variable, HostArray>();
  for (const { name, shape, fileAxes, within, offset } of entries) {
    const data = whole.get(within) ?? hostArray(within.dtype, within.size);
    data.set(fromFile(dataOf(name), shape, fileAxes), offset);
    whole.set(within, data);
  }
  for (const [variable, data] of whole) storage.write(variable, data);
}
