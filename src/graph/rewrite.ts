// Rewriting graphs: the one place where nodes are rebuilt over other inputs. Nothing is changed; what does not depend on a
// replacement is shared.
import { internal } from './errors.ts';
import { sameShape } from './shape.ts';
import { Node, type Tensor } from './tensor.ts';
import { topologicalOrder } from './walk.ts';

/** The one object that stands for a tensor wherever identity counts. */
export function identityOf(t: Tensor): Tensor {
  return t.node.outputs[t.output]!;
}

/** The tensor whose memory `t` is: views are other shapes of the same elements. */
export function resolve(t: Tensor): Tensor {
  let at = t;
  while (at.node.op?.view) at = at.node.inputs[0]!;
  return identityOf(at);
}

/** The outputs of a node over other inputs: the node's own where nothing changed. */
export function withInputs(node: Node, inputs: readonly Tensor[]): readonly Tensor[] {
  const same = inputs.every((t, k) => identityOf(t) === identityOf(node.inputs[k]!));
  return same ? node.outputs : new Node(node.op, node.source, inputs, node.params, node.outs).outputs;
}

/**
 * Rebuilds the graph behind `roots`, inputs first: `replace` gives the tensors that take the place of a node's outputs, from the
 * node and its new inputs. The result maps any tensor of the graph to its replacement.
 */
export function rewrite(
  roots: readonly Tensor[],
  replace: (node: Node, inputs: readonly Tensor[]) => readonly Tensor[],
): (t: Tensor) => Tensor {
  const replaced = new Map<Node, readonly Tensor[]>();
  const current = (t: Tensor) => replaced.get(t.node)?.[t.output] ?? t;
  for (const node of topologicalOrder(roots)) replaced.set(node, replace(node, node.inputs.map(current)));
  return current;
}

/** `outputs` with each leaf in `replacements` read as the tensor it is mapped to, which must have its shape and dtype. */
export function substitute(outputs: readonly Tensor[], replacements: ReadonlyMap<Tensor, Tensor>): Tensor[] {
  const leaves = new Map<Node, Tensor>();
  for (const [leaf, tensor] of replacements) {
    if (!sameShape(leaf.shape, tensor.shape) || leaf.dtype !== tensor.dtype)
      throw internal(`${tensor} takes the place of ${leaf}`);
    leaves.set(leaf.node, tensor);
  }
  const replace = (node: Node, inputs: readonly Tensor[]) => {
    const leaf = leaves.get(node);
    return leaf ? [leaf] : withInputs(node, inputs);
  };
  return outputs.map(rewrite(outputs, replace));
}
