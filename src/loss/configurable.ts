// Losses with options: a loss is usable directly, and its `with(options)` returns a configured one.
import { type AnySchema, checkOptions, type WithDefaults } from '../graph/options.ts';
import type { Loss } from './loss.ts';

/** A loss whose `with(options)` returns a configured one. */
export interface ConfigurableLoss<O> extends Loss {
  /** The loss with these options. @throws OptionError, naming the invalid option. */
  with(options: O, ...extra: never[]): Loss;
}

/** A function that returns a loss, with the call to write where it is given in place of one. */
/* @__NO_SIDE_EFFECTS__ */
export function factory<F extends (...given: never) => Loss>(call: string, make: F): F & { readonly factory: string } {
  return Object.assign(make, { factory: call });
}

/** The loss with default options; its `with` makes the others. */
/* @__NO_SIDE_EFFECTS__ */
export function configurable<O extends object, S extends AnySchema>(
  lossName: string,
  schema: S,
  make: (options: WithDefaults<O, S>) => Loss,
): ConfigurableLoss<O> {
  const configured = (options: O, ...extra: never[]) => make(checkOptions(lossName, options, schema, extra));
  const call = `losses.${lossName}.with({ ${Object.keys(schema).join(', ')} })`;
  return Object.assign(configured({} as O), { with: factory(call, configured) });
}
