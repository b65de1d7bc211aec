// The best that this adapter does: multiply-adds a second without memory, bytes a second without arithmetic. Measured, never
// quoted from a data sheet, each in a few variants of which the quickest is the ceiling.
import type { Backend } from '../src/backend.ts';
import type { Bench, Case, Ceiling, Prepared, Suite } from './cases.ts';
import { checkClose, randomArray } from './data.ts';
import type { Finding, Unit } from './findings.ts';
import { gpuOf, Kernel } from './kernel.ts';
import { CHAIN_STEP, copyKernel, FMA_UNROLLED, type FmaVariant, fmaKernel } from './kernels.wgsl.ts';

const FMA = 'multiply-add';
const COPY = 'copy';

/** The GPU's ceilings alone. */
export const gpuCeilingsSuite: Suite = {
  name: 'ceilings',
  about: 'multiply-adds and copies alone',
  *groups(bench) {
    if (bench.backend.kind !== 'gpu') return;
    yield { cases: fmaVariants(bench.backend).map((variant) => fmaCase(bench, variant)) };
    yield { cases: COPIES.map((variant) => copyCase(bench, variant)) };
  },
};

export const ceilingsSuite: Suite = {
  name: 'ceilings',
  about: 'what the others are held against: multiply-adds and copies alone',
  *groups(bench) {
    const { cpu } = bench;
    yield* gpuCeilingsSuite.groups(bench);
    yield { cases: [cpuFma(bench, cpu)] };
    yield { cases: [cpuCopy(bench, cpu)] };
  },
};

/** The ceilings that the suite's findings say: the best round of the quickest variant. */
export function ceilingsOf(findings: readonly Finding[]): Bench['ceilings'] {
  const best = (backend: 'gpu' | 'cpu', unit: Unit) =>
    Math.max(0, ...findings.map((f) => (f.type === 'figure' && f.backend === backend && f.unit === unit ? f.max : 0)));
  const of = (backend: 'gpu' | 'cpu'): Ceiling | undefined => {
    const ceiling = { gflops: best(backend, 'GFLOP/s'), gbps: best(backend, 'GB/s') };
    return ceiling.gflops > 0 && ceiling.gbps > 0 ? ceiling : undefined;
  };
  const [gpu, cpu] = [of('gpu'), of('cpu')];
  return { ...(gpu && { gpu }), ...(cpu && { cpu }) };
}

/** Whether a backend computes on a processor, as a GPU or not: its arrays are smaller. */
function onProcessor({ kind, adapter }: Backend): boolean {
  return kind === 'cpu' || adapter.software;
}

/** Elements of an array: more than a GPU's caches hold; less where a processor has to get through them in a round. */
export function arrayElements(backend: Backend): number {
  return onProcessor(backend) ? 2 ** 21 : 2 ** 24;
}

function ceilingCase(
  bench: Bench,
  { unit, perRun, ...rest }: Pick<Case, 'name' | 'backend' | 'unit' | 'prepare'> & { readonly perRun: number },
): Case {
  return { ...rest, kind: rest.name, unit, amount: perRun / 1e9, backend: rest.backend ?? bench.backend };
}

function fmaVariants(backend: Backend): readonly FmaVariant[] {
  const size = onProcessor(backend) ? { threads: 64, iterations: 64 } : { threads: 256, iterations: 256 };
  return [
    { ...size, chains: 8, builtin: true },
    { ...size, chains: 8, builtin: false },
    { ...size, chains: 4, builtin: false },
  ];
}

/** Workgroups of the multiply-add: many for a GPU's cores, few for a processor's. */
function fmaGroups(backend: Backend): number {
  return onProcessor(backend) ? 32 : 4096;
}

