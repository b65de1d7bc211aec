// The inputs of a recipe: the names that a run may give, and whether their values fit.
import { checkHeld, type HostArray } from './dtype.ts';
import { OptionError } from './errors.ts';
import type { Recipe } from './executor.ts';
import type { Spec } from './op.ts';
import { checkValue, OBJECT, show } from './options.ts';
import { rootsOf } from './recipe.ts';
import { formatShape, sizeOf } from './shape.ts';
import { topologicalOrder } from './walk.ts';

/** The names that runs of one program may give, and those they have given so far. */
export class Inputs {
  readonly #label: string;
  readonly #read = new Map<string, Spec>();
  readonly #allowed: ReadonlySet<string>;
  readonly #given = new Set<string>();

  /** `others` are names that runs may give although the recipe does not read them. @throws OptionError if two inputs share a name. */
  constructor(label: string, recipe: Recipe, others: readonly string[] = []) {
    this.#label = label;
    for (const { source, outs } of topologicalOrder(rootsOf(recipe))) {
      if (source?.kind !== 'input') continue;
      if (this.#read.has(source.name)) {
        throw new OptionError(`${label}: two inputs are named ${source.name}. Give each a different name.`);
      }
      this.#read.set(source.name, outs[0]!);
    }
    this.#allowed = new Set([...this.#read.keys(), ...others]);
  }

  /** @throws OptionError if a name is unknown, a size or value does not fit, or an input never had a value. */
  check(given: Readonly<Record<string, HostArray>>): void {
    checkValue(this.#label, 'the argument of run', given, OBJECT);
    for (const [name, data] of Object.entries(given)) {
      if (!this.#allowed.has(name)) {
        throw new OptionError(
          `${this.#label}: it has no input ${name}. Its inputs are ${[...this.#allowed].join(', ') || 'none'}.`,
        );
      }
      const spec = this.#read.get(name);
      if (spec) checkValues(this.#label, `input ${name}`, spec, data);
      this.#given.add(name);
    }
    const missing = [...this.#read.keys()].filter((name) => !this.#given.has(name));
    if (missing.length > 0) {
      throw new OptionError(
        `${this.#label}: input ${missing.join(', ')} has no value yet. Give it to run({ ${missing.join(', ')} }).`,
      );
    }
  }
}

/** @throws OptionError if `data` does not fill the shape, ShapeError if the dtype does not hold a value. */
export function checkValues(label: string, what: string, { shape, dtype }: Spec, data: HostArray): void {
  if (data?.length === sizeOf(shape)) {
    checkHeld(`${label}: ${what}`, dtype, data, 'Give whole numbers in its range, or make it f32.');
    return;
  }
  throw new OptionError(
    `${label}: ${what} ${data?.length === undefined ? `is ${show(data)}` : `has ${data.length} values`}. Its shape is ${formatShape(shape)}: give ${sizeOf(shape)} values.`,
  );
}
