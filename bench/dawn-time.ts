// How long a stretch of work spends in Dawn: a stand-in for a device that times every call, and the waits for promises while the
// host has nothing else to do. What the host does beside a pending promise is its own time.

/** Calls to a device and its queue, timed. */
export class DawnTime {
  /** The device to use instead. */
  readonly device: GPUDevice;
  #ms = 0;
  #pending = 0;
  /** Since when the host has waited; undefined while it works. */
  #idleSince: number | undefined;
  #scheduled = false;

  /** `salt` ends every shader as a comment: Dawn finds modules again by their text. */
  constructor(device: GPUDevice, salt: string) {
    const createShaderModule = this.#timed((descriptor: GPUShaderModuleDescriptor) =>
      device.createShaderModule({ ...descriptor, code: `${descriptor.code}\n// ${salt}\n` }),
    );
    this.device = this.#standIn(device, { queue: this.#standIn(device.queue), createShaderModule });
  }

  /** Milliseconds so far. */
  get ms(): number {
    return this.#ms;
  }

  #standIn<T extends object>(target: T, replaced: Partial<T> = {}): T {
    return new Proxy(target, {
      get: (_, name) => {
        if (Object.hasOwn(replaced, name)) return replaced[name as keyof T];
        const value: unknown = Reflect.get(target, name, target); // Dawn's objects refuse any other `this`.
        return typeof value === 'function' ? this.#timed(value.bind(target)) : value;
      },
      set: (_, name, value) => Reflect.set(target, name, value, target),
    });
  }

  #timed<A extends unknown[], R>(call: (...args: A) => R): (...args: A) => R {
    return (...args) => {
      const since = performance.now();
      try {
        const result = call(...args);
        return result instanceof Promise ? (this.#awaited(result) as R) : result;
      } finally {
        this.#ms += performance.now() - since;
      }
    };
  }

  #awaited<T>(promise: Promise<T>): Promise<T> {
    this.#pending++;
    this.#watchForIdle();
    return promise.finally(() => {
      if (this.#idleSince !== undefined) this.#ms += performance.now() - this.#idleSince;
      this.#idleSince = undefined;
      if (--this.#pending > 0) this.#watchForIdle();
    });
  }

  /** The event loop comes to an immediate when the host's work is done and what remains is to wait. */
  #watchForIdle(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#pending > 0) this.#idleSince ??= performance.now();
    });
  }
}
