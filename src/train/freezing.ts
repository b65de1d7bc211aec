// Freezing and unfreezing between runs: which parameters are trained afterwards.
import { checkExtra, checkValue } from '../graph/options.ts';
import { chosen, PATH_MATCH, type PathMatch } from '../graph/path-match.ts';
import type { Freezing } from './layout.ts';
import type { State } from './state.ts';

/**
 * The freezing of `state` after `match` is frozen or unfrozen at `step`; undefined if nothing changes.
 * @throws OptionError if it matches no parameter.
 */
export function changedFreezing(
  what: 'freeze' | 'unfreeze',
  state: Pick<State, 'trainable' | 'freezing'>,
  match: PathMatch,
  step: number,
  extra: readonly unknown[],
): Freezing | undefined {
  checkValue(what, 'the match', match, PATH_MATCH);
  checkExtra(what, extra);
  const paths = chosen(what, match, state.trainable).map(({ path }) => path);
  const [frozen, unfrozen] = [new Set(state.freezing.frozen), { ...state.freezing.unfrozen }];
  const changed = paths.filter((path) => frozen.has(path) === (what === 'unfreeze'));
  if (changed.length === 0) return undefined;
  for (const path of changed) {
    delete unfrozen[path];
    if (what === 'freeze') frozen.add(path);
    else frozen.delete(path);
    if (what === 'unfreeze' && step > 0) unfrozen[path] = step;
  }
  return { frozen: state.trainable.map(({ path }) => path).filter((path) => frozen.has(path)), unfrozen };
}
