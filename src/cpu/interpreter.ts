// Runs a graph on the CPU, op by op and unfused, in topological order: the reference that gradients are proved against in doubles,
// and what programs are compared with. Training on the CPU runs fused WebAssembly instead (program.ts).
import { type HostArray, hostArray, type Precision } from '../graph/dtype.ts';
import { internal } from '../graph/errors.ts';
import { onCpu } from '../graph/on-cpu.ts';
import type { NdArray } from '../graph/op.ts';
import { sizeOf } from '../graph/shape.ts';
import { expandConstant, type Node, type Tensor } from '../graph/tensor.ts';
import { topologicalOrder } from '../graph/walk.ts';

/** A host array with `precision` for `f32`, converted only if needed. */
export function toPrecision(data: HostArray, dtype: string, precision: Precision): HostArray {
  if (dtype !== 'f32') return data;
  const Floats = precision === 'float64' ? Float64Array : Float32Array;
  return data instanceof Floats ? data : Floats.from(data);
}

/**
 * The values of `outputs`. `feeds` gives the values of leaves that are not constants; an f32 feed may have either precision. `after` may
 * change the values of a node before others read them, except those of constants and data sets.
 */
export function interpret(
  outputs: readonly Tensor[],
  feeds: (leaf: Node) => HostArray | undefined,
  precision: Precision = 'float64',
  after?: (node: Node, values: readonly NdArray[]) => void,
): NdArray[] {
  const values = new Map<Node, NdArray[]>();
  for (const node of topologicalOrder(outputs)) {
    const outs = evaluate(node, values, feeds, precision);
    after?.(node, outs);
    values.set(node, outs);
  }
  return outputs.map((t) => values.get(t.node)![t.output]!);
}

function evaluate(
  node: Node,
  values: Map<Node, NdArray[]>,
  feeds: (leaf: Node) => HostArray | undefined,
  precision: Precision,
): NdArray[] {
  if (node.op) {
    const inputs = node.inputs.map((t) => values.get(t.node)![t.output]!);
    const outs = node.outs.map((spec) => ({ ...spec, data: hostArray(spec.dtype, sizeOf(spec.shape), precision) }));
    onCpu(node, inputs, outs);
    return outs;
  }
  const spec = node.outs[0]!;
  return [{ ...spec, data: toPrecision(fixedValues(node) ?? leafFeed(node, feeds), spec.dtype, precision) }];
}

/** The values of a constant or a data set; undefined for other leaves. */
export function fixedValues({ source, outs }: Node): HostArray | undefined {
  return source?.kind === 'constant'
    ? expandConstant(source.data, outs[0]!)
    : source?.kind === 'resident'
      ? source.array.data
      : undefined;
}

function leafFeed(node: Node, feeds: (leaf: Node) => HostArray | undefined): HostArray {
  const data = feeds(node);
  if (!data) throw internal(`no value for a leaf of kind ${node.name}`);
  return data;
}
