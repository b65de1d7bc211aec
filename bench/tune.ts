// Finds the fastest configuration of a product on a device. Every candidate is verified before it is timed, the best of a few
// rounds is measured anew beside the default, and it is kept only where it was faster in nearly every round.
import type { GemmConfiguration } from '../shaders/gemm-frame.wgsl.ts';
import { Backend } from '../src/backend.ts';
import { GpuExecutor } from '../src/compile/executor.ts';
import { DeviceError, ShaderError } from '../src/graph/errors.ts';
import { apply } from '../src/graph/tensor.ts';
import { type ProductWork, sameWork, type Work, workText } from '../src/graph/tuning.ts';
import { candidatesFor } from '../src/ops/gemm-candidates.ts';
import { defaultConfiguration } from '../src/ops/gemm-table.ts';
import { linear, linearGradOp, matmul } from '../src/ops/matmul.ts';
import { type Bench, type Prepared, WrongResult } from './cases.ts';
import { gpuOf } from './kernel.ts';
import { measure, type Pace, warmUp } from './measure.ts';
import { type ProgramFacts, programCase } from './program.ts';
import { ratioOf, type Spread, spreadOf } from './statistics.ts';

/** The default measured beside the best candidate. */
export interface TunedProduct {
  readonly type: 'tuned';
  readonly work: ProductWork;
  /** What won: undefined where the default stays. */
  readonly entry: GemmConfiguration | undefined;
  /** The best candidate, where there was any. */
  readonly best: GemmConfiguration | undefined;
  readonly usual: GemmConfiguration;
  /** How many times as fast as the default the best candidate is, over the rounds of the last comparison. */
  readonly ratio: Spread;
  /** GFLOP/s of the default and of the best. */
  readonly gflops: readonly [usual: number, best: number];
  readonly candidates: number;
}

/** A candidate that failed or gave a wrong result. */
export interface Discarded {
  readonly type: 'discarded';
  readonly work: ProductWork;
  readonly configuration: GemmConfiguration;
  readonly reason: string;
}

/** A product that could not be measured at all. */
export interface Untuned {
  readonly type: 'refused';
  readonly work: ProductWork;
  readonly reason: string;
}

export type TuneFinding = TunedProduct | Discarded | Untuned;

/** What the first rounds are and the last comparison, and what is less than this many times as fast is no gain. */
const FIRST_ROUNDS = 3;
const GAIN = 1.03;
/** A candidate that is this many times slower when it is warm is not timed. */
const HOPELESS = 2;

/** A backend on the same device whose products are done as `tuned` says. */
export function variantOf(backend: Backend, tuned: (work: Work) => unknown): Backend {
  return new Backend(new GpuExecutor(gpuOf(backend).runtime, { tuned }), backend.adapter);
}

/** What differs in tests. */
export interface Seams {
  readonly candidates?: typeof candidatesFor;
  readonly variant?: typeof variantOf;
}

interface Ready {
  readonly configuration: GemmConfiguration;
  readonly subject: Prepared;
  readonly pace: Pace;
}

/** Tunes one product: candidates that are discarded as they are, then what was found. Nothing more where the signal ends it. */
export async function* tuneProduct(
  bench: Bench,
  work: ProductWork,
  { candidates = candidatesFor, variant = variantOf }: Seams = {},
): AsyncGenerator<TuneFinding, void, undefined> {
  const { signal, rounds } = bench;
  const { capabilities } = gpuOf(bench.backend);
  const usual = defaultConfiguration(work, capabilities);
  const tried = candidates(work, capabilities);
  const ready: Ready[] = [];
  const facts = factsOf(work);
  const prepare = async (configuration: GemmConfiguration): Promise<Ready> => {
    const backend = variant(bench.backend, (asked) => (sameWork(asked, work) ? configuration : undefined));
    const subject = await programCase({ ...bench, backend }, facts).prepare();
    try {
      await subject.check();
      return { configuration, subject, pace: await warmUp(subject, bench) };
    } catch (error) {
      subject.dispose();
      throw error;
    }
  };
  try {
    for (const [k, configuration] of [usual, ...tried].entries()) {
      if (signal.aborted) return;
      bench.tell?.(`${workText(work)}: ${k} of ${tried.length} candidates`);
      try {
        ready.push(await prepare(configuration));
      } catch (error) {
        const reason = reasonOf(error, bench);
        if (k === 0) return yield { type: 'refused', work, reason };
        yield { type: 'discarded', work, configuration, reason };
      }
    }
    const first = ready[0]!;
    const fast = ready.filter(({ pace }) => pace.each <= HOPELESS * first.pace.each);
    const samples = await measure(fast, FIRST_ROUNDS, signal);
    if (signal.aborted) return;
    const medians = samples.map(({ ms }) => spreadOf(ms).median);
    const best = fast.slice(1)[medians.slice(1).indexOf(Math.min(...medians.slice(1)))];
    const [before, after] = await measure([first, best ?? first], rounds, signal);
    if (signal.aborted) return;
    const ratio = ratioOf(before!.ms, after!.ms);
    const wins = best !== undefined && isFaster(before!.ms, after!.ms);
    const speed = (ms: readonly number[]) => facts.work.flops / 1e6 / spreadOf(ms).median;
    yield {
      type: 'tuned',
      work,
      entry: wins ? best.configuration : undefined,
      best: best?.configuration,
      usual,
      ratio,
      gflops: [speed(before!.ms), speed(after!.ms)],
      candidates: tried.length,
    };
  } finally {
    for (const { subject } of ready) subject.dispose();
  }
}

/** Whether `b` is faster than `a`: enough of it, and in three of four rounds, since something else may have had the processor in one. */
export function isFaster(a: readonly number[], b: readonly number[]): boolean {
  const ahead = a.filter((ms, round) => ms > b[round]!).length;
  return ratioOf(a, b).median >= GAIN && ahead >= 0.75 * a.length;
}

/** Why a candidate is out, where it is its own fault and the device lives. */
function reasonOf(error: unknown, { backend }: Bench): string {
  if (!(error instanceof WrongResult || error instanceof ShaderError || error instanceof DeviceError)) throw error;
  gpuOf(backend).runtime.check();
  return error.message;
}

/** The product as training computes it: with the bias of a forward pass (NT) and the column sums of a weight gradient (TN). */
function factsOf(work: ProductWork): ProgramFacts {
  const { M, N, K, transposeA, transposeB, batch } = work;
  const single = batch === 1;
  const axes = single ? [] : [batch];
  const a = [...axes, ...(transposeA ? [K, M] : [M, K])];
  const b = [...axes, ...(transposeB ? [N, K] : [K, N])];
  const name = workText(work);
  const rows = !single ? {} : ({ rows: transposeA ? 1 : 0 } as const);
  const bias = single && transposeB && !transposeA;
  const sums = single && transposeA && !transposeB;
  const flops = 2 * M * N * K * batch;
  return {
    name,
    kind: name,
    unit: 'GFLOP/s',
    amount: flops / 1e9,
    work: { flops, bytes: 0 },
    inputs: { a: { shape: a, ...rows }, b: { shape: b }, ...(bias && { bias: { shape: [N] } }) },
    fn: ({ a, b, bias }) => {
      if (bias) return linear(a!, b!, bias);
      if (!sums) return matmul(a!, b!, { transposeA, transposeB });
      const [dw, db] = apply(linearGradOp, [a!, b!], undefined);
      return { dw: dw!, db: db! };
    },
  };
}
