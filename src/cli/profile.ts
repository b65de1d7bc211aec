// `thalweg train --profile`: one training step, dispatch by dispatch, slowest first, each compared with the ceilings measured here, and as
// a trace for chrome://tracing and Perfetto. It has its own weights, so the run that follows is unaffected.

import { join } from 'node:path';
import { type Bench, type Ceiling, floorOf } from '../../bench/cases.ts';
import { ceilingsOf, gpuCeilingsSuite } from '../../bench/ceilings.ts';
import type { Finding } from '../../bench/findings.ts';
import { formatFigure, shareText } from '../../bench/report.ts';
import { runSuite } from '../../bench/run.ts';
import { type StepProfile, type TimedDispatch, TrainingStep } from '../../bench/training.ts';
import type { Backend } from '../backend.ts';
import type { DispatchWork } from '../explain/explanation.ts';
import { DeviceError, OptionError } from '../graph/errors.ts';
import { writeAtomic } from '../node/files.ts';
import type { Examples } from '../train/batch.ts';
import { deviceFields } from './device.ts';
import type { Output } from './output.ts';
import { optimizerOf, type Plan } from './plan.ts';
import { type Column, formatBytes, table } from './table.ts';
import { plural } from './train-report.ts';

/** The number of steps for each median. */
const ROUNDS = 9;

/** The trace's path: the given file, else in the run's folder, else in the current one; undefined without the flag. */
export function profileFile(flag: unknown, folder: string | undefined): string | undefined {
  if (typeof flag === 'string') return flag;
  return flag === true ? join(folder ?? '', 'profile.json') : undefined;
}

/** @throws OptionError, DeviceError if there are no dispatches. */
export function checkProfile({ kind }: Pick<Backend, 'kind'>, device: string | undefined): void {
  if (device === 'cpu')
    throw new OptionError('--profile: contradicts --device cpu, which has no dispatches. Leave one of them out.');
  if (kind === 'cpu')
    throw new DeviceError('--profile: no GPU was found, and the CPU has no dispatches. Leave --profile out.');
}

/** A dispatch or a whole step, with its share of the ceiling; null if unknown. */
interface Held extends Omit<TimedDispatch, 'once'> {
  readonly gflops: number;
  readonly ofCeiling: number | null;
  readonly bound: 'arithmetic' | 'memory' | null;
}

/** A profile compared with the ceilings. */
export interface HeldProfile {
  readonly clock: StepProfile['clock'];
  readonly ceiling: Ceiling | undefined;
  /** In order; those that run once per submit first. */
  readonly dispatches: readonly (Held & { readonly once: boolean })[];
  /** All dispatches of a step; its share of the ceiling is computed from the sum of their minimum times. */
  readonly whole: Held;
}

/** Compares each dispatch, and the step, with its roofline: the minimum time that the ceilings allow for its work. */
export function heldAgainst({ clock, dispatches }: StepProfile, ceiling: Ceiling | undefined): HeldProfile {
  const held = (d: Omit<TimedDispatch, 'once'>, floors: readonly DispatchWork[]): Held => {
    const ms = ceiling && floors.reduce((sum, work) => sum + floorOf(work, ceiling).ms, 0);
    return {
      ...d,
      gflops: d.microseconds > 0 ? d.flops / d.microseconds / 1e3 : 0,
      ofCeiling: ms !== undefined && d.microseconds > 0 ? (1000 * ms) / d.microseconds : null,
      bound: ceiling && floors.length === 1 ? floorOf(d, ceiling).bound : null,
    };
  };
  const own = dispatches.filter(({ once }) => !once);
  const sum = (of: (d: TimedDispatch) => number) => own.reduce((total, d) => total + of(d), 0);
  const all = {
    label: 'the step',
    microseconds: sum((d) => d.microseconds),
    flops: sum((d) => d.flops),
    bytes: sum((d) => d.bytes),
  };
  return { clock, ceiling, dispatches: dispatches.map((d) => ({ ...d, ...held(d, [d]) })), whole: held(all, own) };
}

/** Inputs of profiling besides the step. */
export interface ProfileCall {
  readonly output: Output;
  readonly file: string;
  /** Steps of the run. */
  readonly total: number;
  readonly signal: AbortSignal;
}

