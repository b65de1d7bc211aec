// The JSON header of a safetensors file, read byte by byte. A parser for exactly this grammar instead of JSON.parse: it
// detects duplicate keys, rejects deep nesting and large values, and knows the byte offset of every fault.
import { CheckpointError } from '../graph/errors.ts';

/** One tensor as the header describes it, not yet checked against the data. */
export interface HeaderEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  readonly entries: readonly HeaderEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** A name from a file, safe to print: quoted, control characters escaped, truncated to 80 characters. */
export function quoted(name: string): string {
  return escaped(JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}...` : name));
}

/** Text with its control characters escaped. */
export function escaped(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Why a string cannot name a tensor or a metadata key, or undefined if it can. */
export function badKey(key: string): string | undefined {
  if (key === '__proto__') return 'is a reserved name';
  return /\p{Surrogate}/u.test(key) ? 'contains half a surrogate pair' : undefined;
}

const MAX_RANK = 64;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Reads the header in `bytes[from, to)`; throws a {@link CheckpointError} that names file, offset and tensor. */
export function parseHeader(bytes: Uint8Array, file: string, from: number, to: number): Header {
  return new HeaderReader(bytes, file, from, to).header();
}

class HeaderReader {
  readonly #bytes: Uint8Array;
  readonly #file: string;
  readonly #to: number;
  #at: number;
  #tensor: string | undefined;

  constructor(bytes: Uint8Array, file: string, from: number, to: number) {
    this.#bytes = bytes;
    this.#file = file;
    this.#at = from;
    this.#to = to;
  }

  header(): Header {
    const entries: HeaderEntry[] = [];
    let metadata: Record<string, string> = Object.create(null);
    if (this.#bytes[this.#at] !== 0x7b) this.#fail('the header does not begin with "{"');
    this.#object('tensor', (name) => {
      if (name === '__metadata__') {
        metadata = this.#metadata();
        return;
      }
      this.#tensor = name;
      entries.push(this.#entry(name));
      this.#tensor = undefined;
    });
    this.#space();
    if (this.#at < this.#to) this.#fail('the header continues after its closing "}"');
    return { entries, metadata };
  }

  #metadata(): Record<string, string> {
    const metadata: Record<string, string> = Object.create(null);
    this.#object('metadata key', (key) => {
      metadata[key] = this.#string();
    });
    return metadata;
  }

  #entry(name: string): HeaderEntry {
    let dtype: string | undefined;
    let shape: number[] | undefined;
    let offsets: number[] | undefined;
    this.#object('field', (field) => {
      if (field === 'dtype') dtype = this.#string();
      else if (field === 'shape') shape = this.#integers('shape');
      else if (field === 'data_offsets') offsets = this.#integers('data_offsets');
      else this.#fail(`unknown field ${quoted(field)}; known are dtype, shape and data_offsets`);
    });
    if (dtype === undefined) this.#fail('dtype is missing');
    if (shape === undefined) this.#fail('shape is missing');
    if (offsets === undefined) this.#fail('data_offsets is missing');
    const [begin, end, ...rest] = offsets;
    if (begin === undefined || end === undefined || rest.length > 0) {
      this.#fail(`data_offsets holds ${offsets.length} numbers; it should be [begin, end]`);
    }
    return { name, dtype, shape, begin, end };
  }

  /** Reads an object and calls `member` for each key, positioned at its value. */
  #object(what: string, member: (key: string) => void): void {
    this.#expect('{');
    const seen = new Set<string>();
    if (this.#take('}')) return;
    do {
      this.#space();
      const key = this.#string();
      const bad = badKey(key);
      if (bad !== undefined) this.#fail(`${what} ${quoted(key)} ${bad}`);
      if (seen.has(key)) this.#fail(`${what} ${quoted(key)} appears twice`);
      seen.add(key);
      this.#expect(':');
      member(key);
    } while (this.#take(','));
    this.#expect('}');
  }

  #integers(what: string): number[] {
    const values: number[] = [];
    this.#expect('[');
    if (this.#take(']')) return values;
    do {
      if (values.length === MAX_RANK) this.#fail(`${what} has more than ${MAX_RANK} numbers`);
      values.push(this.#integer(what));
    } while (this.#take(','));
    this.#expect(']');
    return values;
  }

  #integer(what: string): number {
    this.#space();
    const start = this.#at;
    while (this.#at < this.#to && /[-+.0-9A-Za-z]/.test(this.#char())) {
      this.#at++;
      if (this.#at - start > 24) break;
    }
    const text = latin(this.#bytes.subarray(start, this.#at));
    const value = Number(text);
    if (!/^(0|[1-9][0-9]*)$/.test(text) || !Number.isSafeInteger(value)) {
      this.#at = start;
      this.#fail(`${what} holds ${quoted(text || this.#char())}; whole numbers from 0 to 2^53-1 are allowed`);
    }
    return value;
  }

  #string(): string {
    this.#space();
    const start = this.#at;
    if (this.#bytes[start] !== QUOTE || start >= this.#to) this.#fail(`expected a string, found ${this.#found()}`);
    for (this.#at++; this.#at < this.#to && this.#bytes[this.#at] !== QUOTE; this.#at++) {
      if (this.#bytes[this.#at] === BACKSLASH) this.#at++;
    }
    const end = ++this.#at;
    if (end > this.#to) {
      this.#at = start;
      this.#fail('unterminated string');
    }
    try {
      return JSON.parse(UTF8.decode(this.#bytes.subarray(start, end))) as string;
    } catch {
      this.#at = start;
      return this.#fail('the string is not valid JSON or not valid UTF-8');
    }
  }

  #space(): void {
    while (this.#at < this.#to) {
      const c = this.#bytes[this.#at];
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return;
      this.#at++;
    }
  }

  #take(char: string): boolean {
    this.#space();
    if (this.#at >= this.#to || this.#bytes[this.#at] !== char.charCodeAt(0)) return false;
    this.#at++;
    return true;
  }

  #expect(char: string): void {
    if (!this.#take(char)) this.#fail(`expected "${char}", found ${this.#found()}`);
  }

  #char(): string {
    return this.#at < this.#to ? String.fromCharCode(this.#bytes[this.#at] ?? 0) : '';
  }

  #found(): string {
    return this.#at < this.#to ? quoted(this.#char()) : 'the end of the header';
  }

  #fail(wrong: string): never {
    const where = this.#tensor === undefined ? '' : ` in tensor ${quoted(this.#tensor)}`;
    throw new CheckpointError(
      `${this.#file}: damaged safetensors header at byte ${this.#at}${where}: ${wrong}. Use an undamaged copy.`,
    );
  }
}

function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
