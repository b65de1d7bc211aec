// Predictions that are squashed twice: a sigmoid or a softmax at a model's end, and a loss of logits, which has its own. It trains,
// slowly and to the wrong place, so nothing else would tell.
import { type Nested, partAt } from '../graph/nested.ts';
import type { Tensor } from '../graph/tensor.ts';
import { sigmoid } from '../ops/activations.ts';
import { softmaxOp } from '../ops/softmax.ts';
import { outputsOf, type Task } from './task.ts';

/** The op that squashes a tensor into probabilities as the last, reshapes apart. */
function squashOf({ node }: Tensor): string | undefined {
  if (node.op?.view) return squashOf(node.inputs[0]!);
  return node.op === sigmoid.op || node.op === softmaxOp ? node.op.name : undefined;
}

/** What is wrong where an output is squashed, and its loss squashes it again; undefined where nothing is. */
export function squashedTwice(task: Pick<Task, 'loss' | 'heads'>, prediction: Nested<Tensor>): string | undefined {
  for (const { name, loss } of outputsOf(task)) {
    const own = partAt(prediction, name);
    const squash = own && squashOf(own);
    if (!squash || !loss.probabilities || !squashOf(loss.probabilities(own))) continue;
    return `not logits: ${name ?? 'the model'} ends with ${squash}, and ${loss.lossName} takes logits. Leave out the ${squash}.`;
  }
  return undefined;
}
