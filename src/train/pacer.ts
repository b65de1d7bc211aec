// Pacing: how many steps go into one submit, so that submits are few, none blocks the device for long, and the host neither
// waits in the loop nor spins. Times are learnt from the submits themselves, which begin small and grow.
import type { HostArray } from '../graph/dtype.ts';
import type { Program } from '../graph/executor.ts';
import type { Variable } from '../graph/tensor.ts';
import { RING } from './state.ts';

/** Steps that are done, and the values that were asked for. */
export interface Landed<T> {
  readonly tag: T;
  readonly steps: number;
  readonly values: readonly HostArray[];
}

interface Flight<T> {
  readonly tag: T;
  readonly program: Program;
  readonly steps: number;
  readonly submitted: number;
  /** When it should be done, where that can be known. */
  readonly due: number | undefined;
  values(): Promise<HostArray[]>;
}

/** What is known of a program's speed. */
interface Cost {
  /** Milliseconds and steps of its last submits. */
  readonly recent: { readonly ms: number; readonly steps: number }[];
  /** Steps in the last submit as they were wanted, before the end of an epoch cut them. */
  wanted: number;
}

/** Where time comes from; tests bring their own. */
export interface Clock {
  now(): number;
  sleep(ms: number): Promise<void>;
}

const REAL: Clock = {
  now: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

const MAX_IN_FLIGHT = 3;
const REMEMBERED = 4;
/** Growth of submits while their times are not known yet, and once they are. */
const BLIND_GROWTH = 2;
const GROWTH = 4;
/** Waiting starts after this share of the predicted time: until then, nothing polls the device. */
const ASLEEP = 0.9;

export class Pacer<T> {
  readonly #target: number;
  readonly #clock: Clock;
  readonly #costs = new WeakMap<Program, Cost>();
  readonly #flights: Flight<T>[] = [];
  /** When the last awaited submit was done. */
  #free = 0;
  /** A submit blocked the host (the CPU engine's do): its steps are done already. */
  #blocked = false;

  constructor({ submitMs = 200, clock = REAL }: { submitMs?: number; clock?: Clock } = {}) {
    this.#target = submitMs;
    this.#clock = clock;
  }

  /** Submits not awaited yet. */
  get inFlight(): number {
    return this.#flights.length;
  }

  /** Whether the oldest submit must be awaited before the next. */
  get full(): boolean {
    return this.#flights.length >= MAX_IN_FLIGHT || (this.#blocked && this.#flights.length > 0);
  }

  /** Steps for the next submit of `program`, of `remaining` that may go into it: an even share of them. */
  size(program: Program, remaining: number): number {
    const cost = this.#cost(program);
    const each = msPerStep(cost);
    const fitting = each === undefined ? cost.wanted * BLIND_GROWTH : Math.floor(this.#target / Math.max(each, 1e-6));
    const most = Math.max(1, Math.min(fitting, Math.max(cost.wanted, 1) * GROWTH, RING));
    cost.wanted = most;
    return Math.ceil(remaining / Math.ceil(remaining / most));
  }

  /** Hands steps to the device. Only where not {@link full}. */
  submit(program: Program, steps: number, read: readonly Variable[], tag: T): void {
    const submitted = this.#clock.now();
    const each = msPerStep(this.#cost(program));
    const last = this.#flights.at(-1);
    const start = last ? last.due : Math.max(submitted, this.#free);
    const ticket = program.submit(steps, read);
    this.#blocked = this.#clock.now() - submitted > this.#target / 4;
    this.#flights.push({
      tag,
      program,
      steps,
      submitted,
      due: each === undefined || start === undefined ? undefined : start + each * steps,
      values: () => ticket.values(),
    });
  }

  /** Waits for the oldest submit, asleep for most of the time it should take. */
  async next(): Promise<Landed<T>> {
    const flight = this.#flights.shift()!;
    await this.#rest(flight);
    const values = await flight.values();
    const done = this.#clock.now();
    const { recent } = this.#cost(flight.program);
    recent.push({ ms: done - Math.max(this.#free, flight.submitted), steps: flight.steps });
    if (recent.length > REMEMBERED) recent.shift();
    this.#free = done;
    return { tag: flight.tag, steps: flight.steps, values };
  }

  /** Lets the rest of the host work, and time pass where the device will need it. */
  async #rest({ due, submitted }: Flight<T>): Promise<void> {
    const start = Math.max(this.#free, submitted);
    const ms = due === undefined || this.#blocked ? 0 : start + (due - start) * ASLEEP - this.#clock.now();
    if (ms >= 1 || this.#blocked) await this.#clock.sleep(Math.max(ms, 0));
  }

  #cost(program: Program): Cost {
    const known = this.#costs.get(program);
    const cost = known ?? { recent: [], wanted: 0.5 };
    if (!known) this.#costs.set(program, cost);
    return cost;
  }
}

function msPerStep({ recent }: Cost): number | undefined {
  if (recent.length === 0) return undefined;
  const total = recent.reduce((sum, r) => ({ ms: sum.ms + r.ms, steps: sum.steps + r.steps }));
  return total.ms / total.steps;
}

/** All of `steps` steps of a program, and the values of `read` after the last */
export async function drive(
  program: Program,
  steps: number,
  read: readonly Variable[],
  pacer: Pacer<undefined> = new Pacer(),
): Promise<readonly HostArray[]> {
  let values: readonly HostArray[] = [];
  for (let made = 0; made < steps; ) {
    const n = pacer.size(program, steps - made);
    made += n;
    // Only the last submit's values are of use; the others are asked for nothing, but awaited for their time.
    pacer.submit(program, n, made === steps ? read : [], undefined);
    while (pacer.full || (made === steps && pacer.inFlight > 0)) values = (await pacer.next()).values;
  }
  return values;
}
