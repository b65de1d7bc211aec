// Progress of kernel compilation, reported if it takes long: software adapters take seconds per kernel. All compilation counts: for a
// first step, an evaluation, a landscape.
import type { WorkerEvent } from '../protocol.ts';

/** Pipelines requested, and compiled so far. */
interface Counters {
  readonly pipelines: number;
  readonly compiled: number;
}

interface Outside {
  post(event: WorkerEvent): void;
  now(): number;
}

/** Milliseconds of compiling before it is shown, and between updates. */
const [QUIET_MS, EVERY_MS] = [2000, 250];

export class CompileWatch {
  readonly #outside: Outside;
  readonly #counters: () => Counters | undefined;
  readonly #going: () => boolean;
  #calls = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** The counters when nothing was last being compiled, and the time of that. */
  #from: Counters = { pipelines: 0, compiled: 0 };
  #since = 0;
  #told = '';

  /** `counters`: the current device's; `going`: whether work continues between calls. */
  constructor(outside: Outside, counters: () => Counters | undefined, going: () => boolean) {
    this.#outside = outside;
    this.#counters = counters;
    this.#going = going;
  }

  /** Watches during a call, and as long as work continues. */
  async during<T>(work: () => Promise<T> | T): Promise<T> {
    this.#calls++;
    if (this.#timer === undefined) {
      this.#rest();
      this.#timer = setInterval(() => this.#look(), EVERY_MS);
    }
    try {
      return await work();
    } finally {
      this.#calls--;
    }
  }

  /** Nothing is being compiled. */
  #rest(): void {
    const { pipelines, compiled } = this.#counters() ?? { pipelines: 0, compiled: 0 };
    this.#from = { pipelines, compiled };
    this.#since = this.#outside.now();
  }

  #look(): void {
    const now = this.#counters();
    const total = (now?.pipelines ?? 0) - this.#from.pipelines;
    const done = (now?.compiled ?? 0) - this.#from.compiled;
    const busy = this.#calls > 0 || this.#going();
    if (!busy || done >= total || total < 0) {
      this.#rest();
      this.#tell(0, 0);
    } else if (this.#outside.now() - this.#since >= QUIET_MS) this.#tell(done, total);
    if (busy) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tell(done: number, total: number): void {
    const told = total > 0 ? `${done} ${total}` : '';
    if (told === this.#told) return;
    this.#told = told;
    this.#outside.post({ type: 'compiling', done, total });
  }
}
