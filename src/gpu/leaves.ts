// The leaves of a program on a device: variables in their storages, resident data, and buffers for constants and inputs.
import { byteLength, type HostArray } from '../graph/dtype.ts';
import { missingVariable } from '../graph/errors.ts';
import type { NdArray, Spec } from '../graph/op.ts';
import { sizeOf } from '../graph/shape.ts';
import { expandConstant, type Node, type Variable, variableOf } from '../graph/tensor.ts';
import type { Memory, Place } from './memory.ts';
import type { GpuRuntime } from './runtime.ts';
import { type GpuStorage, toWords } from './storage.ts';

/** Uploads resident data, or finds it on the device; `release` is called when the program no longer needs it. */
export type Upload = (array: NdArray) => { memory: Memory; release: () => void };

export class Leaves {
  readonly #label: string;
  readonly #runtime: GpuRuntime;
  readonly #storages: readonly GpuStorage[];
  readonly #upload: Upload;
  readonly #places = new Map<Node, Place>();
  readonly #inputs = new Map<string, { place: Place; spec: Spec }>();
  readonly #made: Memory[] = [];
  readonly #releases: (() => void)[] = [];

  constructor(label: string, runtime: GpuRuntime, storages: readonly GpuStorage[], upload: Upload) {
    this.#label = label;
    this.#runtime = runtime;
    this.#storages = storages;
    this.#upload = upload;
  }

  /** Bytes of constants and inputs. */
  get bytes(): number {
    return this.#made.reduce((sum, memory) => sum + memory.bytes, 0);
  }

  placeOf(variable: Variable): Place {
    const storage = this.#storages.find((s) => s.has(variable));
    if (!storage) throw missingVariable(this.#label, variable);
    return storage.place(variable);
  }

  leaf(node: Node): Place {
    let place = this.#places.get(node);
    if (!place) {
      place = this.#make(node);
      this.#places.set(node, place);
    }
    return place;
  }

  #make(node: Node): Place {
    const spec = node.outs[0]!;
    const source = node.source!;
    if (source.kind === 'variable') return this.placeOf(variableOf(node)!);
    if (source.kind === 'resident') {
      const { memory, release } = this.#upload(source.array);
      this.#releases.push(release);
      return { memory, offset: 0, words: memory.bytes / 4 };
    }
    const bytes = Math.ceil(byteLength(spec.dtype, sizeOf(spec.shape)) / 16) * 16;
    const buffer = this.#runtime.buffer(source.kind, bytes);
    const memory: Memory = { label: source.kind, bytes, buffer };
    this.#made.push(memory);
    const place = { memory, offset: 0, words: bytes / 4 };
    if (source.kind === 'constant')
      this.#runtime.write(buffer, 0, toWords(expandConstant(source.data, spec), spec.dtype));
    else this.#inputs.set(source.name, { place, spec });
    return place;
  }

  /** Writes an input's values; an unused input has no buffer. */
  write(name: string, data: HostArray): void {
    const input = this.#inputs.get(name);
    if (input) this.#runtime.write(input.place.memory.buffer!, 0, toWords(data, input.spec.dtype));
  }

  dispose(): void {
    for (const memory of this.#made.splice(0)) this.#runtime.destroy(memory.buffer!);
    for (const release of this.#releases.splice(0)) release();
  }
}
