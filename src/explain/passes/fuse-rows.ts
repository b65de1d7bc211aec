// Kernels after fuse-rows: those of each group, and row kernels, which process rows through several groups (`g2 > g3`).

import type { PassResults } from '../../compile/index.ts';
import type { Kernel } from '../../compile/plan.ts';
import { sharedBytesOf } from '../../graph/kernel.ts';
import { kernelName, type Labels, partsText, sizeText, workgroupsText } from '../labels.ts';

export function fuseRowsText(results: PassResults, labels: Labels): string[] {
  return results['fuse-rows'].units.flatMap(({ kernels }) => kernels.map((kernel) => kernelText(kernel, labels)));
}

/** `g2 > g3  linear > softmaxCrossEntropy: 16 workgroups of 64, barriers` */
export function kernelText(kernel: Kernel, labels: Labels): string {
  const { name, grid, workgroup, barriers, shared } = kernel;
  const bytes = shared.reduce((sum, array) => sum + sharedBytesOf(array), 0);
  const facts = [
    `${workgroupsText(grid)} of ${sizeText(workgroup)}`,
    ...(barriers ? ['barriers'] : []),
    ...(bytes > 0 ? [`${bytes} B of workgroup memory`] : []),
    ...(kernel.opaque ? ['opaque'] : []),
  ];
  return `${kernelName(partsText(kernel, labels), name)}: ${facts.join(', ')}`;
}
