// The type of an optimizer: a function from parameters, gradients and slots to their new values. It is traced once, on the flat
// vectors that hold all parameters, so that an update is one kernel; nothing else in the engine knows which optimizer it is.
import { OptionError } from '../graph/errors.ts';
import {
  type AnySchema,
  ARRAY,
  checkOptions,
  checkValue,
  type Kind,
  kindOfEntry,
  optionsOf,
  POSITIVE,
  type Schema,
  show,
} from '../graph/options.ts';
import { PATH_MATCH, type PathMatch } from '../graph/path-match.ts';
import type { Tensor } from '../graph/tensor.ts';
import { checkBound, checkRate } from './check.ts';
import type { Clip } from './clip.ts';
import type { Rate } from './schedules.ts';

/** What changes from step to step. */
export interface StepValues {
  /** The learning rate, f32 [1]. */
  readonly lr: Tensor;
  /** The step, u32 [1], counted from 0; for unfrozen parameters, from the step at which they were unfrozen. */
  readonly step: Tensor;
}

/** How parameters are updated. */
export interface UpdateRule {
  /** The rule's options, numbers and flags, with defaults filled in. */
  readonly options: Readonly<Record<string, number | boolean>>;
  /** The names of the state vectors beside each flat parameter vector: `['m', 'v']`. */
  readonly slots: readonly string[];
  /** The initial value of every slot element. Default 0. */
  readonly initialSlot?: number;
  /** The new parameters and slots, all f32 [N]. An element with p = g = 0 and initial slots must keep p = 0. */
  update(
    p: Tensor,
    g: Tensor,
    slots: readonly Tensor[],
    at: StepValues,
  ): { readonly p: Tensor; readonly slots: readonly Tensor[] };
}

/** Parameters that an optimizer updates by their own rule. */
export interface ParameterGroup extends UpdateRule {
  /** Which parameters, among those that no earlier group has. */
  readonly match: PathMatch;
  /** The group's learning rate. Default: the optimizer's. */
  readonly lr?: Rate;
  /** The group's learning rate is the optimizer's times this. Default 1. */
  readonly lrScale?: number | undefined;
}

/** An update rule with its learning rate, clipping and parameter groups; a plain value without state, as `sgd()` and `adam()` return it. */
export interface Optimizer extends UpdateRule {
  /** Its name: `sgd`, `adam`. */
  readonly name: string;
  /** The learning rate, or the schedule that gives it for each step. */
  readonly lr: Rate;
  /** How gradients are clipped, over all groups together, before `update`. */
  readonly clip?: Clip;
  /** Parameters with settings of their own; all others form the default group. */
  readonly groups?: readonly ParameterGroup[];
}

/** Options that every optimizer takes; `T` are its own. */
export interface CommonOptions<T = unknown> {
  /** The learning rate, or its schedule. */
  readonly lr?: Rate | undefined;
  /** Clips by the global norm of all gradients; see `clipByGlobalNorm`. */
  readonly clipNorm?: number | undefined;
  /** Clips each gradient element to [-clipValue, clipValue]. */
  readonly clipValue?: number | undefined;
  /** Parameters with other settings, like PyTorch's parameter groups. A parameter belongs to the first group that matches it. */
  readonly groups?: readonly GroupOptions<T>[] | undefined;
}

/** A parameter group: which parameters, and the options that differ from the optimizer's. */
export type GroupOptions<T = unknown> = {
  /** Which parameters; see {@link PathMatch}. A group without any is refused once the model is known. */
  readonly match: PathMatch;
  /** The group's learning rate or schedule. */
  readonly lr?: Rate | undefined;
  /** Multiplies the optimizer's learning rate instead. */
  readonly lrScale?: number | undefined;
} & Omit<T, keyof CommonOptions>;

/** A rate and options, or options with it, as they are given to an optimizer. */
export type Given = readonly unknown[];

type Options = Readonly<Record<string, number | boolean>>;

export const COMMON = {
  lr: true,
  clipNorm: true,
  clipValue: true,
  groups: ARRAY,
} satisfies Schema<CommonOptions>;
const GROUP = { match: true, lr: true, lrScale: POSITIVE } satisfies Schema<GroupOptions>;

