// How things are timed: warmed up apart, repeated until a round is long enough for its clock, and round by round in turns, so
// that whatever else the machine does meets all of them alike.
import type { Clock, Timing } from '../src/gpu/profiler.ts';

/** Work that can be done over and over and timed. */
export interface Subject {
  /** Does the work `times` times; all of that should take about `expected` milliseconds, for whoever waits. */
  run(times: number, expected: number): Promise<Timing>;
  /** The most repetitions of one run. Default 4096; with 1, the first run alone is the warm-up. */
  readonly most?: number;
}

/** How long a round is, and how many there are. */
export interface Rounds {
  readonly rounds: number;
  /** Milliseconds a round should last at least. */
  readonly roundMs: number;
}

/** A subject that is warm: milliseconds a repetition, and repetitions a round. */
export interface Pace {
  readonly each: number;
  readonly times: number;
}

/** What was timed: milliseconds a repetition, a number a round. */
export interface Samples {
  readonly ms: readonly number[];
  readonly clock: Clock;
}

/** A case that takes longer than this many seconds, all rounds together, is left out unless it is asked for. */
export const LONGEST_RUN = 2;

/** Seconds that a case takes whose repetition takes `each` milliseconds: a warm-up and its rounds. */
export function runSeconds(each: number, { rounds, roundMs }: Rounds): number {
  return ((rounds + 1) * Math.max(each, roundMs)) / 1000;
}

const MOST = 4096;
/** Clocks tick: less than this many milliseconds is taken for this many. */
const TICK = 1e-6;

/** Runs a subject until it is warm, and finds out how often it fits into a round. */
export async function warmUp(subject: Subject, { roundMs }: Pick<Rounds, 'roundMs'>): Promise<Pace> {
  const { most = MOST } = subject;
  const first = await subject.run(1, 0);
  if (most === 1) return { each: Math.max(first.ms, TICK), times: 1 };
  let times = 1;
  let total = Math.min(first.ms, (await subject.run(1, 0.7 * first.ms)).ms);
  while (total < roundMs / 4 && times < most) {
    times = Math.min(most, times * 8);
    total = (await subject.run(times, 0)).ms;
  }
  const each = Math.max(total / times, TICK);
  return { each, times: Math.min(most, Math.max(1, Math.ceil(roundMs / each))) };
}

/** Times warm subjects in turns, every other round backwards. Fewer rounds where `signal` ends it. */
export async function measure(
  subjects: readonly { readonly subject: Subject; readonly pace: Pace }[],
  rounds: number,
  signal?: AbortSignal,
): Promise<Samples[]> {
  const lines = subjects.map(({ subject, pace }) => new Line(subject, pace));
  for (let round = 0; round < rounds; round++) {
    for (const line of round % 2 === 0 ? lines : [...lines].reverse()) {
      if (signal?.aborted) return lines.map((l) => l.samples(round));
      await line.time();
    }
  }
  return lines.map((line) => line.samples(rounds));
}

/** One subject's rounds so far. */
class Line {
  readonly #subject: Subject;
  readonly #times: number;
  /** Milliseconds that the next round should take. */
  #expected: number;
  readonly #ms: number[] = [];
  #clock: Clock = 'wall clock';

  constructor(subject: Subject, { each, times }: Pace) {
    this.#subject = subject;
    this.#times = times;
    this.#expected = each * times;
  }

  async time(): Promise<void> {
    let timing = await this.#subject.run(this.#times, this.#expected);
    // Overslept: nobody knows how long it took, so it is done again, asleep for less.
    for (let tries = 0; timing.overslept && tries < 5; tries++) {
      this.#expected /= 2;
      timing = await this.#subject.run(this.#times, this.#expected);
    }
    this.#expected = timing.ms;
    this.#clock = timing.clock;
    this.#ms.push(Math.max(timing.ms / this.#times, TICK));
    await new Promise((resolve) => setTimeout(resolve, 0)); // for signals
  }

  samples(rounds: number): Samples {
    return { ms: this.#ms.slice(0, rounds), clock: this.#clock };
  }
}
