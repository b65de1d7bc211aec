// Predictions squashed twice: a sigmoid or softmax at the end of the model, and a loss of logits, which applies its own. Such a model
// trains, slowly and to the wrong optimum, so no other check detects it.
import { type Nested, partAt } from '../graph/nested.ts';
import type { Tensor } from '../graph/tensor.ts';
import { sigmoid } from '../ops/activations.ts';
import { softmaxOp } from '../ops/softmax.ts';
import { outputsOf, type Task } from './task.ts';

/** The last op before a tensor, other than reshapes, if it is a sigmoid or softmax. */
function squashOf({ node }: Tensor): string | undefined {
  if (node.op?.view) return squashOf(node.inputs[0]!);
  return node.op === sigmoid.op || node.op === softmaxOp ? node.op.name : undefined;
}

/** The warning if an output is squashed and its loss squashes it again; undefined if none is. */
export function squashedTwice(task: Pick<Task, 'loss' | 'heads'>, prediction: Nested<Tensor>): string | undefined {
  for (const { name, loss } of outputsOf(task)) {
    const own = partAt(prediction, name);
    const squash = own && squashOf(own);
    if (!squash || !loss.probabilities || !squashOf(loss.probabilities(own))) continue;
    return `not logits: ${name ?? 'the model'} ends with ${squash}, but ${loss.lossName} takes logits. Leave out the ${squash}.`;
  }
  return undefined;
}
