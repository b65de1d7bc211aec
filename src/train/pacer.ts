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
  /** Milliseconds that the submit itself took on the host. */
  readonly hostMs: number;
  values(): Promise<HostArray[]>;
}

/** What is known of a program's speed. */
interface Cost {
  /** Milliseconds and steps of its last submits. */
  recent: readonly { readonly ms: number; readonly steps: number }[];
  /** Whether a submit after the first was timed: the first also warms things up, and is forgotten then. */
  warm: boolean;
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
  sleep: (ms) => new Promise((resolve) => (ms > 0 ? setTimeout(resolve, ms) : afterOthers(resolve))),
};

/** Calls back after what else waits in the event loop; a page's `setTimeout(…, 0)` would take 4 ms, hidden a second. */
function afterOthers(done: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    done();
  };
  port2.postMessage(undefined);
}

/** When the event loop last had its turn, by each clock. */
const rested = new WeakMap<Clock, number>();
/** Milliseconds after which it must have its turn, for timers, signals and clicks: promises alone do not give it one. */
const RESTLESS = 50;

const MAX_IN_FLIGHT = 3;
const REMEMBERED = 5;
const GROWTH = 4;
/** Waiting starts after this share of the predicted time: until then, nothing polls the device. */
const ASLEEP = 0.9;
/** An answer that takes less than this many milliseconds was there before it was asked for. */
const AT_ONCE = 0.5;

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
    if (!rested.has(clock)) rested.set(clock, clock.now());
  }

  /** Submits not awaited yet. */
  get inFlight(): number {
    return this.#flights.length;
  }

  /** Whether the oldest submit must be awaited before the next; the first of a program is, for its time. */
  get full(): boolean {
    const [oldest] = this.#flights;
    if (!oldest) return false;
    return (
      this.#flights.length >= MAX_IN_FLIGHT || this.#blocked || msPerStep(this.#cost(oldest.program)) === undefined
    );
  }

  /** Steps for the next submit of `program`, of `remaining` that may go into it: an even share of them. */
  size(program: Program, remaining: number): number {
    const cost = this.#cost(program);
    const each = msPerStep(cost);
    const fitting = each === undefined ? 1 : Math.floor(this.#target / Math.max(each, 1e-6));
    cost.wanted = Math.max(1, Math.min(fitting, cost.wanted * GROWTH, RING));
    return Math.ceil(remaining / Math.ceil(remaining / cost.wanted));
  }

  /** Hands steps to the device. Only where not {@link full}. */
  submit(program: Program, steps: number, read: readonly Variable[], tag: T): void {
    const submitted = this.#clock.now();
    const ticket = program.submit(steps, read);
    const hostMs = this.#clock.now() - submitted;
    this.#blocked = hostMs > this.#target / 4;
    this.#flights.push({ tag, program, steps, submitted, hostMs, values: () => ticket.values() });
  }

  /** Waits for the oldest submit, asleep for most of the time it should take. */
  async next(): Promise<Landed<T>> {
    const flight = this.#flights.shift()!;
    const slept = await this.#sleep(flight);
    const asked = this.#clock.now();
    const values = await flight.values();
    const done = this.#clock.now();
    const ms = done - Math.max(this.#free, flight.submitted);
    // There before it was asked for: it took less, nobody knows how much. Without this, a sleep too long would confirm itself,
    // and so would the time in which the host prepared the next submits.
    const likely = done - asked >= AT_ONCE ? ms : slept ? ms / 2 : 0;
    learn(this.#cost(flight.program), Math.max(likely, flight.hostMs), flight.steps);
    this.#free = done;
    if (done - rested.get(this.#clock)! > RESTLESS) await this.#rest(0);
    return { tag: flight.tag, steps: flight.steps, values };
  }

  /** Waits until nothing is under way, whatever becomes of it. */
  async drain(): Promise<void> {
    while (this.inFlight > 0) await this.next().catch(() => {});
  }

  /** Lets time pass in which the device works, and the rest of the host, too. True where it waited for the device. */
  async #sleep({ program, steps, submitted }: Flight<T>): Promise<boolean> {
    const expected = (msPerStep(this.#cost(program)) ?? 0) * steps * ASLEEP;
    const ms = Math.min(Math.max(this.#free, submitted) + expected - this.#clock.now(), this.#target);
    const waits = ms >= 1 && !this.#blocked;
    if (waits || this.#blocked) await this.#rest(waits ? ms : 0);
    return waits;
  }

  async #rest(ms: number): Promise<void> {
    await this.#clock.sleep(ms);
    rested.set(this.#clock, this.#clock.now());
  }

  #cost(program: Program): Cost {
    const known = this.#costs.get(program);
    const cost = known ?? { recent: [], wanted: 1, warm: false };
    if (!known) this.#costs.set(program, cost);
    return cost;
  }
}

function learn(cost: Cost, ms: number, steps: number): void {
  const before = cost.warm ? cost.recent : [];
  cost.warm ||= cost.recent.length > 0;
  cost.recent = [...before, { ms, steps }].slice(-REMEMBERED);
}

/** The (lower) median of what is remembered: a stall of the machine does not count. */
function msPerStep({ recent }: Cost): number | undefined {
  const times = recent.map(({ ms, steps }) => ms / steps).sort((a, b) => a - b);
  return times[(times.length - 1) >> 1];
}

/** All of `steps` steps of a program, and the values of `read` after the last. `check` may throw before each submit. */
export async function drive(
  program: Program,
  steps: number,
  read: readonly Variable[],
  { check }: { readonly check?: (() => void) | undefined } = {},
): Promise<readonly HostArray[]> {
  const pacer = new Pacer<undefined>();
  let values: readonly HostArray[] = [];
  try {
    for (let made = 0; made < steps; ) {
      check?.();
      const n = pacer.size(program, steps - made);
      made += n;
      pacer.submit(program, n, read, undefined);
      while (pacer.full || (made === steps && pacer.inFlight > 0)) values = (await pacer.next()).values;
    }
  } finally {
    await pacer.drain();
  }
  return values;
}
