// The best that one thread of this processor does from JavaScript: multiply-adds in a plain loop and in WebAssembly's vectors, which
// the CPU backend's products are made of, and a copy.
import * as F32X4 from '../src/cpu/wasm/f32x4.ts';
import {
  at,
  count,
  fill,
  get,
  i32,
  importsOf,
  LOAD,
  moduleOf,
  STORE,
  set,
  simd,
  times,
} from '../src/cpu/wasm/module.ts';
import type { WasmFunction } from '../src/graph/op.ts';
import type { Bench, Case, Group } from './cases.ts';
import { arrayElements, ceilingCase, chained, FACTORS } from './ceiling-case.ts';
import { checkClose, randomArray } from './data.ts';
import { CHAIN_STEP } from './kernels.wgsl.ts';

export function* cpuCeilings(bench: Bench): Iterable<Group> {
  const cases = [fmaCase(bench, 'a plain loop', 8, plainly)];
  if (typeof WebAssembly === 'object')
    for (const chains of [8, 12]) cases.push(fmaCase(bench, 'WebAssembly', chains, (x) => inVectors(x, chains)));
  yield { cases };
  yield { cases: [copyCase(bench)] };
}

const NUMBERS = 4096;
const TURNS = 64;

/** `make` gives what computes the sums of all chains, and where they are then. */
function fmaCase(
  bench: Bench,
  how: string,
  chains: number,
  make: (x: Float32Array) => { readonly run: () => void; readonly y: Float32Array | Float64Array },
): Case {
  const name = `multiply-add, ${chains} chains in ${how}`;
  return ceilingCase(bench, {
    name,
    backend: bench.cpu,
    unit: 'GFLOP/s',
    perRun: 2 * NUMBERS * TURNS * chains,
    prepare: async () => {
      const x = randomArray({ shape: [NUMBERS] }, bench.seed, name, FACTORS).data as Float32Array;
      const { run, y } = make(x);
      return {
        run: (times) => onHost(run, times),
        check: async () => {
          run();
          checkClose(name, y, chained(x, chains, TURNS));
        },
        dispose() {},
      };
    },
  });
}

function plainly(x: Float32Array) {
  const y = new Float64Array(x.length);
  return { run: () => chainsOnHost(x, y, TURNS), y };
}

/** The same on four numbers at a time; x lies at the beginning of the memory, y behind it. */
function inVectors(x: Float32Array, chains: number) {
  const memory = new WebAssembly.Memory({ initial: Math.ceil((2 * x.byteLength) / 2 ** 16) });
  new Float32Array(memory.buffer).set(x);
  const module = new WebAssembly.Module(moduleOf([chainsInVectors(chains, x.byteLength)]));
  const { exports } = new WebAssembly.Instance(module, importsOf({ memory, thread: 0, shared: 0 }));
  return { run: exports['0'] as () => void, y: new Float32Array(memory.buffer, x.byteLength, x.length) };
}

function chainsInVectors(chains: number, bytes: number): WasmFunction {
  const [I, K, X, C] = [0, 1, 2, 3];
  const turn = (c: number) => [get(C + c), get(X), simd(F32X4.MUL), fill(0.5), simd(F32X4.ADD), set(C + c)];
  const sum = times(chains, (c) => [get(C + c), c === 0 ? [] : simd(F32X4.ADD)]);
  const each = [
    [get(I), at(LOAD, 0), set(X)],
    times(chains, (c) => [fill(c * CHAIN_STEP), set(C + c)]),
    count(
      K,
      i32(0),
      i32(TURNS / 4),
      1,
      times(4, () => times(chains, turn)),
    ),
    [get(I), sum, at(STORE, bytes)],
  ];
  return { params: 0, i32s: 2, v128s: 1 + chains, body: count(I, i32(0), i32(bytes), 16, each) };
}

/** Eight chains for each x, one after another. */
function chainsOnHost(x: Float32Array, y: Float64Array, turns: number): void {
  for (let i = 0; i < x.length; i++) {
    const a = x[i]!;
    let [c0, c1, c2, c3] = [0, CHAIN_STEP, 2 * CHAIN_STEP, 3 * CHAIN_STEP];
    let [c4, c5, c6, c7] = [4 * CHAIN_STEP, 5 * CHAIN_STEP, 6 * CHAIN_STEP, 7 * CHAIN_STEP];
    for (let k = 0; k < turns; k++) {
      c0 = c0 * a + 0.5;
      c1 = c1 * a + 0.5;
      c2 = c2 * a + 0.5;
      c3 = c3 * a + 0.5;
      c4 = c4 * a + 0.5;
      c5 = c5 * a + 0.5;
      c6 = c6 * a + 0.5;
      c7 = c7 * a + 0.5;
    }
    y[i] = c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7;
  }
}

function copyCase(bench: Bench): Case {
  const backend = bench.cpu;
  const elements = arrayElements(backend);
  const name = 'copy, TypedArray.set';
  return ceilingCase(bench, {
    name,
    backend,
    unit: 'GB/s',
    perRun: 8 * elements,
    prepare: async () => {
      const x = randomArray({ shape: [elements] }, bench.seed, name).data as Float32Array;
      const y = new Float32Array(elements);
      const run = () => y.set(x);
      const check = async () => {
        run();
        checkClose(name, y, x, 0);
      };
      return { run: (times) => onHost(run, times), check, dispose() {} };
    },
  });
}

async function onHost(work: () => void, times: number) {
  const since = performance.now();
  for (let k = 0; k < times; k++) work();
  return { ms: performance.now() - since, clock: 'wall clock' } as const;
}
