// Random numbers for making data on the host: sfc32 started by a hash of (seed, stream, index), so that every example has
// its own numbers, independent of how many were made before it. Only integer arithmetic and sums, so the bits are the same everywhere.

/** A small random generator. Not for cryptography. */
export class Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #count = 1;

  constructor(seed: number, stream = 0, index = 0) {
    this.restart(seed, stream, index);
  }

  /** Starts the sequence of (seed, stream, index). */
  restart(seed: number, stream: number, index: number): void {
    this.#a = mix(seed >>> 0, 0x9e3779b9);
    this.#b = mix((this.#a ^ stream) >>> 0, Math.floor(seed / 4294967296) >>> 0);
    this.#c = mix((this.#b ^ index) >>> 0, 0x85ebca6b);
    this.#count = 1;
    for (let i = 0; i < 12; i++) this.bits();
  }

  /** 32 random bits. */
  bits(): number {
    const t = (this.#a + this.#b + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0;
    return t >>> 0;
  }

  /** Uniform in [low, high). */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * (this.bits() / 4294967296);
  }

  /** Approximately normal with mean 0 and standard deviation 1, never beyond 3.47 (a sum of four uniforms: no logarithm, no cosine). */
  normal(): number {
    const sum = this.bits() + this.bits() + this.bits() + this.bits();
    return (sum / 4294967296 - 2) * 1.7320508075688772;
  }

  /** A whole number in [0, n). */
  below(n: number): number {
    return Math.floor((this.bits() / 4294967296) * n);
  }
}

/** A 32-bit avalanche (the finisher of splitmix32, twice). */
function mix(x: number, salt: number): number {
  let h = (x + salt) | 0;
  for (let round = 0; round < 2; round++) {
    h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
    h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
    h = (h ^ (h >>> 15)) + 0x6d2b79f5;
  }
  return h >>> 0;
}
