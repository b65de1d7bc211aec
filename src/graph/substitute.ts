// A graph with other tensors in the place of some of its leaves: the same recipe over other weights. Nothing is changed; what
// depends on a leaf that was replaced is made anew, and the rest is shared.
import { internal } from './errors.ts';
import { sameShape } from './shape.ts';
import { Node, Tensor } from './tensor.ts';
import { topologicalOrder } from './walk.ts';

/** `outputs` with each leaf in `replacements` read as the tensor it is mapped to, which must have its shape and dtype. */
export function substitute(outputs: readonly Tensor[], replacements: ReadonlyMap<Tensor, Tensor>): Tensor[] {
  const leaves = new Map<Node, Tensor>();
  for (const [leaf, tensor] of replacements) {
    if (!sameShape(leaf.shape, tensor.shape) || leaf.dtype !== tensor.dtype)
      throw internal(`${tensor} takes the place of ${leaf}`);
    leaves.set(leaf.node, tensor);
  }
  const made = new Map<Node, Node>();
  const now = (x: Tensor): Tensor => {
    const leaf = leaves.get(x.node);
    if (leaf) return leaf;
    const node = made.get(x.node);
    return node ? new Tensor(node, x.output) : x;
  };
  for (const node of topologicalOrder(outputs)) {
    const inputs = node.inputs.map(now);
    if (inputs.every((x, k) => x === node.inputs[k])) continue;
    made.set(node, new Node(node.op, node.source, inputs, node.params, node.outs));
  }
  return outputs.map(now);
}
