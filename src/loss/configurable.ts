// A loss is used as it is, and its `with` makes another of it by options.
import { checkOptions, type Names } from '../graph/options.ts';
import type { Loss } from './loss.ts';

/** A loss, and `with`, which makes another of it by its options. */
export interface ConfigurableLoss<O> extends Loss {
  /** @throws OptionError, naming what cannot be used. */
  with(options: O, ...extra: never[]): Loss;
}

/** The loss of no options, which makes those of others. */
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
  return Object.assign(make({} as O), { with: configured });
}
