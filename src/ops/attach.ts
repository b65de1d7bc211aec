// Methods of tensors: how a file of ops attaches its own, and what a method says whose ops nothing has imported.
import { OptionError } from '../graph/errors.ts';
import { checkExtra, checkValue, FUNCTION, OBJECT } from '../graph/options.ts';
import { Tensor } from '../graph/tensor.ts';

type Method = (...args: never) => Tensor;

/** What every tensor has before any op is attached: `shape`, `toString` and the like. */
const OWN: readonly string[] = Object.getOwnPropertyNames(Tensor.prototype);

/**
 * Gives tensors a method for each function, which takes the tensor as its first argument: `attachMethods({ double: (x) => x.mul(2) })`.
 * A method of that name is replaced.
 * @throws OptionError for what is no function, and for the names of a tensor's own properties.
 */
export function attachMethods(methods: Readonly<Record<string, Method>>, ...extra: never[]): void {
  checkValue('attachMethods', 'the methods', methods, OBJECT);
  checkExtra('attachMethods', extra);
  for (const [name, fn] of Object.entries(methods)) {
    checkValue('attachMethods', name, fn, FUNCTION);
    if (OWN.includes(name)) throw new OptionError(`attachMethods: ${name} is a tensor's own. Give another name.`);
    const op = fn as (x: Tensor, ...args: readonly unknown[]) => Tensor;
    define(name, function (this: Tensor, ...args: readonly unknown[]) {
      return op(this, ...args);
    });
  }
}

/**
 * Methods of ops that are not in every bundle: the file of such an op attaches them when it is loaded. Until then they throw and say
 * what to import.
 */
export function announceMethods(...names: readonly string[]): void {
  for (const name of names) {
    if (Object.hasOwn(Tensor.prototype, name)) continue;
    define(name, () => {
      throw new OptionError(
        `${name}: this method comes with its op, which nothing here imports. Call ${name}(x, …) instead: import { ${name} } from 'thalweg/ops'.`,
      );
    });
  }
}

function define(name: string, value: (this: Tensor, ...args: readonly unknown[]) => Tensor): void {
  Object.defineProperty(Tensor.prototype, name, { value, writable: true, configurable: true });
}
