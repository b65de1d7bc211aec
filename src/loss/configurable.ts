// Losses with options: a loss is usable directly, and its `with(options)` returns a configured one.
import { checkOptions, type Names } from '../graph/options.ts';
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
export function configurable<O extends object>(
  lossName: string,
  names: Names<O>,
  make: (options: O) => Loss,
): ConfigurableLoss<O> {
  const configured = (options: O, ...extra: never[]): Loss => {
    checkOptions(lossName, options, names, extra);
    return make(options);
  };
  const call = `losses.${lossName}.with({ ${Object.keys(names).join(', ')} })`;
  return Object.assign(make({} as O), { with: factory(call, configured) });
}
