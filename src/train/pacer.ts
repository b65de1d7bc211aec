// Pacing: the number of steps per submit, so that submits are few, none blocks the device for long, and the host neither waits in the
// loop nor spins. Step times are measured from the submits themselves, which begin small and grow.
import type { HostArray } from '../graph/dtype.ts';
import type { Program } from '../graph/executor.ts';
import type { Variable } from '../graph/tensor.ts';
import { RING } from './state.ts';

/** Completed steps, and the values read back after them. */
export interface Completed<T> {
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

/** Measurements of a program's speed. */
interface Cost {
  /** Milliseconds and steps of its last submits. */
  recent: readonly { readonly ms: number; readonly steps: number }[];
  /** Whether a submit after the first was timed: the first includes warm-up, and is then dropped. */
  warm: boolean;
  /** Steps wanted in the last submit, before it was shortened to the end of an epoch. */
  wanted: number;
}

/** The source of time; tests bring their own. */
export interface Clock {
  now(): number;
  sleep(ms: number): Promise<void>;
}

const REAL: Clock = {
  now: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => (ms > 0 ? setTimeout(resolve, ms) : afterOthers(resolve))),
};

/** Calls back after the other tasks in the event loop. A page's `setTimeout(…, 0)` would take 4 ms, or a second if the page is hidden. */
function afterOthers(done: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    done();
  };
  port2.postMessage(undefined);
}

/** When the loop last yielded to the event loop, by each clock. */
const yielded = new WeakMap<Clock, number>();
/** Milliseconds after which it must yield, for timers, signals and clicks: awaiting promises alone does not. */
const MAX_UNYIELDED_MS = 50;

const MAX_IN_FLIGHT = 3;
const REMEMBERED = 5;
const GROWTH = 4;
/** The share of the predicted time to sleep before waiting for the device: until then, nothing polls it. */
const SLEEP_SHARE = 0.9;
/** A result that takes less than this many milliseconds to read was complete before the request. */
const READY_MS = 0.5;

export class Pacer<T> {
  readonly #target: number;
  readonly #clock: Clock;
  readonly #costs = new WeakMap<Program, Cost>();
  readonly #flights: Flight<T>[] = [];
  /** When the last awaited submit completed. */
  #free = 0;
  /** The last submit blocked the host (as the CPU engine's do): its steps are already complete. */
  #blocked = false;

  constructor({ submitMs = 200, clock = REAL }: { submitMs?: number; clock?: Clock } = {}) {
    this.#target = submitMs;
    this.#clock = clock;
    if (!yielded.has(clock)) yielded.set(clock, clock.now());
  }

  /** Submits not awaited yet. */
  get inFlight(): number {
    return this.#flights.length;
  }

  /** Whether the oldest submit must be awaited before the next; a program's first is, to be timed. */
  get full(): boolean {
    const [oldest] = this.#flights;
    if (!oldest) return false;
    return (
      this.#flights.length >= MAX_IN_FLIGHT || this.#blocked || msPerStep(this.#cost(oldest.program)) === undefined
    );
  }

  /** Steps for the next submit of `program`: an even share of the `remaining` ones. */
  size(program: Program, remaining: number): number {
    const cost = this.#cost(program);
    const each = msPerStep(cost);
    const fitting = each === undefined ? 1 : Math.floor(this.#target / Math.max(each, 1e-6));
    cost.wanted = Math.max(1, Math.min(fitting, cost.wanted * GROWTH, RING));
    return Math.ceil(remaining / Math.ceil(remaining / cost.wanted));
  }

  /** Submits steps. Call it only if not {@link full}. */
  submit(program: Program, steps: number, read: readonly Variable[], tag: T): void {
    const submitted = this.#clock.now();
    const ticket = program.submit(steps, read);
    const hostMs = this.#clock.now() - submitted;
    this.#blocked = hostMs > this.#target / 4;
    this.#flights.push({ tag, program, steps, submitted, hostMs, values: () => ticket.values() });
  }

  /** Waits for the oldest submit, asleep for most of the time it should take. */
  async next(): Promise<Completed<T>> {
    const flight = this.#flights.shift()!;
    const slept = await this.#sleep(flight);
    const asked = this.#clock.now();
    const values = await flight.values();
    const done = this.#clock.now();
    const ms = done - Math.max(this.#free, flight.submitted);
    // A result that was ready took less time, but how much less is unknown. Without this, too long a sleep would confirm itself, and so
    // would the time in which the host prepared the next submits.
    const likely = done - asked >= READY_MS ? ms : slept ? ms / 2 : 0;
    learn(this.#cost(flight.program), Math.max(likely, flight.hostMs), flight.steps);
    this.#free = done;
    if (done - yielded.get(this.#clock)! > MAX_UNYIELDED_MS) await this.#yieldFor(0);
    return { tag: flight.tag, steps: flight.steps, values };
  }

  /** Waits until nothing is in flight, ignoring failures. */
  async drain(): Promise<void> {
    while (this.inFlight > 0) await this.next().catch(() => {});
  }

  /** Sleeps while the device works, so that the host can do other work. Returns whether it waited for the device. */
  async #sleep({ program, steps, submitted }: Flight<T>): Promise<boolean> {
    const expected = (msPerStep(this.#cost(program)) ?? 0) * steps * SLEEP_SHARE;
    const ms = Math.min(Math.max(this.#free, submitted) + expected - this.#clock.now(), this.#target);
    const waits = ms >= 1 && !this.#blocked;
    if (waits || this.#blocked) await this.#yieldFor(waits ? ms : 0);
    return waits;
  }

  async #yieldFor(ms: number): Promise<void> {
    await this.#clock.sleep(ms);
    yielded.set(this.#clock, this.#clock.now());
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

/** The (lower) median of the recent submits, so that a stall of the machine does not count. */
function msPerStep({ recent }: Cost): number | undefined {
  const times = recent.map(({ ms, steps }) => ms / steps).sort((a, b) => a - b);
  return times[(times.length - 1) >> 1];
}

/** Runs `steps` steps of a program and returns the values of `read` after the last. `check` may throw before each submit. */
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
