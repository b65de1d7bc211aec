// The renaming that an error about weights suggests: one that makes names and shapes fit, found by trial.
import { sameShape } from '../graph/shape.ts';
import type { TensorShape, Wanted } from './match-tensors.ts';
import { quoted } from './safetensors-header.ts';
import { isPrefix, renamed } from './weight-names.ts';

/** The maximum numbers of prefixes to try, of tensors for which any is tried, and of names to show. */
const TRIED = 50;
const MANY = 10_000;
const SHOWN = 8;

type Names = Readonly<Record<string, string>>;

/** The remedy for names that do not fit: the call of loadWeights that loads them, if one is found. */
export function suggestion(wanted: readonly Wanted[], got: ReadonlyMap<string, TensorShape>): string {
  const own = 'Use the file with the preset or model it was saved from';
  const all = wanted.length + got.size > MANY ? [] : [...candidates(wanted, got)];
  const fits = all.map(([rename, note]) => ({ rename, note, fit: fitOf(wanted, got, rename) }));
  const best = fits.find(({ fit }) => fit === 'all') ?? fits.find(({ fit }) => fit === 'part');
  if (!best) return `${own}. loadWeights can rename tensors, and with strict: false loads every match.`;
  const { rename, note, fit } = best;
  const pairs = Object.entries(rename).map(([from, to]) => `${quoted(from)}: ${quoted(to)}`);
  const list = [...pairs.slice(0, SHOWN), ...(pairs.length > SHOWN ? ['…'] : [])].join(', ');
  const options = [...(list ? [`rename: { ${list} }`] : []), ...(fit === 'part' ? ['strict: false'] : [])];
  const call = `loadWeights(trainer, bytes, { ${options.join(', ')} }).${note}`;
  return fit === 'all' ? `Use ${call}` : `${own}, or ${call}`;
}

/** Whether a renaming places all tensors ('all'), or at least all of the file or all of the model ('part'). */
function fitOf(
  wanted: readonly Wanted[],
  got: ReadonlyMap<string, TensorShape>,
  rename: Names,
): 'all' | 'part' | undefined {
  const names = new Map<string, string>();
  for (const name of got.keys()) names.set(renamed(name, rename)!, name);
  const fitting = wanted.filter(({ name, shape }) => {
    const from = names.get(name);
    return from !== undefined && sameShape(got.get(from)!.shape, shape);
  }).length;
  if (names.size < got.size || fitting < Math.min(wanted.length, got.size)) return undefined;
  return wanted.length === got.size ? 'all' : fitting > 0 ? 'part' : undefined;
}

/** Candidate renamings, each with a note: none, one prefix for another, and layer by layer if shapes identify the layers. */
function* candidates(wanted: readonly Wanted[], got: ReadonlyMap<string, TensorShape>): Generator<[Names, string]> {
  const [ours, theirs] = [wanted.map(({ name }) => name), [...got.keys()]];
  yield [{}, ''];
  for (const [to, from] of prefixes(ours, theirs)) yield [{ [from]: to }, ''];
  for (const [from, to] of prefixes(theirs, ours)) yield [{ [from]: to }, ''];
  yield* pairedLayers(wanted, got);
}

/** Pairs of prefixes after which the first of `names` and one of `others` are equal. */
function prefixes(names: readonly string[], others: readonly string[]): [string, string][] {
  const name = names[0] ?? '';
  const found: [string, string][] = [];
  for (let at = 0; at >= 0 && at < name.length; at = name.indexOf('.', at) + 1 || -1) {
    const rest = name.slice(at);
    for (const other of others) {
      const before = other.slice(0, -rest.length);
      if (other.endsWith(rest) && isPrefix(before) && found.length < TRIED) found.push([name.slice(0, at), before]);
    }
  }
  return found;
}

/** Maps layers of a file to layers of a model with tensors of the same names and shapes; equal ones in order. */
function* pairedLayers(wanted: readonly Wanted[], got: ReadonlyMap<string, TensorShape>): Generator<[Names, string]> {
  const file = layersOf([...got].map(([name, tensor]) => ({ name, ...tensor })));
  const natural = new Intl.Collator('en', { numeric: true });
  const pairs: [string, string][] = [];
  let note = '';
  for (const [content, paths] of layersOf(wanted)) {
    const names = [...(file.get(content) ?? [])].sort(natural.compare);
    if (names.length !== paths.length) return;
    if (names.length > 1) note = ' Layers of equal shapes are matched in order: check them.';
    for (const [k, name] of names.entries()) if (name !== paths[k]) pairs.push([name, paths[k]!]);
  }
  yield [Object.fromEntries(pairs), note];
}

/** Layers (`hidden.` for `hidden.weight`) by the names and shapes of their tensors. */
function layersOf(tensors: Iterable<Pick<Wanted, 'name' | 'shape'>>): Map<string, string[]> {
  const contents = new Map<string, string[]>();
  for (const { name, shape } of tensors) {
    const at = name.lastIndexOf('.') + 1;
    const layer = name.slice(0, at);
    const content = contents.get(layer) ?? [];
    content.push(`${name.slice(at)} ${shape}`);
    contents.set(layer, content);
  }
  const layers = new Map<string, string[]>();
  for (const [layer, content] of contents) {
    const key = content.sort().join();
    const alike = layers.get(key) ?? [];
    alike.push(layer);
    layers.set(key, alike);
  }
  return layers;
}