function fmaCase(bench: Bench, variant: FmaVariant): Case {
  const { threads, chains, iterations, builtin } = variant;
  const groups = fmaGroups(bench.backend);
  const numbers = 4 * threads * groups;
  const name = `${FMA}, ${chains} chains of 4, ${builtin ? 'fma(c, a, b)' : 'c * a + b'}`;
  return ceilingCase(bench, {
    name,
    backend: bench.backend,
    unit: 'GFLOP/s',
    perRun: 2 * numbers * chains * iterations * FMA_UNROLLED,
    prepare: async () => {
      const x = randomArray({ shape: [numbers] }, bench.seed, name, FACTORS).data as Float32Array;
      const facts = { label: FMA, code: fmaKernel(variant), x, outputs: numbers, workgroups: groups };
      return prepared(await Kernel.create(bench.backend, facts), async (y) => {
        checkClose(name, y.subarray(0, CHECKED), chained(x.subarray(0, CHECKED), variant));
      });
    },
  });
}

const CHECKED = 4096;
/** Near one, so that a chain grows with every turn: one that settled would hide turns that are missing. */
const FACTORS = [0.999, 1.001] as const;

/** What the multiply-add kernel computes, in doubles. */
function chained(x: Float32Array, { chains, iterations }: Pick<FmaVariant, 'chains' | 'iterations'>): Float64Array {
  return Float64Array.from(x, (a) => {
    let sum = 0;
    for (let chain = 0; chain < chains; chain++) {
      let c = chain * CHAIN_STEP;
      for (let k = 0; k < iterations * FMA_UNROLLED; k++) c = c * a + 0.5;
      sum += c;
    }
    return sum;
  });
}

const COPIES = [
  { threads: 256, each: 1 },
  { threads: 64, each: 4 },
  { threads: 64, each: 16 },
] as const;

function copyCase(bench: Bench, variant: { readonly threads: number; readonly each: number }): Case {
  const { backend, seed } = bench;
  const { maxComputeInvocationsPerWorkgroup: most } = gpuOf(backend).runtime.device.limits;
  const threads = Math.min(variant.threads, most);
  const elements = arrayElements(backend);
  const name = `${COPY}, ${variant.each} vec4f a thread`;
  return ceilingCase(bench, {
    name,
    backend,
    unit: 'GB/s',
    perRun: 8 * elements,
    prepare: async () => {
      const x = randomArray({ shape: [elements] }, seed, name).data as Float32Array;
      const code = copyKernel({ ...variant, threads });
      const workgroups = elements / (4 * threads * variant.each);
      const kernel = await Kernel.create(backend, { label: COPY, code, x, outputs: elements, workgroups });
      return prepared(kernel, async (y) => checkClose(name, y, x, 0));
    },
  });
}

function prepared(kernel: Kernel, check: (y: Float32Array) => Promise<void>): Prepared {
  return {
    dispatches: 1,
    run: (times, expected) => kernel.time(times, expected),
    check: async () => {
      await kernel.time(1, 0);
      await check(await kernel.read());
    },
    dispose: () => kernel.dispose(),
  };
}

/** The CPU backend is one thread of JavaScript; so is its ceiling, a plain loop. */
function cpuFma(bench: Bench, backend: Backend): Case {
  const [numbers, turns] = [4096, 64];
  const name = `${FMA}, 8 chains in a loop`;
  const x = randomArray({ shape: [numbers] }, bench.seed, name, FACTORS).data as Float32Array;
  const y = new Float64Array(numbers);
  const perRun = 2 * numbers * turns * 8;
  return ceilingCase(bench, {
    name,
    backend,
    unit: 'GFLOP/s',
    perRun,
    prepare: async () => ({
      run: (times) => onHost(() => chainsOnHost(x, y, turns), times),
      check: async () => {
        chainsOnHost(x, y, turns);
        checkClose(name, y, chained(x, { chains: 8, iterations: turns / FMA_UNROLLED }));
      },
      dispose() {},
    }),
  });
}

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

function cpuCopy(bench: Bench, backend: Backend): Case {
  const elements = arrayElements(backend);
  const name = `${COPY}, TypedArray.set`;
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
