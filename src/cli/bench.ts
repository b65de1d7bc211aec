// `thalweg bench`: runs the requested suites and reports tables, Markdown or JSON Lines. However it ends, the results so far are printed
// and written.

import { join } from 'node:path';
import type { Bench } from '../../bench/cases.ts';
import { ceilingsOf, ceilingsSuite } from '../../bench/ceilings.ts';
import { comparisonOf, comparisonReport, type EarlierRun, readEarlier } from '../../bench/compare.ts';
import type { Finding } from '../../bench/findings.ts';
import { plotsOf } from '../../bench/plots.ts';
import { refusedText, suiteReport } from '../../bench/report.ts';
import { runSuite } from '../../bench/run.ts';
import { suites } from '../../bench/suites.ts';
import { type Backend, createCpuBackend } from '../backend.ts';
import type { DataPair } from '../data/dataset.ts';
import { OptionError } from '../graph/errors.ts';
import { prepareFile, prepareFolder, writeAtomic } from '../node/files.ts';
import { readText } from '../node/read-file.ts';
import { headerOf, headerText } from './bench-header.ts';
import type { Call } from './context.ts';
import { loadData } from './data.ts';
import { deviceLine, withBackend } from './device.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { reasonOf } from './interrupt.ts';
import type { EventFields } from './output.ts';
import { parseChoice, parseCount } from './parsers.ts';
import { plural } from './train-report.ts';

/** The flags of this verb. */
interface BenchFlags {
  readonly chosen: readonly (typeof suites)[number][];
  readonly rounds: number;
  readonly all: boolean;
  readonly quick: boolean;
  readonly markdown: boolean;
  readonly svg: string | undefined;
  readonly save: string | undefined;
  readonly compare: string | undefined;
}

const ROUNDS = { usual: 5, quick: 3 };
/** Milliseconds of a round. */
const ROUND_MS = { usual: 20, quick: 10 };

export async function bench(call: Call): Promise<ExitCode> {
  const flags = readFlags(call);
  // Unreadable or unwritable files are detected before anything is measured.
  const earlier = flags.compare === undefined ? undefined : readEarlier(readText(flags.compare), flags.compare);
  if (flags.svg !== undefined) await prepareFolder(flags.svg);
  if (flags.save !== undefined) await prepareFile(flags.save);
  return withBackend(call, (backend) => new BenchCall(call, backend, flags, earlier).run(), 'gpu');
}

function readFlags({ flags, settings }: Call): BenchFlags {
  const names = suites.map(({ name }) => name);
  const wanted = (flags['targets'] as readonly string[]).map((name) => parseChoice(name, 'bench', names));
  const quick = flags['quick'] === true;
  const text = (name: string) => (typeof flags[name] === 'string' ? (flags[name] as string) : undefined);
  const rounds = flags['rounds'];
  if (flags['markdown'] === true && settings.json)
    throw new OptionError('--markdown: contradicts --json. Leave one of them out.');
  if (settings.data && !wanted.includes('time-to-99'))
    throw new OptionError('--data: applies only to time-to-99. Add this suite, or leave --data out.');
  return {
    chosen: suites.filter(({ name, onRequest }) => (wanted.length === 0 ? !onRequest : wanted.includes(name))),
    rounds: rounds === undefined ? (quick ? ROUNDS.quick : ROUNDS.usual) : parseCount(rounds, '--rounds', 1, 1000),
    all: flags['all'] === true,
    quick,
    markdown: flags['markdown'] === true,
    svg: text('svg'),
    save: text('save'),
    compare: text('compare'),
  };
}

/** One call of the verb, with an open device. */
class BenchCall {
  readonly #call: Call;
  readonly #backend: Backend;
  readonly #flags: BenchFlags;
  readonly #earlier: EarlierRun | undefined;
  readonly #findings: Finding[] = [];
  /** Every object of the JSON output. */
  readonly #lines: string[] = [];

  constructor(call: Call, backend: Backend, flags: BenchFlags, earlier: EarlierRun | undefined) {
    this.#call = call;
    this.#backend = backend;
    this.#flags = flags;
    this.#earlier = earlier;
  }

