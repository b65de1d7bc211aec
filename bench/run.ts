// Runs a suite: for each group of cases it estimates, prepares, checks and only then times, and tells what it finds as it goes.
// A case that cannot be run is named with the reason, and the others go on.
import { GpuExecutor } from '../src/compile/executor.ts';
import { DeviceError, ShaderError } from '../src/graph/errors.ts';
import {
  type Bench,
  type Case,
  floorOf,
  type Group,
  type Measured,
  type Prepared,
  ranOn,
  type Suite,
  WrongResult,
} from './cases.ts';
import { type Figure, type Finding, figureOf, type Refused, type Skipped } from './findings.ts';
import { LONGEST_RUN, measure, type Pace, runSeconds, type Samples, warmUp } from './measure.ts';
import { spreadOf } from './statistics.ts';

/** A case that is warm and right. */
interface Ready {
  readonly case: Case;
  readonly subject: Prepared;
  readonly pace: Pace;
  readonly compileMs: number;
}

/** All findings of a suite as they come, those that follow from the others last. It ends early where the signal says so. */
export async function* runSuite(suite: Suite, bench: Bench): AsyncGenerator<Finding, void, undefined> {
  const unfit = suite.unfit?.(bench);
  if (unfit !== undefined) {
    yield { type: 'skipped', suite: suite.name, name: 'all of it', ...ranOn(bench.backend), reason: unfit };
    return;
  }
  if (suite.run) yield* suite.run(bench);
  const run = new SuiteRun(suite, bench);
  const findings: Finding[] = [];
  for (const group of suite.groups?.(bench) ?? []) {
    if (bench.signal.aborted) break;
    for await (const finding of run.group(group)) {
      findings.push(finding);
      yield finding;
    }
  }
  yield* suite.conclude?.(findings) ?? [];
}

class SuiteRun {
  readonly #suite: Suite;
  readonly #bench: Bench;
  /** The most of the ceiling that a case of each kind reached. */
  readonly #reached = new Map<string, number>();

  constructor(suite: Suite, bench: Bench) {
    this.#suite = suite;
    this.#bench = bench;
  }

  async *group(group: Group): AsyncGenerator<Finding, void, undefined> {
    const ready: Ready[] = [];
    const { rounds, signal, tell } = this.#bench;
    try {
      for (const one of group.cases) {
        if (signal.aborted) return;
        tell?.(`${this.#suite.name}: ${one.name} on ${one.backend.kind}`);
        const found = await this.#ready(one);
        if ('type' in found) yield found;
        else ready.push(found);
      }
      const samples = await measure(ready, rounds, signal);
      if (samples.some(({ ms }) => ms.length === 0)) return;
      for (const [k, r] of ready.entries()) yield this.#figure(r, samples[k]!);
      const measured = ready.map((r, k): Measured => ({ case: r.case, samples: samples[k]! }));
      yield* group.conclude?.(measured) ?? [];
    } finally {
      for (const { subject } of ready) subject.dispose();
    }
  }

  /** The case, ready to be timed, or why it is not. */
  async #ready(one: Case): Promise<Ready | Skipped | Refused> {
    const early = this.#misfit(one) ?? this.#tooLong(one, this.#estimate(one));
    if (early) return early;
    const began = performance.now();
    let subject: Prepared | undefined;
    try {
      subject = await one.prepare();
      const compileMs = performance.now() - began;
      await subject.check();
      const pace = await warmUp(subject, this.#bench);
      this.#learn(one, pace.each);
      const late = this.#tooLong(one, pace.each);
      if (!late) return { case: one, subject, pace, compileMs };
      subject.dispose();
      return late;
    } catch (error) {
      subject?.dispose();
      const facts = { suite: this.#suite.name, name: one.name, ...ranOn(one.backend) };
      if (error instanceof WrongResult || error instanceof ShaderError)
        return { type: 'refused', ...facts, reason: error.message };
      if (!(error instanceof DeviceError)) throw error;
      checkAlive(one);
      return { type: 'skipped', ...facts, reason: error.message };
    }
  }

  #misfit(one: Case): Skipped | undefined {
    const { largest = 0, backend } = one;
    const most = backend.executor.maxBindingBytes;
    if (largest <= most) return undefined;
    return this.#skipped(
      one,
      `it binds ${largest} bytes at once, and this adapter's maxStorageBufferBindingSize is ${most}`,
    );
  }

  /** Milliseconds a repetition takes at least, if it comes as near its ceiling as the best of its kind; 0 without a ceiling. */
  #estimate({ kind, work, backend }: Case): number {
    const ceiling = this.#bench.ceilings[backend.kind];
    const reached = this.#reached.get(`${kind} ${backend.kind}`) ?? UNKNOWN_REACH;
    return work && ceiling ? floorOf(work, ceiling).ms / reached : 0;
  }

  #learn({ kind, work, backend }: Case, each: number): void {
    const ceiling = this.#bench.ceilings[backend.kind];
    if (!work || !ceiling) return;
    const key = `${kind} ${backend.kind}`;
    this.#reached.set(key, Math.max(this.#reached.get(key) ?? 0, floorOf(work, ceiling).ms / each));
  }

  #tooLong(one: Case, each: number): Skipped | undefined {
    const estimate = runSeconds(each, this.#bench);
    if (this.#bench.all || this.#suite.onRequest || estimate <= LONGEST_RUN) return undefined;
    const text = estimate < 10 ? estimate.toFixed(1) : Math.round(estimate);
    return this.#skipped(one, `it would take about ${text} s, more than ${LONGEST_RUN} s; --all runs it`, estimate);
  }

  #skipped({ name, backend }: Case, reason: string, estimate?: number): Skipped {
    const facts = { suite: this.#suite.name, name, ...ranOn(backend) };
    return { type: 'skipped', ...facts, reason, ...(estimate !== undefined && { estimate }) };
  }

  #figure({ case: one, subject, compileMs }: Ready, { ms, clock }: Samples): Figure {
    const { unit, amount, work, backend, examples } = one;
    const ceiling = this.#bench.ceilings[backend.kind];
    const floor = work && ceiling && floorOf(work, ceiling);
    const each = spreadOf(ms).median;
    return {
      type: 'figure',
      suite: this.#suite.name,
      name: one.name,
      ...ranOn(backend),
      unit,
      ...spreadOf(ms.map((m) => figureOf(unit, amount, m))),
      ofCeiling: floor ? floor.ms / each : null,
      bound: floor?.bound ?? null,
      ms: each,
      rounds: ms.length,
      clock,
      ...work,
      compileMs,
      ...(subject.dispatches !== undefined && { dispatches: subject.dispatches }),
      ...(examples !== undefined && { examplesPerSecond: (1000 * examples) / each }),
    };
  }
}

/** What the first of a kind may reach of its ceiling: it is not skipped for a bad guess, but for its time once it is warm. */
const UNKNOWN_REACH = 0.5;

/** A case that fails does no harm to the others, unless the device went with it. */
function checkAlive({ backend: { executor } }: Case): void {
  if (executor instanceof GpuExecutor) executor.runtime.check();
}
