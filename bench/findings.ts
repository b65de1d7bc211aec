// What a benchmark finds, as plain data: each is an object of the JSON output, a row of a table, or a dot in a plot.
import type { Clock } from '../src/gpu/profiler.ts';
import type { Crossing, Spread } from './statistics.ts';

/** Units of figures: what stands in the numerator, and which way is better. */
export const UNITS = {
  'GFLOP/s': 'higher',
  'GB/s': 'higher',
  'steps/s': 'higher',
  us: 'lower',
  ms: 'lower',
  s: 'lower',
} as const satisfies Readonly<Record<string, 'higher' | 'lower'>>;
export type Unit = keyof typeof UNITS;

/** What something ran on. Every figure names it. */
export interface RanOn {
  readonly backend: 'gpu' | 'cpu';
  readonly adapter: string;
  /** A processor did it: the speed is not a GPU's. */
  readonly software: boolean;
}

/** A measured case. */
export interface Figure extends RanOn, Spread {
  readonly type: 'figure';
  readonly suite: string;
  readonly name: string;
  readonly unit: Unit;
  /** The share of the speed that the adapter's own ceiling allows; null where no ceiling binds it. */
  readonly ofCeiling: number | null;
  /** Which ceiling that is. */
  readonly bound: 'arithmetic' | 'memory' | null;
  /** Milliseconds of one repetition, median. */
  readonly ms: number;
  readonly rounds: number;
  readonly clock: Clock;
  /** Arithmetic and traffic of one repetition, where they are known. */
  readonly flops?: number;
  readonly bytes?: number;
  /** Milliseconds that preparing it took: tracing, compiling, buffers. */
  readonly compileMs: number;
  readonly dispatches?: number;
  readonly examplesPerSecond?: number;
}

/** A case that was not run, and why. */
export interface Skipped extends RanOn {
  readonly type: 'skipped';
  readonly suite: string;
  readonly name: string;
  readonly reason: string;
  /** Seconds that it would take, where that is the reason. */
  readonly estimate?: number;
}

/** A case whose result was wrong, or whose kernel did not compile: it was not timed. */
export interface Refused extends RanOn {
  readonly type: 'refused';
  readonly suite: string;
  readonly name: string;
  readonly reason: string;
}

/** How many times as fast the GPU backend made a training step as the CPU backend, timed in turns. */
export interface Speedup extends RanOn, Spread {
  readonly type: 'speedup';
  readonly suite: string;
  readonly batch: number;
  readonly width: number;
}

/** From which batch size (or width) on the GPU backend is the faster one, the other held fixed. */
export interface Crossover extends RanOn {
  readonly type: 'crossover';
  readonly suite: string;
  readonly along: 'batch' | 'width';
  /** The one that is held fixed. */
  readonly fixed: number;
  /** What was measured: the first and the last. */
  readonly range: readonly [number, number];
  readonly crossing: Crossing;
  /** Every round says the same of the points that decide it. */
  readonly settled: boolean;
}

/** How near a case comes to another of its run that does the same kind of work. */
export interface Share extends RanOn {
  readonly type: 'share';
  readonly suite: string;
  readonly name: string;
  /** The other case, and its rate. */
  readonly of: string;
  readonly gflops: number;
  readonly share: number;
}

export type Finding = Figure | Skipped | Refused | Speedup | Crossover | Share;

/** A figure's value from what a repetition is worth (in the unit's numerator) and its milliseconds. */
export function figureOf(unit: Unit, amount: number, ms: number): number {
  if (unit === 'ms') return ms;
  if (unit === 's') return ms / 1000;
  return UNITS[unit] === 'lower' ? 1000 * ms : (1000 * amount) / ms;
}