/** Times a step of the plan, prints it and writes its trace to `file`. */
export async function profile(
  backend: Backend,
  plan: Plan,
  data: Examples,
  { output, file, total, signal }: ProfileCall,
): Promise<void> {
  const { net, optimizer: by, batchSize: batch, seed } = plan;
  const name = `${net.name}, ${by}, batch ${batch}`;
  const { loss } = net;
  const facts = { name, model: () => net.model(), loss, optimizer: optimizerOf(plan), batch, data, seed, total };
  const ceiling = await measureCeiling({ backend, seed, signal, tell: (text) => output.progress.status(text) });
  output.progress.stop();
  const step = await TrainingStep.prepare(backend, facts, backend);
  try {
    const timed = heldAgainst(await step.profile(backend, ROUNDS), ceiling);
    await writeAtomic(file, traceOf(timed, `${name} on ${backend.adapter.name}`));
    output.result(`${profileText(timed, name, backend.adapter.name)}\n`);
    output.log(`The trace is in ${file}: open it in chrome://tracing or https://ui.perfetto.dev.`);
    output.event('profile', 0, { ...deviceFields(backend), name, rounds: ROUNDS, ...timed, file });
  } finally {
    step.dispose();
  }
}

/** The best multiply-add and copy rates of a few rounds; undefined if they did not run. */
async function measureCeiling(
  bench: Pick<Bench, 'backend' | 'seed' | 'signal' | 'tell'>,
): Promise<Ceiling | undefined> {
  const { backend } = bench;
  const how = { rounds: 3, roundMs: 10, quick: true, all: false, ceilings: {}, cpu: backend, reference: backend };
  const findings: Finding[] = [];
  for await (const finding of runSuite(gpuCeilingsSuite, { ...bench, ...how })) findings.push(finding);
  return ceilingsOf(findings).gpu;
}

const COLUMNS: readonly Column[] = [
  { title: 'dispatch' },
  ...['us', 'share', 'MFLOP', 'bytes', 'GFLOP/s', 'of ceiling'].map((title) => ({ title, align: 'right' }) as const),
  { title: 'bound by' },
];

/** The dispatches, slowest first, each with its share of the step and of its ceiling. */
export function profileText(timed: HeldProfile, name: string, adapter: string): string {
  const { clock, ceiling, dispatches, whole } = timed;
  const row = (d: Held, share: string) => [
    d.label,
    d.microseconds.toFixed(d.microseconds < 99.95 ? 1 : 0),
    share,
    figure(d.flops / 1e6),
    formatBytes(d.bytes),
    figure(d.gflops),
    d.ofCeiling === null ? '' : shareText(d.ofCeiling),
    d.bound ?? '',
  ];
  const shareOf = ({ microseconds }: Held) => `${((100 * microseconds) / (whole.microseconds || 1)).toFixed(1)}%`;
  const sorted = [...dispatches].sort((a, b) => b.microseconds - a.microseconds);
  const [once, own] = [sorted.filter((d) => d.once), sorted.filter((d) => !d.once)];
  const parts = [
    `One step of ${name}, on ${adapter}: ${plural(own.length, 'dispatch', 'es')}; medians of ${ROUNDS} steps; ${CLOCKS[clock]}. ${ceilingText(ceiling)}`,
    table(
      COLUMNS,
      own.map((d) => row(d, shareOf(d))),
      [row(whole, '100.0%')],
    ),
  ];
  if (once.length > 0) {
    const rows = once.map((d) => row(d, ''));
    parts.push(`Once per submit, before its first step:\n\n${table(COLUMNS, rows)}`);
  }
  return `\n${parts.join('\n\n')}`;
}

function figure(value: number): string {
  return value === 0 ? '0' : formatFigure(value);
}

const CLOCKS = {
  'timestamp queries': 'GPU times from timestamp queries',
  'wall clock':
    'this adapter has no timestamp queries, so each dispatch was submitted alone and timed by the wall clock, submit included',
} as const satisfies Record<StepProfile['clock'], string>;

function ceilingText(ceiling: Ceiling | undefined): string {
  const counted = 'Bytes: what it reads and writes, each tensor once.';
  if (!ceiling) return `${counted} The ceilings of this adapter could not be measured.`;
  const { gflops, gbps } = ceiling;
  return `${counted} Ceilings measured here: ${formatFigure(gflops)} GFLOP/s of multiply-adds, ${formatFigure(gbps)} GB/s of copies beyond the caches.`;
}

/** A trace in the format of chrome://tracing: complete events, one after another, gaps left out. */
export function traceOf({ clock, ceiling, dispatches }: HeldProfile, name: string): string {
  let ts = 0;
  const events = dispatches.map(({ label, once, microseconds: dur, ...args }) => {
    const cat = once ? 'gpu,once a submit' : 'gpu';
    const event = { name: label, cat, ph: 'X', ts, dur, pid: 1, tid: 1, args };
    ts += dur;
    return event;
  });
  const about = { name: 'process_name', ph: 'M', pid: 1, args: { name } };
  return `${JSON.stringify({ displayTimeUnit: 'ns', otherData: { clock, ceiling }, traceEvents: [about, ...events] })}\n`;
}
