// Dispatches after pack: the kernels that share each, the assignments last.

import type { PassResults } from '../../compile/index.ts';
import type { Dispatch } from '../../compile/plan.ts';
import type { Labels } from '../labels.ts';
import { kernelText } from './fuse-rows.ts';

export function packText({ pack }: PassResults, labels: Labels): string[] {
  const { dispatches, commits, split } = pack;
  const lines = dispatchLines([...dispatches, ...commits], labels);
  return split === undefined ? lines : [...lines, `the first ${split} are before the split`];
}

export function dispatchLines(dispatches: readonly Dispatch[], labels: Labels): string[] {
  return dispatches.flatMap(({ kernels }, k) => [
    `d${k}`,
    ...kernels.map((kernel) => `  ${kernelText(kernel, labels)}`),
  ]);
}
