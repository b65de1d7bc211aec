// The same training step on the GPU and on the CPU backend, in turns, over batch sizes and widths of a 784-W-10 network: from
// where on the GPU is the faster one, and whether it is at all.
import { sgd } from '../src/optim/sgd.ts';
import type { NetworkDescription } from '../src/train/network-description.ts';
import { type Bench, type Group, type Measured, ranOn, type Suite } from './cases.ts';
import type { Crossover, Finding, Speedup } from './findings.ts';
import { type Crossing, crossingOf, ratioOf } from './statistics.ts';
import { stepCase } from './step.ts';
import { randomExamples } from './training.ts';

const BATCHES = [16, 32, 64, 128, 256, 512, 1024];
const WIDTHS = [16, 32, 64, 128, 256, 512];
const QUICK = { batches: [16, 128, 1024], widths: [16, 64, 256] } as const;

export const cpuVsGpuSuite: Suite = {
  name: 'cpu-vs-gpu',
  about: 'one training step on both backends over batch sizes and widths, and where they cross',
  unfit: ({ backend }) => (backend.kind === 'cpu' ? 'there is no GPU backend here to hold the CPU against' : undefined),
  *groups(bench) {
    const { batches, widths } = bench.quick ? QUICK : { batches: BATCHES, widths: WIDTHS };
    const data = randomExamples(networkOf(1), Math.max(...batches), bench.seed);
    for (const width of widths) for (const batch of batches) yield pairOf(bench, data, batch, width);
  },
  conclude: (findings) => {
    const speedups = findings.filter((f) => f.type === 'speedup');
    return [...crossovers(speedups, 'batch'), ...crossovers(speedups, 'width')];
  },
};

function networkOf(width: number): NetworkDescription {
  return { inputs: 784, hidden: [width], outputs: 10, activation: 'relu', loss: 'cross-entropy' };
}

function pairOf(bench: Bench, data: ReturnType<typeof randomExamples>, batch: number, width: number): Group {
  const facts = {
    name: `784-${width}-10, batch ${batch}`,
    network: networkOf(width),
    optimizer: sgd({ lr: 0.1 }),
    batch,
    data,
    seed: bench.seed,
  };
  return {
    cases: [stepCase(bench, bench.backend, facts), stepCase(bench, bench.cpu, facts)],
    conclude: (measured) => speedupOf(bench, measured, batch, width),
  };
}

/** Of the two of a group, where neither was skipped. */
function speedupOf({ backend }: Bench, measured: readonly Measured[], batch: number, width: number): Speedup[] {
  const [gpu, cpu] = ['gpu', 'cpu'].map((kind) => measured.find((m) => m.case.backend.kind === kind));
  if (!gpu || !cpu) return [];
  const ratio = ratioOf(cpu.samples.ms, gpu.samples.ms);
  return [{ type: 'speedup', suite: cpuVsGpuSuite.name, ...ranOn(backend), batch, width, ...ratio }];
}

/** For each size of the one, where the other crosses. */
export function crossovers(speedups: readonly Speedup[], along: 'batch' | 'width'): Finding[] {
  const across = along === 'batch' ? 'width' : 'batch';
  const lines = new Map<number, Speedup[]>();
  for (const speedup of speedups) lines.set(speedup[across], [...(lines.get(speedup[across]) ?? []), speedup]);
  return [...lines].map(([fixed, line]): Crossover => {
    const points = line.map((s) => [s[along], s.median] as const).sort((a, b) => a[0] - b[0]);
    const { suite, backend, adapter, software } = line[0]!;
    const range = [points[0]![0], points.at(-1)![0]] as const;
    const crossing = crossingOf(points);
    const settled = isSettled(line, along, crossing);
    return { type: 'crossover', suite, backend, adapter, software, along, fixed, range, crossing, settled };
  });
}

/** Whether no round contradicts the medians: of all points, or of the two that a crossover lies between. */
function isSettled(line: readonly Speedup[], along: 'batch' | 'width', crossing: Crossing): boolean {
  const ends = crossing.kind === 'from' ? [crossing.from[0], crossing.to[0]] : line.map((s) => s[along]);
  return line.every(({ min, median, max, ...s }) => !ends.includes(s[along]) || (median > 1 ? min > 1 : max <= 1));
}
