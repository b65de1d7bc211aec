// Selecting variables of a model by their paths, for parameter groups and freezing.
import { OptionError } from './errors.ts';
import { type Kind, show } from './options.ts';
import type { NamedVariable } from './paths.ts';
import type { Variable } from './tensor.ts';

/** One way to select variables. */
export type PathPattern = string | RegExp | ((path: string, variable: Variable) => boolean);

/**
 * Selects variables of a model: a path such as `encoder.weight`, or a path prefix up to a dot, such as `encoder`; a RegExp searched for in
 * each path; a function of path and variable; or an array of these, any of which may match.
 */
export type PathMatch = PathPattern | readonly PathPattern[];

const isPattern = (v: unknown) => (typeof v === 'string' && v !== '') || v instanceof RegExp || typeof v === 'function';

export const PATH_MATCH: Kind = {
  advice:
    "Give a path or the start of some ('encoder'), a RegExp, a function (path, variable) => boolean, or an array.",
  fits: (v) => (Array.isArray(v) ? v.length > 0 && v.every(isPattern) : isPattern(v)),
};

/** Whether a pattern matches the variable at a path. */
function fits(pattern: PathPattern, { path, variable }: NamedVariable): boolean {
  if (typeof pattern === 'function') return pattern(path, variable);
  // `search`, since `test` with a global RegExp starts at its lastIndex.
  if (typeof pattern === 'string') return path === pattern || path.startsWith(`${pattern}.`);
  return path.search(pattern) >= 0;
}

/**
 * The variables of `among` that match, in order. @throws OptionError listing the paths if `match`, or a pattern of an array, matches
 * none.
 */
export function chosen(where: string, match: PathMatch, among: readonly NamedVariable[]): NamedVariable[] {
  const patterns = Array.isArray(match) ? (match as readonly PathPattern[]) : [match as PathPattern];
  const found = new Set<NamedVariable>();
  for (const pattern of patterns) {
    const these = among.filter((named) => fits(pattern, named));
    if (these.length === 0) {
      const text = pattern instanceof RegExp ? `${pattern}` : show(pattern);
      const paths = among.map(({ path }) => path).join(', ');
      throw new OptionError(`${where}: ${text} matches no parameter. The parameters: ${paths || 'none'}.`);
    }
    for (const named of these) found.add(named);
  }
  return among.filter((named) => found.has(named));
}
