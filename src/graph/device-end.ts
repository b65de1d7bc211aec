// The end of a device: lost or disposed of. It rejects everything that waits for the device, and every later call.
import type { DeviceError } from './errors.ts';

export class DeviceEnd {
  /** Rejects at the end. */
  readonly lost: Promise<never>;
  #reject!: (error: DeviceError) => void;
  #error: DeviceError | undefined;
  readonly #waiting = new Set<(error: DeviceError) => void>();

  constructor() {
    this.lost = new Promise((_, reject) => {
      this.#reject = reject;
    });
    this.lost.catch(() => {});
  }

  get over(): boolean {
    return this.#error !== undefined;
  }

  /** @throws DeviceError after the end. */
  check(): void {
    if (this.#error) throw this.#error;
  }

  /** Ends the device with `error`; only the first call has an effect. */
  fail(error: DeviceError): void {
    if (this.#error) return;
    this.#error = error;
    for (const reject of this.#waiting) reject(error);
    this.#reject(error);
  }

  /** `promise`, or the end if that comes first. (A race with `lost` would leak a reaction on it.) */
  async orLost<T>(promise: Promise<T>): Promise<T> {
    let reject!: (error: DeviceError) => void;
    const end = new Promise<never>((_, no) => {
      reject = no;
    });
    if (this.#error) reject(this.#error);
    else this.#waiting.add(reject);
    try {
      return await Promise.race([end, promise]);
    } finally {
      this.#waiting.delete(reject);
    }
  }
}
