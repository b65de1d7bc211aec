// `thalweg train --profile`: one training step, dispatch by dispatch, slowest first, and as a trace that chrome://tracing and
// Perfetto open. It has weights of its own: the run that follows is what it would have been.
import { join } from 'node:path';
import { TrainingStep } from '../../bench/training.ts';
import type { Backend } from '../backend.ts';
import type { StepProfile } from '../gpu/profiler.ts';
import { DeviceError, OptionError } from '../graph/errors.ts';
import { writeAtomic } from '../node/files.ts';
import type { Examples } from '../train/batch.ts';
import { deviceFields } from './device.ts';
import type { Output } from './output.ts';
import { optimizerOf, type Plan } from './plan.ts';
import { formatBytes, table } from './table.ts';
import { plural } from './train-report.ts';

/** Steps whose median is told. */
const ROUNDS = 9;

/** Where the trace goes: the file that was named, else into the run's folder, else here; undefined without the flag. */
export function profileFile(flag: unknown, folder: string | undefined): string | undefined {
  if (typeof flag === 'string') return flag;
  return flag === true ? join(folder ?? '', 'profile.json') : undefined;
}

/** @throws OptionError, DeviceError where there are no dispatches. */
export function checkProfile({ kind }: Pick<Backend, 'kind'>, device: string | undefined): void {
  if (device === 'cpu')
    throw new OptionError('--profile: contradicts --device cpu, which has no dispatches. Leave one of them out.');
  if (kind === 'cpu')
    throw new DeviceError('--profile: there is no GPU here, and the CPU has no dispatches. Leave --profile out.');
}

/** Times a step of the plan, prints it and writes its trace to `file`. */
export async function profile(
  backend: Backend,
  plan: Plan,
  data: Examples,
  { output, file, total }: { readonly output: Output; readonly file: string; readonly total: number },
): Promise<void> {
  const { preset, optimizer: by, batchSize: batch, seed } = plan;
  const name = `${preset.name}, ${by}, batch ${batch}`;
  const facts = { name, network: preset.network, optimizer: optimizerOf(plan), batch, data, seed, total };
  const step = await TrainingStep.prepare(backend, facts, backend);
  try {
    const timed = await step.profile(backend, ROUNDS);
    await writeAtomic(file, traceOf(timed, `${name} on ${backend.adapter.name}`));
    output.result(`${profileText(timed, name, backend.adapter.name)}\n`);
    output.log(`The trace is in ${file}: open it in chrome://tracing or https://ui.perfetto.dev.`);
    output.event('profile', 0, { ...deviceFields(backend), name, rounds: ROUNDS, ...timed, file });
  } finally {
    step.dispose();
  }
}

/** The dispatches, slowest first, each with its share of the step. */
export function profileText({ clock, dispatches }: StepProfile, name: string, adapter: string): string {
  const total = dispatches.reduce((sum, { microseconds }) => sum + microseconds, 0);
  const row = (label: string, us: number, bytes: number) => [
    label,
    us.toFixed(us < 99.95 ? 1 : 0),
    `${((100 * us) / (total || 1)).toFixed(1)}%`,
    formatBytes(bytes),
  ];
  const right = { align: 'right' } as const;
  const columns = [
    { title: 'dispatch' },
    { title: 'us', ...right },
    { title: 'share', ...right },
    { title: 'bound', ...right },
  ];
  const sorted = [...dispatches].sort((a, b) => b.microseconds - a.microseconds);
  const bytes = dispatches.reduce((sum, d) => sum + d.bytes, 0);
  const how =
    clock === 'timestamp queries'
      ? 'GPU times from timestamp queries'
      : 'this adapter has no timestamp queries, so each dispatch was submitted alone and timed by the wall clock, submit included';
  const heading = `One step of ${name}, on ${adapter}: ${plural(dispatches.length, 'dispatch', 'es')}; medians of ${ROUNDS} steps; ${how}. Bound: the bytes of its buffers, so at most what it moves.`;
  const rows = sorted.map((d) => row(d.label, d.microseconds, d.bytes));
  return `\n${heading}\n\n${table(columns, rows, [row('all', total, bytes)])}`;
}

/** A trace in the format of chrome://tracing: complete events, one after another, gaps left out. */
export function traceOf({ clock, dispatches }: StepProfile, name: string): string {
  let ts = 0;
  const events = dispatches.map(({ label, bytes, microseconds }) => {
    const event = { name: label, cat: 'gpu', ph: 'X', ts, dur: microseconds, pid: 1, tid: 1, args: { bytes } };
    ts += microseconds;
    return event;
  });
  const about = { name: 'process_name', ph: 'M', pid: 1, args: { name } };
  return `${JSON.stringify({ displayTimeUnit: 'ns', otherData: { clock }, traceEvents: [about, ...events] })}\n`;
}
