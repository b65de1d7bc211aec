// Tensor methods: how a file of ops attaches them, and what a method throws while its op is not imported.
import { OptionError } from '../graph/errors.ts';
import { checkExtra, checkValue, FUNCTION, OBJECT } from '../graph/options.ts';
import { Tensor } from '../graph/tensor.ts';

type Method = (...args: never) => Tensor | readonly Tensor[];

/** What every tensor has before any op is attached: `shape`, `toString` and the like. */
const OWN: readonly string[] = Object.getOwnPropertyNames(Tensor.prototype);

/**
 * Adds a method to tensors for each function; the tensor is its first argument: `attachMethods({ double: (x) => x.mul(2) })`. An existing
 * method of that name is replaced. @throws OptionError for a value that is not a function, and for the names of a tensor's own properties.
 */
export function attachMethods(methods: Readonly<Record<string, Method>>, ...extra: never[]): void {
  checkValue('attachMethods', 'the methods', methods, OBJECT);
  checkExtra('attachMethods', extra);
  for (const [name, fn] of Object.entries(methods)) {
    checkValue('attachMethods', name, fn, FUNCTION);
    if (OWN.includes(name))
      throw new OptionError(`attachMethods: ${name} is a tensor's own property. Give another name.`);
    const op = fn as (x: Tensor, ...args: readonly unknown[]) => unknown;
    define(name, function (this: Tensor, ...args: readonly unknown[]) {
      return op(this, ...args);
    });
  }
}

/** {@link attachMethods} for the small forms of ops: where the whole op has attached its own already, that one stays. */
export function attachSmallForms(methods: Readonly<Record<string, Method>>): void {
  for (const [name, fn] of Object.entries(methods))
    if (!Object.hasOwn(Tensor.prototype, name)) attachMethods({ [name]: fn });
}

/**
 * Methods of ops that a bundle may leave out: the file of such an op attaches them when it is loaded. Until then they throw an error that
 * names the import.
 */
export function announceMethods(...names: readonly string[]): void {
  for (const name of names) {
    if (Object.hasOwn(Tensor.prototype, name)) continue;
    define(name, () => {
      throw notImported(name);
    });
  }
}

/** A method, or a form of it, whose op is not loaded. */
export function notImported(name: string): OptionError {
  return new OptionError(
    `${name}: this method needs its op, which this program does not import. Call ${name}(x, …) instead: import { ${name} } from 'thalweg/ops'.`,
  );
}

function define(name: string, value: (this: Tensor, ...args: readonly unknown[]) => unknown): void {
  Object.defineProperty(Tensor.prototype, name, { value, writable: true, configurable: true });
}