/** What a rule adds to the options. */
export type RuleOf = Omit<UpdateRule, 'options'>;

/** The options of an optimizer that are its own, with defaults filled in. */
type OwnOptions<T> = { readonly [K in Exclude<keyof T, keyof CommonOptions>]-?: Exclude<T[K], undefined> };

type WithRate = AnySchema & { readonly lr: readonly [true, number] };

/** {@link COMMON} with a default rate, and an optimizer's own options, each with its default. */
type OptimizerSchema<T> = WithRate &
  Omit<typeof COMMON, 'lr'> & {
    readonly [K in keyof OwnOptions<T>]: readonly [kind: Kind, defaultValue: OwnOptions<T>[K]];
  };

/**
 * An optimizer from the given options, with the rate optionally by position. `rule` checks the options of the optimizer and of each group,
 * and makes their updates. @throws OptionError for unknown arguments and options or wrong types, bad rates and bad clipping bounds.
 */
export function optimizerOf<T extends CommonOptions>(
  name: string,
  given: Given,
  schema: OptimizerSchema<T>,
  rule: (options: OwnOptions<T>, where: string) => RuleOf,
): Optimizer {
  const usual = schema.lr[1];
  if (Array.isArray(given[0]))
    throw new OptionError(
      `${name}: its first argument is an array. The parameters are those of the trainer's model: give ${name}(${usual}) or ${name}({ lr: ${usual} }).`,
    );
  const {
    lr,
    clipNorm,
    clipValue,
    groups = [],
    ...own
  } = optionsOf<CommonOptions, WithRate>(name, 'lr', given, schema);
  const made = (options: object, where: string): UpdateRule => ({
    options: Object.freeze(options as Options),
    ...rule(options as OwnOptions<T>, where),
  });
  checkLr(name, lr);
  if (clipNorm !== undefined) checkBound(`${name}: clipNorm`, clipNorm);
  if (clipValue !== undefined) checkBound(`${name}: clipValue`, clipValue);
  const clip = clipNorm === undefined && clipValue === undefined ? undefined : { norm: clipNorm, value: clipValue };
  const optimizer = { name, lr, ...(clip && { clip }), ...made(own, name) };
  if (groups.length === 0) return optimizer;
  // The defaults of a group's options are the optimizer's values.
  const inherited = Object.entries(own).map(([key, value]) => [key, [kindOfEntry(schema[key]!), value]] as const);
  const groupSchema = { ...GROUP, ...Object.fromEntries(inherited) };
  const ruleOf = (group: GroupOptions, k: number): ParameterGroup => {
    const where = `${name}: groups[${k}]`;
    const { match, lr, lrScale, ...options } = checkOptions(where, group, groupSchema);
    checkGroup(where, group);
    return {
      match,
      ...(lr !== undefined && { lr }),
      ...(lrScale !== undefined && { lrScale }),
      ...made(options, where),
    };
  };
  return { ...optimizer, groups: groups.map(ruleOf) };
}

function checkLr(where: string, lr: Rate): void {
  if (typeof lr !== 'function') checkRate(where, 'lr', lr);
}

function checkGroup(where: string, { match, lr, lrScale }: GroupOptions): void {
  checkValue(where, 'match', match, PATH_MATCH);
  if (lr !== undefined) checkLr(where, lr);
  if (lr !== undefined && lrScale !== undefined)
    throw new OptionError(
      `${where}: both lr and lrScale are given. Give the group's rate, or a factor of the optimizer's.`,
    );
}

/** Refuses a value that is not an optimizer. */
export function checkOptimizer(what: string, optimizer: Optimizer): void {
  const isRule = (rule: UpdateRule) => typeof rule?.update === 'function' && Array.isArray(rule.slots);
  if (!isRule(optimizer))
    throw new OptionError(`${what}: the optimizer is ${show(optimizer)}. Give an optimizer such as optim.adam().`);
  const { lr, groups = [] } = optimizer;
  checkLr(what, lr);
  checkValue(what, "the optimizer's groups", groups, ARRAY);
  for (const [k, group] of groups.entries()) {
    const where = `${what}: groups[${k}]`;
    if (!isRule(group)) throw new OptionError(`${where} is ${show(group)}. Give it slots and an update.`);
    checkGroup(where, group);
  }
}
