// Optimizers as plain data, for checkpoints and reports, and back.
import { OptionError } from '../graph/errors.ts';
import { ARRAY, checkExtra, checkOptions, OBJECT, type Schema, STRING, withoutGaps } from '../graph/options.ts';
import type { PathMatch, PathPattern } from '../graph/path-match.ts';
import { adagrad } from './adagrad.ts';
import { adam, adamW } from './adam.ts';
import { rateDescription, rateFrom } from './compose.ts';
import {
  type CommonOptions,
  checkOptimizer,
  type GroupOptions,
  type Optimizer,
  type ParameterGroup,
} from './optimizer.ts';
import { rmsProp } from './rmsprop.ts';
import type { ScheduleDescription } from './schedules.ts';
import { sgd } from './sgd.ts';

/** A pattern as plain data: a path or path prefix, or the parts of a RegExp. */
export type PatternDescription = string | { readonly source: string; readonly flags: string };

/** A parameter group as plain data; its match or its rate is null if that is a user's function. */
export interface GroupDescription {
  /** Paths, path prefixes and regular expressions, one of which a parameter's path matches; null for a function. */
  readonly match: readonly PatternDescription[] | null;
  /** The group's own rate or schedule; null for a schedule without a description. */
  readonly lr?: number | ScheduleDescription | null;
  /** The factor of the optimizer's rate. */
  readonly lrScale?: number;
  /** The options of the group's update rule, defaults filled in. */
  readonly options: Readonly<Record<string, number | boolean>>;
}

/** An optimizer's name and options; `lr` is absent if its schedule has no description. */
export interface OptimizerDescription {
  /** The optimizer's name: `sgd`, `adam`. */
  readonly name: string;
  /** The learning rate, or its schedule. */
  readonly lr?: number | ScheduleDescription;
  /** The maximum global norm of the gradients. */
  readonly clipNorm?: number;
  /** The maximum magnitude of a gradient's elements. */
  readonly clipValue?: number;
  /** The options of the update rule, defaults filled in. */
  readonly options: Readonly<Record<string, number | boolean>>;
  /** The parameter groups, in their order. */
  readonly groups?: readonly GroupDescription[];
}

const SCHEMA = {
  name: STRING,
  lr: true,
  clipNorm: true,
  clipValue: true,
  options: OBJECT,
  groups: ARRAY,
} satisfies Schema<OptimizerDescription>;
const GROUP = { match: true, lr: true, lrScale: true, options: OBJECT } satisfies Schema<GroupDescription>;

const KNOWN = { sgd, adam, adamW, rmsProp, adagrad };

/** The description from which {@link optimizerFrom} makes an equal optimizer. */
export function describe(optimizer: Optimizer, ...extra: never[]): OptimizerDescription {
  checkOptimizer('describe', optimizer);
  checkExtra('describe', extra);
  const { name, lr, clip, options, groups } = optimizer;
  const all = { name, lr: rateDescription(lr), clipNorm: clip?.norm, clipValue: clip?.value, options: { ...options } };
  return withoutGaps({ ...all, groups: groups?.map(describeGroup) }) as OptimizerDescription;
}

function describeGroup({ match, lr, lrScale, options }: ParameterGroup): GroupDescription {
  const rate = lr === undefined ? undefined : (rateDescription(lr) ?? null);
  return withoutGaps({ match: describeMatch(match), lr: rate, lrScale, options: { ...options } }) as GroupDescription;
}

function describeMatch(match: PathMatch): PatternDescription[] | null {
  const patterns = [match].flat() as PathPattern[];
  if (patterns.some((pattern) => typeof pattern === 'function')) return null;
  return patterns.map((pattern) =>
    pattern instanceof RegExp ? { source: pattern.source, flags: pattern.flags } : (pattern as string),
  );
}

type Make = (options: CommonOptions) => Optimizer;

/** The optimizer of a description. @throws OptionError for an unknown optimizer, or if a rate or a match is missing. */
export function optimizerFrom(description: OptimizerDescription, ...extra: never[]): Optimizer {
  checkOptions('optimizerFrom', description, SCHEMA, extra);
  const { name, lr, clipNorm, clipValue, options, groups } = description;
  const make = Object.hasOwn(KNOWN, name) ? (KNOWN[name as keyof typeof KNOWN] as Make) : undefined;
  if (!make) {
    throw new OptionError(
      `optimizer: ${JSON.stringify(name)} is unknown. Use one of ${Object.keys(KNOWN).join(', ')}.`,
    );
  }
  if (lr === undefined) {
    throw new OptionError(
      `${name}: its learning rate was a custom function, which is not saved. Pass the optimizer again.`,
    );
  }
  const made = groups?.map((group, k) => groupFrom(`${name}: groups[${k}]`, group));
  return make({ ...options, lr: rateFrom(lr), clipNorm, clipValue, groups: made });
}

function groupFrom(where: string, description: GroupDescription): GroupOptions {
  checkOptions(where, description, GROUP);
  const { match, lr, lrScale, options } = description;
  const what = match === null ? 'match' : lr === null ? 'learning rate' : undefined;
  if (what !== undefined)
    throw new OptionError(`${where}: its ${what} was a custom function, which is not saved. Pass the optimizer again.`);
  const patterns = [match ?? []].flat().map((pattern) => {
    return typeof pattern === 'object' ? new RegExp(pattern.source, pattern.flags) : pattern;
  });
  return { ...options, match: patterns, ...withoutGaps({ lr: lr == null ? undefined : rateFrom(lr), lrScale }) };
}
