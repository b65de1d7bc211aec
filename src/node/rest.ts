// Pauses while a software adapter computes. Dawn polls at every turn of Node's event loop while anything is awaited,
// and the loop turns without a pause: it takes a whole core from the threads that do the work.

/** Turns without a pause after a completion, so that short work is noticed at once. */
const EAGER_TURNS = 32;

/** The pause of each later turn, in milliseconds. */
const PAUSE_MS = 0.2;

export class Rest {
  readonly #cell = new Int32Array(new SharedArrayBuffer(4));
  #awaited = 0;
  #turns = 0;
  #turning = false;

  /** Pauses the event loop until `promise` is settled. */
  during(promise: Promise<unknown>): void {
    this.#awaited++;
    this.#turns = 0;
    if (!this.#turning) setImmediate(this.#turn);
    this.#turning = true;
    const settled = () => {
      this.#awaited--;
      this.#turns = 0;
    };
    promise.then(settled, settled);
  }

  readonly #turn = (): void => {
    this.#turning = this.#awaited > 0;
    if (!this.#turning) return;
    if (++this.#turns > EAGER_TURNS) Atomics.wait(this.#cell, 0, 0, PAUSE_MS);
    setImmediate(this.#turn);
  };
}
