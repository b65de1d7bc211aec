// Optimizers as plain data, for checkpoints and reports, and back.
import { OptionError } from '../graph/errors.ts';
import { checkExtra, checkOptions, type Names, OBJECT, STRING, withoutGaps } from '../graph/options.ts';
import { adagrad } from './adagrad.ts';
import { adam, adamW } from './adam.ts';
import { rateDescription, rateFrom } from './compose.ts';
import { type CommonOptions, checkOptimizer, type Optimizer } from './optimizer.ts';
import { rmsProp } from './rmsprop.ts';
import type { ScheduleDescription } from './schedules.ts';
import { sgd } from './sgd.ts';

/** An optimizer's name and options; `lr` is absent where its schedule has no description. */
export interface OptimizerDescription {
  readonly name: string;
  readonly lr?: number | ScheduleDescription;
  readonly clipNorm?: number;
  readonly clipValue?: number;
  readonly options: Readonly<Record<string, number | boolean>>;
}

const NAMES: Names<OptimizerDescription> = { name: STRING, lr: true, clipNorm: true, clipValue: true, options: OBJECT };

const KNOWN = { sgd, adam, adamW, rmsProp, adagrad };

/** What {@link optimizerFrom} makes an equal optimizer from. */
export function describe(optimizer: Optimizer, ...extra: never[]): OptimizerDescription {
  checkOptimizer('describe', optimizer);
  checkExtra('describe', extra);
  const { name, lr, clip, options } = optimizer;
  const all = { name, lr: rateDescription(lr), clipNorm: clip?.norm, clipValue: clip?.value, options: { ...options } };
  return withoutGaps(all) as OptimizerDescription;
}

/** The optimizer that a description describes. @throws OptionError for one it does not know or that lacks a rate. */
export function optimizerFrom(description: OptimizerDescription, ...extra: never[]): Optimizer {
  checkOptions('optimizerFrom', description, NAMES, extra);
  const { name, lr, clipNorm, clipValue, options } = description;
  const make = Object.hasOwn(KNOWN, name) ? KNOWN[name as keyof typeof KNOWN] : undefined;
  if (!make) {
    throw new OptionError(`optimizer: ${JSON.stringify(name)} is unknown. Known are ${Object.keys(KNOWN).join(', ')}.`);
  }
  if (lr === undefined) {
    throw new OptionError(`${name}: its learning rate was a function of the user's own. Give the optimizer again.`);
  }
  return make({ ...options, lr: rateFrom(lr), clipNorm, clipValue } satisfies CommonOptions as never);
}
