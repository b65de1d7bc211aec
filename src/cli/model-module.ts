// --model: a network of the user's own, which a JavaScript module exports. Importing the module runs its code.
import { createHash } from 'node:crypto';
import { register } from 'node:module';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AugmentOptions } from '../data/augmentation.ts';
import { OptionError } from '../graph/errors.ts';
import { show } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { softmaxCrossEntropy } from '../loss/index.ts';
import type { Loss, LossFunction } from '../loss/loss.ts';
import { readWhole } from '../node/read-file.ts';
import { adam } from '../optim/adam.ts';
import { checkOptimizer, type Optimizer } from '../optim/optimizer.ts';
// Tensors have all their methods then, whatever the module imports.
import '../ops/index.ts';
import { FIT } from '../train/run.ts';
import { parseCount } from './parsers.ts';
import type { Sizes, Trainable } from './trainable.ts';

/** The most bytes of a module. */
const MOST_BYTES = 2 ** 24;

type Model = { forward(x: Tensor): Tensor };
type Exports = Readonly<Record<string, unknown>>;

/** The network of a module. @throws FileError; OptionError that names the file and what it lacks */
export async function importModel(path: string): Promise<Trainable> {
  const digest = createHash('sha256').update(readWhole(path, MOST_BYTES)).digest('hex').slice(0, 16);
  return trainableOf(await importFile(path), { path: resolve(path), digest }, path);
}

async function importFile(path: string): Promise<Exports> {
  useOwnPackage();
  try {
    return await import(pathToFileURL(resolve(path)).href);
  } catch (error) {
    // Node keeps the place of a syntax error from the programs that it runs.
    const advice = error instanceof SyntaxError ? `: node --check ${path} shows the place` : '';
    throw new OptionError(`${path}: it cannot be imported: ${reasonOf(error)}. Correct the file${advice}.`, {
      cause: error,
    });
  }
}

/** The message of an error in someone's code, and the line of it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return show(error);
  const place = /file:\/\/(\S+?:\d+)/.exec(error.stack ?? '')?.[1];
  const message = error.message.split('\n')[0]!.replace(/\.$/, '');
  return `${error.name}: ${message}${place ? ` (${place})` : ''}`;
}

let registered = false;

/** From now on `thalweg` and its other entry points are this package, wherever a module is: layers of a second copy would not fit. */
function useOwnPackage(): void {
  if (!registered) register('./own-package.js', import.meta.url);
  registered = true;
}

function trainableOf(exports: Exports, module: { path: string; digest: string }, path: string): Trainable {
  const given = exports['default'] ?? exports['model'];
  if (given === undefined) {
    const has = Object.keys(exports).join(', ') || 'nothing';
    throw new OptionError(
      `${path}: it exports no model, but ${has}. Export one as default, or as model: an object with a forward, a class, or a function that returns one.`,
    );
  }
  const optimizer = optimizerOf(exports['optimizer'], path);
  const name = basename(path);
  const at = (sizes: Sizes | undefined): Trainable => ({
    name,
    description: `the network of ${path}`,
    sizes,
    model: () => modelOf(given, sizes, path),
    loss: lossOf(exports['loss'], path),
    optimizerName: optimizer().name.toLowerCase(),
    optimizer,
    defaults: {
      epochs: countOf(exports, 'epochs', path) ?? 1,
      batchSize: countOf(exports, 'batchSize', path) ?? FIT.batchSize[1],
    },
    augment: augmentOf(exports['augment'], path),
    module,
    fittedTo: at,
  });
  return at(undefined);
}

/** A new model: of a class, what a function returns for the sizes of the data, or the object itself. */
function modelOf(given: unknown, sizes: Sizes | undefined, path: string): Model {
  const made = typeof given === 'function' ? call(given as never, sizes, path) : given;
  if (typeof (made as Model | undefined)?.forward === 'function') return made as Model;
  const what = typeof given === 'function' ? 'what its model function returned' : 'its model';
  throw new OptionError(
    `${path}: ${what} is ${made instanceof Promise ? 'a promise' : show(made)}, which has no forward. Export an object with forward(x), a class, or a function that returns one${made instanceof Promise ? ' without await' : ''}.`,
  );
}

function call(
  given: (new () => unknown) & ((sizes: Sizes | undefined) => unknown),
  sizes: Sizes | undefined,
  path: string,
) {
  const isClass = given.prototype?.forward !== undefined || /^class\b/.test(Function.prototype.toString.call(given));
  if (!isClass) return given(sizes);
  if (given.length > 0)
    throw new OptionError(
      `${path}: the constructor of its model takes ${given.length} argument${given.length === 1 ? '' : 's'}, which the command line does not know. Export a function that returns one: () => new ${given.name || 'Model'}(…).`,
    );
  return new given();
}

function lossOf(loss: unknown, path: string): Loss | LossFunction {
  if (loss === undefined) return softmaxCrossEntropy;
  if (typeof loss === 'function') return loss as LossFunction;
  throw new OptionError(
    `${path}: its loss is ${show(loss)}. Export one of losses, or a function (prediction, target).`,
  );
}

/** The exported optimizer, or the one that an exported function returns for a rate. */
function optimizerOf(given: unknown, path: string): (lr?: number) => Optimizer {
  if (given === undefined) return (lr = 1e-3) => adam({ lr });
  if (typeof given === 'function') return (lr) => checked(given(lr), path);
  const optimizer = checked(given as Optimizer, path);
  return (lr) => {
    if (lr === undefined) return optimizer;
    throw new OptionError(
      `--lr: ${path} exports an optimizer with its own rate. Export a function of the rate, (lr = 0.1) => optim.sgd({ lr }), or leave --lr out.`,
    );
  };
}

function checked(optimizer: Optimizer, path: string): Optimizer {
  checkOptimizer(path, optimizer);
  return optimizer;
}

function countOf(exports: Exports, name: string, path: string): number | undefined {
  return exports[name] === undefined ? undefined : parseCount(exports[name], `${path}: ${name}`);
}

function augmentOf(augment: unknown, path: string): AugmentOptions | boolean | undefined {
  if (augment === undefined || typeof augment === 'boolean' || (typeof augment === 'object' && augment !== null))
    return augment as AugmentOptions | boolean | undefined;
  throw new OptionError(`${path}: its augment is ${show(augment)}. Export true, or options such as { flip: true }.`);
}
