// The best that this adapter does: multiply-adds a second without memory, bytes a second without arithmetic. Measured, never
// quoted from a data sheet, each in a few variants of which the quickest is the ceiling.
import type { Backend } from '../src/backend.ts';
import type { Bench, Case, Ceiling, Group, Prepared, Suite } from './cases.ts';
import { arrayElements, ceilingCase, chained, FACTORS, onProcessor } from './ceiling-case.ts';
import { cpuCeilings } from './cpu-ceilings.ts';
import { checkClose, randomArray } from './data.ts';
import type { Finding, Unit } from './findings.ts';
import { gpuOf, Kernel } from './kernel.ts';
import { copyKernel, FMA_UNROLLED, type FmaVariant, fmaKernel } from './kernels.wgsl.ts';

const FMA = 'multiply-add';
const COPY = 'copy';

/** The GPU's ceilings alone. */
export const gpuCeilingsSuite: Suite = {
  name: 'ceilings',
  about: 'multiply-adds and copies alone',
  groups: gpuCeilings,
};

function* gpuCeilings(bench: Bench): Iterable<Group> {
  if (bench.backend.kind !== 'gpu') return;
  yield { cases: fmaVariants(bench.backend).map((variant) => fmaCase(bench, variant)) };
  yield { cases: COPIES.map((variant) => copyCase(bench, variant)) };
}

export const ceilingsSuite: Suite = {
  name: 'ceilings',
  about: 'what the others are held against: multiply-adds and copies alone',
  *groups(bench) {
    yield* gpuCeilings(bench);
    yield* cpuCeilings(bench);
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
        checkClose(name, y.subarray(0, CHECKED), chained(x.subarray(0, CHECKED), chains, iterations * FMA_UNROLLED));
      });
    },
  });
}

const CHECKED = 4096;
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
