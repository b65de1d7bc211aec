// The operations of each layer: those of the nodes that its forward adds to a graph, without those of layers inside it. While a function
// runs, the layers have a forward of their own that looks at what goes in and what comes out.
import { flopsOf } from '../compile/work.ts';
import { isSeveral, type Nested, partsOf } from '../graph/nested.ts';
import { type Node, Tensor } from '../graph/tensor.ts';
import { topologicalOrder } from '../graph/walk.ts';

type Forward = (...args: readonly unknown[]) => unknown;

/** What {@link operationsWhile} found. */
export interface Operations<T> {
  readonly result: T;
  /** Operations by the layer's path, of all its uses together. */
  readonly ofLayer: ReadonlyMap<string, number>;
}

/** Runs `trace`, and counts the operations of each of `layers` in it. A layer that cannot be observed, as a frozen object, has none. */
export function operationsWhile<T>(layers: readonly (readonly [string, object])[], trace: () => T): Operations<T> {
  const claimed = new Set<Node>();
  const ofLayer = new Map<string, number>();
  const undo = layers.map(([path, layer]) =>
    observe(layer as { forward: Forward }, (given, result) => {
      const own = between(tensorsOf(given), tensorsOf([result])).filter((node) => !claimed.has(node));
      for (const node of own) claimed.add(node);
      ofLayer.set(path, (ofLayer.get(path) ?? 0) + operationsOf(own));
    }),
  );
  try {
    return { result: trace(), ofLayer };
  } finally {
    for (const restore of undo) restore();
  }
}

/** The operations of these nodes, or of all that tensors depend on. */
export function operationsOf(nodes: readonly Node[]): number {
  return nodes.reduce((sum, node) => sum + flopsOf(node), 0);
}

/** Calls `see` after each forward of a layer; the returned function ends that. */
function observe(layer: { forward: Forward }, see: (given: readonly unknown[], result: unknown) => void): () => void {
  const before = Object.getOwnPropertyDescriptor(layer, 'forward');
  const { forward } = layer;
  const value = (...args: readonly unknown[]) => {
    const result = forward.apply(layer, args as unknown[]);
    see(args, result);
    return result;
  };
  if (!Reflect.defineProperty(layer, 'forward', { value, configurable: true, enumerable: before?.enumerable ?? false }))
    return () => {};
  return () => {
    Reflect.deleteProperty(layer, 'forward');
    if (before) Object.defineProperty(layer, 'forward', before);
  };
}

function tensorsOf(values: readonly unknown[]): Tensor[] {
  return values
    .flatMap((value) =>
      isSeveral(value as Nested<unknown>) ? partsOf(value as Nested<unknown>).map(([, x]) => x) : [value],
    )
    .filter((value) => value instanceof Tensor);
}

/** The nodes that `to` depends on and `from` does not. */
function between(from: readonly Tensor[], to: readonly Tensor[]): Node[] {
  const known = new Set(topologicalOrder(from));
  return topologicalOrder(to).filter((node) => !known.has(node));
}
