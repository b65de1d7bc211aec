// Compares the tensors of a file with those that a model needs: one error for all differences, with few lines for each kind.
import { CheckpointError } from '../graph/errors.ts';
import { formatShape, type Shape, sameShape } from '../graph/shape.ts';
import { quoted } from './safetensors-header.ts';
import type { StoredDtype } from './stored-dtypes.ts';

/** A tensor as the header of a file describes it, or as a model expects it. */
export interface TensorShape {
  readonly dtype: StoredDtype;
  readonly shape: Shape;
}

export type Wanted = TensorShape & { readonly name: string };

/** The maximum number of lines for each kind. */
const SHOWN = 6;
const OWN = 'Use the file with the preset or model it was saved from.';

/** The message about a shape that the model does not expect; undefined if the shapes agree. */
export function wrongShape(name: string, { shape }: TensorShape, want: TensorShape): string | undefined {
  if (sameShape(shape, want.shape)) return undefined;
  const hint = isTransposed(shape, want.shape) ? ', which is its transpose' : '';
  return `${quoted(name)} has shape ${formatShape(shape)}, but the model expects ${formatShape(want.shape)}${hint}`;
}

export function wrongDtype(name: string, { dtype }: TensorShape, want: TensorShape): string {
  return `${quoted(name)} is ${dtype}, but the model expects ${want.dtype}`;
}

/** Whether two shapes of two axes are transposes of each other. */
export function isTransposed(a: Shape, b: Shape): boolean {
  return a.length === 2 && a[0] !== a[1] && sameShape([...a].reverse(), b);
}

/**
 * Rejects tensors that differ from the expected ones in name, shape or dtype.
 * @throws CheckpointError, one for all differences.
 */
export function matchTensors(file: string, wanted: readonly Wanted[], got: ReadonlyMap<string, TensorShape>): void {
  const wrong = wanted.flatMap((want) => {
    const have = got.get(want.name);
    if (!have) return [];
    const dtype = have.dtype === want.dtype ? undefined : wrongDtype(want.name, have, want);
    return [wrongShape(want.name, have, want), dtype].filter((text) => text !== undefined);
  });
  const names = new Set(wanted.map(({ name }) => name));
  const missing = wanted.filter(({ name }) => !got.has(name));
  const unexpected = [...got.keys()].filter((name) => !names.has(name)).map((name) => [name, name] as const);
  refuse(file, { wrong, missing, unexpected: new Map(unexpected) });
}

/** @throws CheckpointError if there are differences, with `advice` as its remedy. */
export function refuse(
  file: string,
  found: {
    readonly wrong: readonly string[];
    readonly missing?: readonly Wanted[];
    /** The file's names by their names after renaming. */
    readonly unexpected?: ReadonlyMap<string, string>;
    /** How many of the model's tensors are in the file and fit. */
    readonly fitting?: { readonly count: number; readonly of: number };
  },
  advice = OWN,
): void {
  const { wrong, missing = [], unexpected = new Map<string, string>(), fitting } = found;
  const lines = [
    ...shortened(wrong, 'do not fit'),
    ...shortened(
      missing.map(({ name, dtype, shape }) => `${quoted(name)} is missing (${dtype} ${formatShape(shape)})`),
      'are missing',
    ),
    ...shortened(
      [...unexpected].map(
        ([now, name]) =>
          `${quoted(name)}${now === name ? '' : `, renamed to ${quoted(now)},`} is not part of the model`,
      ),
      'are not part of the model',
    ),
  ];
  if (lines.length === 0) return;
  const list = lines.map((line) => `\n  ${line}`).join('');
  const fit = fitting ? ` (${fitting.count} of its ${fitting.of} fit)` : '';
  throw new CheckpointError(`${file}: the tensors do not match the model${fit}:${list}\n${advice}`);
}

function shortened(lines: readonly string[], what: string): string[] {
  if (lines.length <= SHOWN) return [...lines];
  return [...lines.slice(0, SHOWN), `and ${lines.length - SHOWN} more ${what}`];
}
