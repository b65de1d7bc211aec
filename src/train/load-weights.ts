// Loads weights from a file into a State, as PyTorch's `load_state_dict`: by name and shape, whatever their stored dtype. Everything is
// checked and converted before anything is changed.
import type { FileBytes, HostArray } from '../graph/dtype.ts';
import { BOOLEAN, type Schema, STRING, type WithDefaults } from '../graph/options.ts';
import { isCheckpointTensor, scaleOfFile } from './checkpoint.ts';
import { fileShape, fromFile } from './file-axes.ts';
import { isTransposed, refuse, type TensorShape, type Wanted } from './match-tensors.ts';
import type { ModelScale } from './part-scales.ts';
import { readSafetensors } from './safetensors.ts';
import { quoted } from './safetensors-header.ts';
import type { State } from './state.ts';
import { convert, storedDtype } from './stored-dtypes.ts';
import { fitNames, RENAME, type Rename, renamedNames, variablesInFiles } from './weight-names.ts';
import { suggestion } from './weight-suggestion.ts';

/** Options of `loadWeights`. */
export interface LoadWeightsOptions {
  /** The file's name in errors. Default `weights`. */
  readonly file?: string | undefined;
  /**
   * Whether the file must have all weights of the model and no others; false loads every match. Another shape is an error in both cases.
   * Default true.
   */
  readonly strict?: boolean | undefined;
  /**
   * New names for those in the file: a function, which returns undefined to skip a tensor, or an object of old to new names. In an object,
   * a key that is a tensor's whole name renames it; a key that ends in `.`, or is empty, is a prefix, and the longest matching prefix is
   * replaced. Other names stay. Default: none are renamed.
   */
  readonly rename?: Rename | undefined;
}

/** The result of `loadWeights`. */
export interface LoadedWeights {
  /** Variables of the model that the file does not have, by path: they keep their values. */
  readonly missing: readonly string[];
  /** Tensors of the file that the model does not have, by their names in the file. */
  readonly unexpected: readonly string[];
  /** The paths of tensors that the file has under another name, by that name. */
  readonly renamed: Readonly<Record<string, string>>;
}

export const LOAD_WEIGHTS = {
  file: [STRING, 'weights'],
  strict: [BOOLEAN, true],
  rename: RENAME,
} satisfies Schema<LoadWeightsOptions>;

const TRANSPOSED =
  'Transpose them: Linear stores its weight as [out, in], like PyTorch; Keras and Flax use [in, out]. Convert the file with readSafetensors and writeSafetensors.';

/**
 * Loads weights into a State from a file of weights, or from a checkpoint, whose other entries are ignored. Also returns the scale of
 * the bytes that they were trained on, if the file has one.
 * @throws CheckpointError if they do not fit the model; the State is then unchanged.
 */
export function putWeights(
  state: State,
  model: object,
  bytes: FileBytes,
  { file, strict, rename }: WithDefaults<LoadWeightsOptions, typeof LOAD_WEIGHTS>,
): LoadedWeights & { readonly scale: ModelScale | undefined } {
  const { tensors, metadata } = readSafetensors(bytes, file);
  const scale = scaleOfFile(metadata, file);
  const wanted = state.variables.map(({ path, variable: { shape, dtype, fileAxes } }) => {
    return { name: path, shape: fileShape(shape, fileAxes), dtype: storedDtype(dtype) };
  });
  const own = new Set(wanted.map(({ name }) => name));
  for (const name of tensors.keys()) if (!own.has(name) && isCheckpointTensor(name, metadata)) tensors.delete(name);
  const given = renamedNames(file, tensors.keys(), rename);
  const fitted = fitNames(wanted, given, tensors, model);
  const { names, missing, unexpected, wrong, fitting } = fitted;
  const inFile = (list: readonly Wanted[]) => wantedInFile(list, model, tensors);
  if (strict && missing.length + unexpected.size > 0)
    refuse(file, { ...fitted, missing: inFile(missing) }, suggestion(inFile(wanted), tensors));
  const found = wanted.filter(({ name }) => names.has(name));
  const tensorOf = (path: string) => tensors.get(names.get(path)!)!;
  const transposed = found.some(({ name, shape }) => isTransposed(tensorOf(name).shape, shape));
  refuse(file, { wrong, fitting }, transposed ? TRANSPOSED : undefined);
  const values = found.map(({ name: path }): [string, HostArray] => {
    const { dtype, data } = tensorOf(path);
    const variable = state.variable(path);
    const values = convert(`${file}: ${quoted(names.get(path)!)}`, dtype, data, variable.dtype);
    return [path, fromFile(values, variable.shape, variable.fileAxes)];
  });
  for (const [path, data] of values) state.write(path, data);
  return {
    scale,
    missing: missing.map(({ name }) => name),
    unexpected: [...unexpected.values()],
    renamed: Object.fromEntries(
      found.map(({ name }) => [names.get(name)!, name]).filter(([inFile, path]) => inFile !== path),
    ),
  };
}

/** What is wanted, under the names that files have for it, unless this one has the paths. */
function wantedInFile(wanted: readonly Wanted[], model: object, tensors: ReadonlyMap<string, TensorShape>): Wanted[] {
  const inFiles = variablesInFiles(model);
  const nameOf = (path: string) => (tensors.has(path) ? path : (inFiles.get(path)?.name ?? path));
  return wanted.map((want) => ({ ...want, name: nameOf(want.name) }));
}