  async run(): Promise<ExitCode> {
    const { output, signal } = this.#call;
    output.log(deviceLine(this.#backend));
    this.#begin();
    const [cpu, reference] = [createCpuBackend(), createCpuBackend({ precision: 'float64' })];
    const own = this.#backend.kind === 'cpu';
    const { rounds, quick, all, chosen } = this.#flags;
    const base: Bench = {
      backend: this.#backend,
      cpu: own ? this.#backend : cpu,
      reference,
      ceilings: {},
      rounds,
      roundMs: quick ? ROUND_MS.quick : ROUND_MS.usual,
      quick,
      all,
      seed: this.#call.settings.seed ?? 0,
      signal,
      mnist: () => this.#mnist(),
      tell: (text) => output.progress.status(text),
    };
    const bound = chosen.some(({ onRequest }) => !onRequest);
    const ceilings = bound ? ceilingsOf(await this.#suite(ceilingsSuite, base)) : {};
    for (const suite of chosen) if (!signal.aborted) await this.#suite(suite, { ...base, ceilings });
    output.progress.stop();
    return this.#end(ceilings);
  }

  /** MNIST as pictures, from --data, the cache or a download. */
  async #mnist(): Promise<DataPair> {
    const { output, signal, settings } = this.#call;
    const { data = { kind: 'mnist' } } = settings;
    return loadData({ data, pictures: true }, { output, signal });
  }

  /** Reports what is measured, on which device, and how. */
  #begin(): void {
    const { output, settings } = this.#call;
    const { rounds, quick, all, chosen, markdown } = this.#flags;
    const header = headerOf(this.#backend, { rounds, quick, all, seed: settings.seed ?? 0, chosen });
    this.#event('bench', header);
    output.result(headerText(header, markdown));
    const { load, threads } = header;
    if (load > threads / 2)
      output.warn(
        `other programs keep this machine busy (load ${load} on ${plural(threads, 'thread')}), which lowers the speeds.`,
      );
  }

  #event(type: string, fields: EventFields): void {
    this.#lines.push(this.#call.output.event(type, 0, fields));
  }

  /** Runs a suite and prints its results, complete or partial. */
  async #suite(suite: (typeof suites)[number], bench: Bench): Promise<readonly Finding[]> {
    const { output } = this.#call;
    const findings: Finding[] = [];
    try {
      for await (const finding of runSuite(suite, bench)) {
        findings.push(finding);
        const { type, ...fields } = finding;
        this.#event(type, fields as EventFields);
      }
    } finally {
      this.#findings.push(...findings);
      if (findings.length > 0)
        output.result(`\n${suiteReport(suite.name, findings, this.#flags.markdown ? 'markdown' : 'text')}`);
    }
    return findings;
  }

  async #end(ceilings: Bench['ceilings']): Promise<ExitCode> {
    const { output, signal } = this.#call;
    const { svg, save, markdown } = this.#flags;
    if (this.#earlier) {
      const comparison = comparisonOf(this.#earlier, this.#findings);
      for (const { type, ...change } of comparison.changes) this.#event(type, change as EventFields);
      output.result(`\n${comparisonReport(comparison, markdown ? 'markdown' : 'text')}`);
    }
    const wrong = this.#findings.filter((f) => f.type === 'refused');
    this.#event(signal.aborted ? 'interrupted' : 'end', {
      figures: this.#findings.filter((f) => f.type === 'figure').length,
    });
    if (svg !== undefined) {
      const plots = plotsOf(this.#findings, ceilings);
      for (const [name, picture] of Object.entries(plots)) await writeAtomic(join(svg, name), picture);
      output.log(
        `Written to ${svg}: ${Object.keys(plots).join(', ') || 'nothing, since no plot shows what was measured'}`,
      );
    }
    if (save !== undefined) {
      await writeAtomic(save, `${this.#lines.join('\n')}\n`);
      output.log(`Written to ${save}.`);
    }
    for (const refused of wrong) output.warn(refusedText(refused));
    if (signal.aborted) {
      output.log(`${reasonOf(signal)}: the results so far are above.`);
      return EXIT.interrupted;
    }
    return wrong.length > 0 ? EXIT.missedTarget : EXIT.done;
  }
}
