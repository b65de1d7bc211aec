// The method `augment` of data sets. A bundle may leave its code out, so that networks that see no pictures do not carry it: augment.ts
// attaches it when it is loaded, as files of ops attach methods of tensors.
import { OptionError } from '../graph/errors.ts';

type Augment = (data: never, options?: never, ...extra: never[]) => unknown;

let attached: Augment = () => {
  throw new OptionError('augment: this program does not import it. Call datasets.augment(data, …) instead.');
};

export function attachAugment(augment: Augment): void {
  attached = augment;
}

/** Calls what is attached. */
export function callAugment<D>(data: D, given: readonly unknown[]): D {
  return attached(data as never, ...(given as never[])) as D;
}
