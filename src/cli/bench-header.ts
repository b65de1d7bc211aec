// The header of a benchmark: everything needed to question its results, or to reproduce them.
import { cpus, loadavg } from 'node:os';
import type { Suite } from '../../bench/cases.ts';
import type { Backend } from '../backend.ts';
import { GpuExecutor } from '../compile/executor.ts';
import { type Clock, clockOf } from '../gpu/profiler.ts';
import { deviceFields, tuningFields } from './device.ts';
import { plural } from './train-report.ts';
import { thalwegVersion, versionOf } from './versions.ts';

/** How it is measured. */
interface Method {
  readonly rounds: number;
  readonly quick: boolean;
  readonly all: boolean;
  readonly seed: number;
}

export type Header = ReturnType<typeof headerOf>;

export function headerOf(backend: Backend, { chosen, ...method }: Method & { readonly chosen: readonly Suite[] }) {
  const { executor, report } = backend;
  const clock: Clock = executor instanceof GpuExecutor ? clockOf(executor.runtime) : 'wall clock';
  const processors = cpus();
  return {
    ...deviceFields(backend),
    driver: report?.driver ?? '',
    ...tuningFields(backend),
    cpu: processors[0]?.model.trim() ?? 'unknown',
    threads: processors.length,
    /** The system's one-minute load average. */
    load: Math.round(10 * loadavg()[0]!) / 10,
    platform: `${process.platform} ${process.arch}`,
    versions: {
      thalweg: thalwegVersion(),
      node: process.version,
      webgpu: versionOf('webgpu') ?? 'not installed',
    },
    clock,
    ...method,
    suites: chosen.map(({ name }) => name),
  };
}

export function headerText(header: Header, markdown: boolean): string {
  const { backend, adapter, software, driver, tuning, clock, cpu, threads, load, versions, platform, rounds, seed } =
    header;
  const warning = software ? ": it computes on the CPU, so its speeds are not a GPU's" : '';
  const whose =
    clock === 'timestamp queries'
      ? 'timestamp queries for kernels, the wall clock for training steps and host work'
      : `the wall clock${backend === 'gpu' ? ': this adapter has no timestamp queries' : ''}`;
  const lines: (readonly [string, string])[] = [
    ['adapter', backend === 'cpu' ? 'none: the CPU backend, one thread' : `${adapter}${warning}`],
    ...(driver === '' ? [] : [['driver', driver] as const]),
    ...(tuning
      ? [['kernels', `tuned, ${tuning.digest} from ${tuning.file}; --deterministic uses the defaults`] as const]
      : []),
    ['clock', whose],
    ['processor', `${cpu}, ${plural(threads, 'thread')}, load ${load} at the start`],
    ['versions', `thalweg ${versions.thalweg}, node ${versions.node}, webgpu ${versions.webgpu}, ${platform}`],
    ['rounds', `${rounds} in turns after a warm-up, each of many repetitions, compilation excluded`],
    ['data', `random, seed ${seed}; results were checked against the CPU before timing`],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines
    .map(([name, value]) => (markdown ? `- ${name}: ${value}` : `${name.padEnd(width)}  ${value}`))
    .join('\n');
}
