// The WebAssembly of one program: which elementwise ops are computed where they are read, and a function for every op that has
// one.
import { isPacked } from '../graph/dtype.ts';
import type { WasmFunction, WasmPass } from '../graph/op.ts';
import { sizeOf } from '../graph/shape.ts';
import type { Node, Tensor } from '../graph/tensor.ts';
import type { CpuArray, Heap } from './heap.ts';
import { chunkOf, type ThreadedModule } from './pool.ts';
import { Scratch } from './scratch.ts';
import { elementwise, lanesOf } from './wasm/elementwise.ts';
import { functionOf, importsOf, moduleOf } from './wasm/module.ts';

/** The tensor whose memory a view shows. */
export function viewed(t: Tensor): Tensor {
  return t.node.op?.view ? viewed(t.node.inputs[0]!) : t;
}

/** Data sets stay outside the heap, and no kernel reads packed elements. */
function readable(t: Tensor): boolean {
  return viewed(t).node.source?.kind !== 'resident' && !isPacked(t.dtype);
}

/** Whether a loop over vector lanes computes the node. */
function isLoop(node: Node): boolean {
  return node.inputs.every(readable) && lanesOf(node) !== undefined;
}

/** A function of a pass: computes the units from `from` up to `to`. */
type Slice = (from: number, to: number) => void;

export class Kernels {
  /** Nodes that need no memory: their only consumer computes them. */
  readonly inlined = new Set<Node>();
  readonly #funcs: WasmFunction[] = [];
  readonly #known = new Map<string, number>();
  readonly #scratch = new Scratch();
  readonly #threads: number;
  /** Whether threads share a pass. */
  #shares = false;
  #threaded: ThreadedModule | undefined;
  #linked: WebAssembly.Exports = {};

  /** `order` holds every node of the program, `roots` the tensors that are read after a run. */
  constructor(order: readonly Node[], roots: readonly Tensor[], threads: number) {
    this.#threads = threads;
    /** The only consumer of each node; none if there are several, or for a root. */
    const readers = new Map<Node, Node | undefined>();
    const read = (t: Tensor, reader?: Node) => {
      const { node } = viewed(t);
      readers.set(node, readers.has(node) ? undefined : reader);
    };
    for (const root of roots) read(root);
    for (const node of order) if (!node.op?.view) for (const t of node.inputs) read(t, node);
    for (const [node, reader] of readers) {
      const alone = reader && isLoop(node) && isLoop(reader);
      if (alone && sizeOf(node.outs[0]!.shape) === sizeOf(reader.outs[0]!.shape)) this.inlined.add(node);
    }
  }

  /** Computes a node into `outs` once linked; undefined if the plain loop does. */
  add(node: Node, arrayOf: (t: Tensor) => CpuArray, outs: readonly CpuArray[]): (() => void) | undefined {
    const { inputs, op, params } = node;
    const addressOf = (t: Tensor) => arrayOf(t).address!;
    const to = outs.map(({ address }) => address!);
    if (isLoop(node)) {
      const originOf = (t: Tensor) => (this.inlined.has(viewed(t).node) ? viewed(t).node : addressOf(t));
      return this.#call([elementwise(node, originOf, to[0]!)]);
    }
    if (!op!.cpuFast || !inputs.every(readable)) return undefined;
    const define = (func: WasmFunction) => this.#define(func);
    const scope = { inputs, from: inputs.map(addressOf), to, define, ...this.#scratch.forOp() };
    const passes = op!.cpuFast(scope, params);
    return passes && this.#call(passes);
  }

  #call(passes: readonly WasmPass[]): () => void {
    const calls = passes.map((pass) => {
      const chunk = chunkOf(pass.units, pass.operations, this.#threads);
      this.#shares ||= chunk > 0;
      return { units: pass.units, index: this.#define(functionOf(pass)), chunk };
    });
    return () => {
      for (const { index, units, chunk } of calls) {
        if (chunk > 0) this.#threaded!.run(index, units, chunk);
        else (this.#linked[index] as Slice)(0, units);
      }
    };
  }

  #define(func: WasmFunction): number {
    const key = `${func.params} ${func.body}`;
    const index = this.#known.get(key) ?? this.#funcs.push(func) - 1;
    this.#known.set(key, index);
    return index;
  }

  /** Allocates the scratch memory, when every node was added. */
  reserve(heap: Heap, owned: Set<CpuArray>): void {
    this.#scratch.reserve(heap, owned);
  }

  async link({ memory, pool }: Heap): Promise<void> {
    const { places } = this.#scratch;
    const module = await WebAssembly.compile(moduleOf(this.#funcs, pool !== undefined));
    const instance = await WebAssembly.instantiate(module, importsOf({ memory: memory!, ...places }));
    this.#linked = instance.exports;
    if (this.#shares) this.#threaded = pool?.load(module, this.#linked, memory!, places);
  }

  release(): void {
    this.#threaded?.release();
  }
}
