// The suites, in the order in which they run.
import { bandwidthSuite } from './bandwidth.ts';
import type { Suite } from './cases.ts';
import { convSuite } from './conv.ts';
import { cpuVsGpuSuite } from './cpu-vs-gpu.ts';
import { dispatchSuite } from './dispatch.ts';
import { matmulSuite } from './matmul.ts';
import { planSuite } from './plan.ts';
import { stepSuite } from './step.ts';
import { timeTo99Suite } from './time-to-99.ts';

/** What `thalweg bench` can measure. The ceilings (ceilings.ts) are measured first, unless all that is chosen is `onRequest`. */
export const suites: readonly Suite[] = [
  dispatchSuite,
  bandwidthSuite,
  matmulSuite,
  convSuite,
  stepSuite,
  cpuVsGpuSuite,
  planSuite,
  timeTo99Suite,
];
