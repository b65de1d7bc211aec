// Threads of the CPU backend in Node. The calling thread opens a job, a function of a module and its number of units; every thread takes
// chunks of units until none are left. Workers spin for a moment between jobs, then sleep.
import { availableParallelism } from 'node:os';
import { type MessagePort, type receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { PoolFactory, ScratchPlaces, ThreadedModule, ThreadPool } from '../cpu/pool.ts';
import { importsOf } from '../cpu/wasm/module.ts';
import { DeviceError } from '../graph/errors.ts';

/** Without `threads`: a thread for each core, up to this many; more share the memory's bandwidth. */
const MOST_BY_DEFAULT = 8;

/** The words that threads share. Jobs are numbered: odd while one is open, even when it is closed. */
const WORDS = {
  job: 0,
  /** Workers inside the open job. */
  active: 1,
  sleeping: 2,
  /** The next unit that nobody has taken. */
  next: 3,
  module: 4,
  func: 5,
  units: 6,
  chunk: 7,
  /** Messages sent to each worker. */
  sent: 8,
  /** The number of a worker in which a function threw. */
  failed: 9,
} as const;
type Words = typeof WORDS;

/** Loops that look for a job before a worker sleeps, and for the workers' end before the caller does: some 50 us. */
const SPINS = 20_000;
/** After this long without an answer a worker is taken for dead, in ms. */
const DEAD_AFTER = 60_000;

/**
 * Where other programs keep the cores busy, a worker that was suspended in the middle of a chunk keeps the caller waiting. A job in which it
 * waits longer than it works counts that much, others count 1 less, and from the limit on so many jobs are done without workers.
 */
const LATE = 8;
const LATE_LIMIT = 32;
const JOBS_ALONE = 256;

type Slice = (from: number, to: number) => void;

/** A module for a worker, or the end of one. */
type Message =
  | { readonly id: number; readonly module: WebAssembly.Module; readonly imports: WebAssembly.Imports }
  | { readonly id: number; readonly module?: undefined };

interface WorkerData {
  readonly control: Int32Array;
  readonly words: Words;
  readonly spins: number;
  /** Its number, from 1. */
  readonly thread: number;
}

/**
 * What a worker runs. It is passed on as text, so that it needs no file which bundlers and tests would have to find: it uses nothing outside
 * itself.
 */
function work(
  { control, words, spins, thread }: WorkerData,
  port: MessagePort,
  receive: typeof receiveMessageOnPort,
): void {
  const modules = new Map<number, WebAssembly.Exports>();
  let received = 0;
  const update = () => {
    for (; received < Atomics.load(control, words.sent); received++) {
      const message = receive(port)!.message as Message;
      if (message.module) modules.set(message.id, new WebAssembly.Instance(message.module, message.imports).exports);
      else modules.delete(message.id);
    }
  };
  const help = () => {
    update();
    const [func, units, chunk] = [control[words.func]!, control[words.units]!, control[words.chunk]!];
    const slice = modules.get(control[words.module]!)![func] as Slice;
    for (;;) {
      const from = Atomics.add(control, words.next, chunk);
      if (from >= units) return;
      slice(from, Math.min(from + chunk, units));
    }
  };
  let seen = 0;
  let turns = 0;
  for (;;) {
    const job = Atomics.load(control, words.job);
    if (job === seen) {
      if (++turns < spins) continue;
      Atomics.add(control, words.sleeping, 1);
      Atomics.wait(control, words.job, seen);
      Atomics.sub(control, words.sleeping, 1);
      turns = 0;
      continue;
    }
    seen = job;
    if (job % 2 === 0) continue;
    turns = 0;
    Atomics.add(control, words.active, 1);
    // The caller closes a job, then waits for those inside: what is open now stays as it is until this thread leaves.
    if (Atomics.load(control, words.job) === job) {
      try {
        help();
      } catch {
        Atomics.store(control, words.failed, thread);
      }
    }
    Atomics.sub(control, words.active, 1);
    Atomics.notify(control, words.active);
  }
}

const SOURCE = `const { parentPort, receiveMessageOnPort, workerData } = require('node:worker_threads');
(${work})(workerData, parentPort, receiveMessageOnPort);`;

class Threads implements ThreadPool {
  readonly threads: number;
  readonly #control = new Int32Array(new SharedArrayBuffer(Object.keys(WORDS).length * 4));
  readonly #fail: (error: DeviceError) => void;
  readonly #modules = new Map<number, (thread: number) => Message>();
  #workers: readonly Worker[] = [];
  #error: DeviceError | undefined;
  #ended = false;
  #loaded = 0;
  #late = 0;
  #alone = 0;

  constructor(threads: number, fail: (error: DeviceError) => void) {
    this.threads = threads;
    this.#fail = fail;
  }

  load(
    module: WebAssembly.Module,
    exports: WebAssembly.Exports,
    memory: WebAssembly.Memory,
    places: ScratchPlaces,
  ): ThreadedModule {
    const id = ++this.#loaded;
    const { shared, thread: first, perThread } = places;
    const messageTo = (thread: number): Message => {
      return { id, module, imports: importsOf({ memory, shared, thread: first + thread * perThread }) };
    };
    this.#modules.set(id, messageTo);
    this.#send(messageTo);
    return {
      run: (func, units, chunk) => this.#run(id, func, exports[func] as Slice, units, chunk),
      release: () => {
        if (this.#modules.delete(id)) this.#send(() => ({ id }));
      },
    };
  }

  end(): void {
    this.#ended = true;
    for (const worker of this.#workers) void worker.terminate();
    this.#workers = [];
  }

  #send(messageTo: (thread: number) => Message): void {
    if (this.#workers.length === 0) return;
    for (const [k, worker] of this.#workers.entries()) worker.postMessage(messageTo(k + 1));
    Atomics.add(this.#control, WORDS.sent, 1);
  }

  #start(): void {
    this.#workers = Array.from({ length: this.threads - 1 }, (_, k) => this.#worker(k + 1));
    for (const messageTo of this.#modules.values()) this.#send(messageTo);
  }

  #worker(thread: number): Worker {
    const workerData: WorkerData = { control: this.#control, words: WORDS, spins: SPINS, thread };
    const worker = new Worker(SOURCE, { eval: true, workerData, execArgv: [], name: `thalweg ${thread}` });
    worker.unref();
    worker.on('error', (error) => this.#died(`one failed: ${error.message}`));
    worker.on('exit', () => this.#died('one ended'));
    return worker;
  }

  #died(how: string): DeviceError {
    this.#error ??= new DeviceError(`CPU backend: of its ${this.threads} threads ${how}. Create a new backend.`);
    if (!this.#ended) this.#fail(this.#error);
    this.end();
    return this.#error;
  }

  #run(id: number, func: number, slice: Slice, units: number, chunk: number): void {
    if (this.#error) throw this.#error;
    if (this.#alone > 0) {
      this.#alone--;
      slice(0, units);
      return;
    }
    if (this.#workers.length === 0) this.#start();
    const started = performance.now();
    let worked = started;
    const control = this.#control;
    control[WORDS.module] = id;
    control[WORDS.func] = func;
    control[WORDS.units] = units;
    control[WORDS.chunk] = chunk;
    control[WORDS.next] = 0;
    Atomics.add(control, WORDS.job, 1);
    if (Atomics.load(control, WORDS.sleeping) > 0) Atomics.notify(control, WORDS.job);
    try {
      for (;;) {
        const from = Atomics.add(control, WORDS.next, chunk);
        if (from >= units) break;
        slice(from, Math.min(from + chunk, units));
      }
    } finally {
      Atomics.add(control, WORDS.job, 1);
      worked = performance.now();
      this.#await();
    }
    this.#judge(performance.now() - worked > worked - started);
    const failed = Atomics.load(control, WORDS.failed);
    if (failed > 0) throw this.#died(`number ${failed} could not compute its part`);
  }

  /** Whether workers help with the next jobs, after one for which the caller had to wait, or not. */
  #judge(late: boolean): void {
    this.#late = late ? this.#late + LATE : Math.max(0, this.#late - 1);
    if (this.#late < LATE_LIMIT) return;
    this.#late = 0;
    this.#alone = JOBS_ALONE;
  }

  /** Waits until no worker is inside the job that was closed. */
  #await(): void {
    const control = this.#control;
    for (let turns = 0; ; turns++) {
      const active = Atomics.load(control, WORDS.active);
      if (active === 0) return;
      if (turns > SPINS && Atomics.wait(control, WORDS.active, active, DEAD_AFTER) === 'timed-out')
        throw this.#died(`one did not answer for ${DEAD_AFTER / 1000} s`);
    }
  }
}

/** Threads for a CPU backend, with the calling one; undefined if that is the only one. They start with the first work for them. */
export function threadsOf(threads = Math.min(MOST_BY_DEFAULT, availableParallelism())): PoolFactory | undefined {
  return threads > 1 ? (fail) => new Threads(threads, fail) : undefined;
}
