// Rewriting graphs: the only place where nodes are rebuilt over other inputs. Nothing is mutated; nodes that do not depend on a
// replacement are shared.
import { internal } from './errors.ts';
import { sameShape } from './shape.ts';
import { Node, type Tensor } from './tensor.ts';
import { topologicalOrder } from './walk.ts';

/** The canonical object of a tensor, for comparison by identity. */
export function identityOf(t: Tensor): Tensor {
  return t.node.outputs[t.output]!;
}

/** The tensor whose memory `t` shares: views are other shapes of the same elements. */
export function resolve(t: Tensor): Tensor {
  let at = t;
  while (at.node.op?.view) at = at.node.inputs[0]!;
  return identityOf(at);
}

/** The outputs of a node over other inputs: the node's own if nothing changed. */
export function withInputs(node: Node, inputs: readonly Tensor[]): readonly Tensor[] {
  const same = inputs.every((t, k) => identityOf(t) === identityOf(node.inputs[k]!));
  return same ? node.outputs : new Node(node.op, node.source, inputs, node.params, node.outs).outputs;
}

/**
 * Rebuilds the graph behind `roots`, inputs first: `replace` returns the replacements of a node's outputs, given the node and its new
 * inputs. The result maps any tensor of the graph to its replacement.
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

/** `outputs` with each leaf in `replacements` replaced by its tensor, which must have the same shape and dtype. */
export function substitute(outputs: readonly Tensor[], replacements: ReadonlyMap<Tensor, Tensor>): Tensor[] {
  const leaves = new Map<Node, Tensor>();
  for (const [leaf, tensor] of replacements) {
    if (!sameShape(leaf.shape, tensor.shape) || leaf.dtype !== tensor.dtype)
      throw internal(`${leaf} cannot be replaced by ${tensor}`);
    leaves.set(leaf.node, tensor);
  }
  const replace = (node: Node, inputs: readonly Tensor[]) => {
    const leaf = leaves.get(node);
    return leaf ? [leaf] : withInputs(node, inputs);
  };
  return outputs.map(rewrite(outputs, replace));
}
