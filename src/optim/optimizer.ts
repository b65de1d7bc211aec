// What an optimizer is: a function from parameters, gradients and its slots to what they become. It is traced once, on the flat
// vectors that hold all parameters, so that an update is one kernel; nothing else in the engine knows which optimizer it is.
import { OptionError } from '../graph/errors.ts';
import { BOOLEAN, type Names, NUMBER, optionsOf, type Positional, show, withoutGaps } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { checkBound, checkRate } from './check.ts';
import type { Clip } from './clip.ts';
import type { Rate } from './schedules.ts';

/** What changes from step to step. */
export interface StepValues {
  /** The learning rate, f32 [1]. */
  readonly lr: Tensor;
  /** The step, u32 [1], counted from 0. */
  readonly step: Tensor;
}

export interface Optimizer {
  /** `sgd`, `adam`. */
  readonly name: string;
  /** Its options beside `lr` and clipping, defaults filled in. */
  readonly options: Readonly<Record<string, number | boolean>>;
  readonly lr: Rate;
  /** What is done to the gradients before `update` sees them. */
  readonly clip?: Clip;
  /** The names of the state vectors beside each flat parameter vector: `['m', 'v']`. */
  readonly slots: readonly string[];
  /** What every element of the slots is at first; 0 unless said. */
  readonly initialSlot?: number;
  /** The new parameters and slots, all f32 [N]. An element whose p, g and slots are as at first with g = p = 0 keeps p = 0. */
  update(
    p: Tensor,
    g: Tensor,
    slots: readonly Tensor[],
    at: StepValues,
  ): { readonly p: Tensor; readonly slots: readonly Tensor[] };
}

/** Options that every optimizer takes. */
export interface CommonOptions {
  /** The learning rate, or a schedule of it. */
  readonly lr?: Rate;
  /** Clips by the norm of all gradients together: see `clipByGlobalNorm`. */
  readonly clipNorm?: number;
  /** Clips each gradient element to [-clipValue, clipValue]. */
  readonly clipValue?: number;
}

export const COMMON: Names<CommonOptions> = { lr: true, clipNorm: true, clipValue: true };

/**
 * The given options, the rate perhaps by position, with defaults filled in, and those common to all optimizers apart.
 * @throws OptionError for arguments and options that do not exist or have the wrong type, bad rates and bad clipping bounds.
 */
export function readOptions<T extends Readonly<Record<string, number | boolean>>>(
  name: string,
  given: Positional<CommonOptions & { readonly [K in keyof T]?: T[K] }, 'lr'>,
  defaultLr: number,
  defaults: T,
): { lr: Rate; clip?: Clip; options: T } {
  const kinds = Object.entries(defaults).map(([key, value]) => [key, typeof value === 'boolean' ? BOOLEAN : NUMBER]);
  const names = { ...COMMON, ...Object.fromEntries(kinds) };
  const { lr = defaultLr, clipNorm, clipValue, ...own } = optionsOf<CommonOptions>(name, 'lr', given, names);
  const options = { ...defaults, ...withoutGaps(own) };
  if (typeof lr !== 'function') checkRate(name, 'lr', lr);
  if (clipNorm !== undefined) checkBound(`${name}: clipNorm`, clipNorm);
  if (clipValue !== undefined) checkBound(`${name}: clipValue`, clipValue);
  const clip = clipNorm === undefined && clipValue === undefined ? undefined : { norm: clipNorm, value: clipValue };
  return { lr, clip, options: Object.freeze(options) };
}

/** Refuses what is no optimizer. */
export function checkOptimizer(what: string, optimizer: Optimizer): void {
  if (typeof optimizer?.update !== 'function' || !Array.isArray(optimizer.slots))
    throw new OptionError(`${what}: the optimizer is ${show(optimizer)}. Give what one of optim gives: optim.adam().`);
}
