// The output of `thalweg tune`: a line for each product, and the stored table.

import type { Spread } from '../../bench/statistics.ts';
import type { TunedProduct } from '../../bench/tune.ts';
import type { GemmConfiguration } from '../../shaders/gemm-frame.wgsl.ts';
import { type Tuning, workText } from '../graph/tuning.ts';
import { configurationText } from '../ops/gemm-candidates.ts';
import { plural } from './train-report.ts';

/** `1.21 times as fast (1.15 to 1.33)` */
export function ratioText({ median, min, max }: Spread): string {
  return `${median.toFixed(2)} times as fast (${min.toFixed(2)} to ${max.toFixed(2)})`;
}

/** The result for a product, in one line. */
export function findingText({ work, entry, best, usual, ratio, gflops, candidates }: TunedProduct): string {
  const [before, after] = gflops.map((speed) => `${speed.toFixed(speed < 10 ? 2 : 1)} GFLOP/s`);
  const name = workText(work);
  const tried = plural(candidates, 'candidate');
  if (best === undefined) return `${name}: ${configurationText(usual)} stays, ${before}; no other candidates`;
  if (entry === undefined)
    return `${name}: ${configurationText(usual)} stays, ${before}; the best of ${tried} was ${ratioText(ratio)}`;
  return `${name}: ${configurationText(best)} instead of ${configurationText(usual)}, ${after}, ${ratioText(ratio)} of ${tried}`;
}

/** The table stored in a file. */
export function tableText(kept: Tuning | undefined, file: string): string {
  const entries = (kept?.entries ?? []).map(({ work, use }) => [workText(work), use] as const);
  if (entries.length === 0) return `Nothing is tuned for this adapter (${file}): the default kernels are used.`;
  const width = Math.max(...entries.map(([name]) => name.length));
  const how = (use: unknown) =>
    typeof use === 'boolean'
      ? use
        ? 'many in one dispatch'
        : 'by dispatches'
      : configurationText(use as GemmConfiguration);
  const lines = entries.map(([name, use]) => `  ${name.padEnd(width)}  ${how(use)}`);
  return `${file}\n${lines.join('\n')}`;
}
