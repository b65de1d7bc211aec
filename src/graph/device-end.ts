// The end of a device: lost or disposed of. It is told to what waits for the device, and at every call after it.
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

  /** The first call counts. */
  tell(error: DeviceError): void {
    if (this.#error) return;
    this.#error = error;
    for (const reject of this.#waiting) reject(error);
    this.#reject(error);
  }

  /** `promise`, or the end if that comes first. (A race with `lost` would leave a reaction on it for good.) */
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
