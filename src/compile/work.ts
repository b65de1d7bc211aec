// Operation counts: of a node, and of a whole step.
import type { Recipe } from '../graph/executor.ts';
import type { Spec } from '../graph/op.ts';
import { rootsOf } from '../graph/recipe.ts';
import { sizeOf } from '../graph/shape.ts';
import type { Node } from '../graph/tensor.ts';
import { topologicalOrder } from '../graph/walk.ts';

/** Operations of one application of an op; a multiply-add counts as two. */
export function flopsOf({ op, inputs, outs, params }: Node): number {
  if (!op) return 0;
  if (op.flops) return op.flops(inputs, params);
  const floats = (specs: readonly Spec[]) =>
    specs.reduce((sum, s) => sum + (s.dtype === 'f32' ? sizeOf(s.shape) : 0), 0);
  if (op.kernel || op.opaque) return floats(inputs);
  const moves = !op.map || op.cost === 0 || op.cost === Number.POSITIVE_INFINITY;
  return moves ? 0 : floats(outs);
}

/** The work of one step, independent of data layout; cheap elementwise ops are not counted. */
export interface StepWork {
  /** Operations of kernel ops. */
  readonly flops: number;
  /** Elements assigned. */
  readonly assigned: number;
}

export function workOf(recipe: Recipe): StepWork {
  const written = [...(recipe.assignments ?? []), ...(recipe.records ?? [])];
  const isKernel = ({ op }: Node) => op?.kernel !== undefined || op?.opaque !== undefined;
  return {
    flops: topologicalOrder(rootsOf(recipe)).reduce((sum, node) => sum + (isKernel(node) ? flopsOf(node) : 0), 0),
    assigned: written.reduce((sum, [, { size }]) => sum + size, 0),
  };
}
