// A model's weights on the host, by path.
import type { HostArray } from '../graph/dtype.ts';
import type { NamedVariable } from '../graph/paths.ts';
import type { State } from './state.ts';

/** A model's f32 variables by path. */
export type Weights = ReadonlyMap<string, Float32Array>;

/** The values of every variable of a model after everything submitted before, in the State's order. */
export function readAll(state: State): Promise<HostArray[]> {
  return state.storage.read(state.variables.map(({ variable }) => variable));
}

/** The f32 arrays among `values`, which belong to `variables`, by path. */
export function floatsOf(variables: readonly NamedVariable[], values: readonly HostArray[]): Map<string, Float32Array> {
  const named = variables.map(({ path, variable }, k) => ({ path, dtype: variable.dtype, data: values[k]! }));
  return new Map(named.filter(({ dtype }) => dtype === 'f32').map(({ path, data }) => [path, Float32Array.from(data)]));
}
