// The number of steps per dispatch of a persistent kernel, chosen from measured step times: other work on the device has to wait until
// the dispatch ends.
import { ALIGNMENT } from './memory.ts';

/** A dispatch runs 1, 2, 4, … or 2 ** (COUNT - 1) steps. */
const COUNT = 11;

/** The offset of each number of steps, in words: at the start of a range that can be bound. */
export const LENGTHS = {
  bytes: COUNT * ALIGNMENT * 4,
  offsets: Array.from({ length: COUNT }, (_, k) => k * ALIGNMENT),
  words: () =>
    Uint32Array.from({ length: COUNT * ALIGNMENT }, (_, i) => (i % ALIGNMENT === 0 ? 2 ** (i / ALIGNMENT) : 0)),
} as const;

/** The target duration of a dispatch in milliseconds; at most 50. */
const TARGET_MS = 25;

/** The maximum growth of dispatches after one submit. */
const GROWTH = 4;

/** The number of submits in flight that are tracked. */
const REMEMBERED = 64;

/** The shortest measurable time in milliseconds: browsers' clocks are coarse. */
const LEAST_MS = 1;

interface Submit {
  readonly steps: number;
  readonly at: number;
}

export class DispatchLength {
  /** Before anything is measured, each step is a separate dispatch. */
  #msPerStep = TARGET_MS;
  #submits: Submit[] = [];
  /** When the last submit completed. */
  #completed = 0;

  /** Steps are submitted at `now`, in milliseconds; the result is for {@link complete}. */
  submit(steps: number, now: number): Submit {
    const submit = { steps, at: now };
    this.#submits.push(submit);
    // A caller that never waits for a submit never completes it.
    if (this.#submits.length > REMEMBERED) this.#submits.shift();
    return submit;
  }

  /** A submit completed at `now`, and with it all earlier ones. */
  complete(submit: Submit, now: number): void {
    const place = this.#submits.indexOf(submit);
    if (place < 0) return;
    const done = this.#submits.splice(0, place + 1);
    const ms = Math.max(LEAST_MS, now - Math.max(this.#completed, done[0]!.at));
    const steps = done.reduce((sum, one) => sum + one.steps, 0);
    this.#msPerStep = Math.max(ms / steps, this.#msPerStep / GROWTH);
    this.#completed = now;
  }

  /** Exponents of the lengths that together make `steps` steps, longest first. */
  split(steps: number): number[] {
    const fitting = Math.floor(Math.log2(Math.max(1, TARGET_MS / this.#msPerStep)));
    const longest = Math.min(COUNT - 1, fitting);
    const exponents: number[] = [];
    for (let left = steps; left > 0; left -= 2 ** exponents.at(-1)!) {
      exponents.push(Math.min(longest, 31 - Math.clz32(left)));
    }
    return exponents;
  }
}
