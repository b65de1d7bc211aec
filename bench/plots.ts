// Pictures of what was found: the speed-up over the CPU along batch sizes and widths, with the crossovers marked, and the
// rooflines.
import type { Bench } from './cases.ts';
import type { Finding } from './findings.ts';
import { rooflinePlot } from './roofline-plot.ts';
import { speedupPlot } from './speedup-plot.ts';

/** The pictures that the findings are enough for, by file name. */
export function plotsOf(findings: readonly Finding[], ceilings: Bench['ceilings']): Readonly<Record<string, string>> {
  const pictures: [string, string | undefined][] = [
    ['speedup-batch.svg', speedupPlot(findings, 'batch')],
    ['speedup-width.svg', speedupPlot(findings, 'width')],
    ['roofline-gpu.svg', rooflinePlot(findings, 'gpu', ceilings.gpu)],
    ['roofline-cpu.svg', rooflinePlot(findings, 'cpu', ceilings.cpu)],
  ];
  return Object.fromEntries(pictures.filter((entry): entry is [string, string] => entry[1] !== undefined));
}
