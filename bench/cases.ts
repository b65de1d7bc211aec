// What a suite is made of: groups of cases that are timed in turns, and what they are all given.
import type { Backend } from '../src/backend.ts';
import type { DataPair } from '../src/data/dataset.ts';
import type { DispatchWork } from '../src/explain/explanation.ts';
import type { Finding, RanOn, Unit } from './findings.ts';
import type { Rounds, Samples, Subject } from './measure.ts';

/** The best that an adapter does on kernels written for nothing else. */
export interface Ceiling {
  readonly gflops: number;
  readonly gbps: number;
}

/** What all suites are given. */
export interface Bench extends Rounds {
  /** What is measured. */
  readonly backend: Backend;
  /** The CPU in floats, which a GPU is held against. */
  readonly cpu: Backend;
  /** The CPU in doubles, which results are checked against. */
  readonly reference: Backend;
  readonly ceilings: Readonly<Partial<Record<'gpu' | 'cpu', Ceiling>>>;
  /** Fewer sizes. */
  readonly quick: boolean;
  /** Also cases that take long. */
  readonly all: boolean;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Loads MNIST as pictures, for what is measured on it. */
  readonly mnist?: () => Promise<DataPair>;
  /** Called with what is going on. */
  readonly tell?: (text: string) => void;
}

/** A subject with its facts, checked before it is timed. */
export interface Prepared extends Subject {
  readonly dispatches?: number;
  /** @throws WrongResult */
  check(): Promise<void>;
  dispose(): void;
}

/** Something to be timed. */
export interface Case {
  readonly name: string;
  readonly backend: Backend;
  readonly unit: Unit;
  /** What one repetition is worth in the unit's numerator: GFLOP, GB, steps. */
  readonly amount: number;
  /** Absent where no ceiling binds it. */
  readonly work?: DispatchWork;
  /** Cases of a kind come near their ceilings alike: each tells how long the next will take. */
  readonly kind: string;
  /** Bytes of the largest array that a kernel has to bind. */
  readonly largest?: number;
  /** Examples in a step. */
  readonly examples?: number;
  prepare(): Promise<Prepared>;
}

/** A case with its rounds. */
export interface Measured {
  readonly case: Case;
  readonly samples: Samples;
}

/** Cases timed in turns, and what follows from them together. */
export interface Group {
  readonly cases: readonly Case[];
  conclude?(measured: readonly Measured[]): readonly Finding[];
}

export interface Suite {
  readonly name: string;
  /** One line for `--help`. */
  readonly about: string;
  /** Runs only by name, then all its cases, however long; its figures have no ceiling. */
  readonly onRequest?: boolean;
  groups?(bench: Bench): Iterable<Group>;
  /** Measures by itself what are no groups of cases. */
  run?(bench: Bench): AsyncGenerator<Finding, void, undefined>;
  /** Why it cannot run here at all. */
  unfit?(bench: Bench): string | undefined;
  /** What follows from all of its findings. */
  conclude?(findings: readonly Finding[]): readonly Finding[];
}

/** The result of a kernel is not what the CPU reference says. */
export class WrongResult extends Error {
  override readonly name = 'WrongResult';
}

/** The fields that a finding names its device by. */
export function ranOn({ kind, adapter }: Backend): RanOn {
  return { backend: kind, adapter: adapter.name, software: adapter.software };
}

/** The least milliseconds that the ceiling allows, and which of its halves that is. */
export function floorOf({ flops, bytes }: DispatchWork, { gflops, gbps }: Ceiling) {
  const [arithmetic, memory] = [flops / gflops / 1e6, bytes / gbps / 1e6];
  return arithmetic >= memory
    ? ({ ms: arithmetic, bound: 'arithmetic' } as const)
    : ({ ms: memory, bound: 'memory' } as const);
}
