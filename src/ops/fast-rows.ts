// Softmax, log-sum-exp and cross-entropy in WebAssembly, given to their ops from outside: so that a page's dense network, whose rows are
// short, does not carry them. The Node entry point attaches them as it is loaded.
import type { Rows } from '../cpu/wasm/rows.ts';
import {
  denseCrossEntropyPass,
  indexCrossEntropyPass,
  logSoftmaxGradPass,
  logSoftmaxPass,
  logSumExpPass,
  softmaxGradPass,
  softmaxPass,
} from '../cpu/wasm/softmax.ts';
import type { Op, WasmPass, WasmScope } from '../graph/op.ts';
import { sizeOf } from '../graph/shape.ts';
import { softmaxCrossEntropyOp } from './cross-entropy.ts';
import { logSumExpOp } from './log-sum-exp.ts';
import { logSoftmaxGradOp, logSoftmaxOp, type Row, rowsOf, softmaxGradOp, softmaxOp } from './softmax.ts';

/** A pass over rows that lie side by side; rows along other axes are left to the loops. */
function attach(op: Op<Row>, pass: (rows: Rows, scope: WasmScope) => WasmPass): void {
  const cpuFast: Op<Row>['cpuFast'] = (scope, { axis }) => {
    const { N, C, INNER } = rowsOf(scope.inputs[0]!.shape, axis);
    return INNER === 1 ? [pass({ N, C }, scope)] : undefined;
  };
  Object.assign(op, { cpuFast });
}

const crossEntropy: (typeof softmaxCrossEntropyOp)['cpuFast'] = (scope, { dense }) => {
  const shape = scope.inputs[0]!.shape;
  const C = shape.at(-1)!;
  const [logits, targets] = scope.from as [number, number];
  const [loss, residual] = scope.to as [number, number | undefined];
  const pass = dense ? denseCrossEntropyPass : indexCrossEntropyPass;
  return [pass({ N: sizeOf(shape) / C, C }, scope, { logits, targets, loss, residual })];
};

/** Gives the ops their WebAssembly. */
export function attachFastRows(): void {
  attach(softmaxOp, (rows, scope) => softmaxPass(rows, scope, scope.from[0]!, scope.to[0]!));
  attach(logSoftmaxOp, (rows, { from, to }) => logSoftmaxPass(rows, from[0]!, to[0]!));
  attach(logSumExpOp, (rows, { from, to }) => logSumExpPass(rows, from[0]!, to[0]!));
  attach(softmaxGradOp, (rows, { from, to }) => softmaxGradPass(rows, from[0]!, from[1]!, to[0]!));
  attach(logSoftmaxGradOp, (rows, { from, to }) => logSoftmaxGradPass(rows, from[0]!, from[1]!, to[0]!));
  Object.assign(softmaxCrossEntropyOp, { cpuFast: crossEntropy });
}
