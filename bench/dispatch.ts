// What a dispatch costs when it does next to nothing: on the host to record and to submit, on the device alone and behind another
// that it depends on, and to hear back. Small networks are bound by these.
import { Backend } from '../src/backend.ts';
import { GpuExecutor } from '../src/compile/executor.ts';
import { timeRecording, timeSubmits } from '../src/gpu/profiler.ts';
import { sgd } from '../src/optim/sgd.ts';
import type { NetworkDescription } from '../src/train/network-description.ts';
import { type Bench, type Case, type Measured, type Prepared, ranOn, type Suite } from './cases.ts';
import { checkClose, randomArray } from './data.ts';
import type { Finding } from './findings.ts';
import { gpuOf, Kernel } from './kernel.ts';
import { tinyKernel } from './kernels.wgsl.ts';
import { spreadOf } from './statistics.ts';
import { stepCase } from './step.ts';
import { randomExamples, TrainingStep } from './training.ts';

const DEPENDENT = 'a dispatch that depends on the one before';
const INDEPENDENT = 'a dispatch that depends on none';
const NUMBERS = 64;
/** Dispatches in a row without a common buffer: device and driver overlap no more than this. */
const APART = 16;

export const dispatchSuite: Suite = {
  name: 'dispatch',
  about: 'microseconds to record, to submit, of a barrier, and to read back; steps too small for dispatches',
  unfit: ({ backend }) => (backend.kind === 'cpu' ? 'the CPU backend has no dispatches' : undefined),
  *groups(bench) {
    yield { cases: [recording(bench), submitting(bench), readingBack(bench)] };
    const cases = [onDevice(bench, DEPENDENT, 1), onDevice(bench, INDEPENDENT, APART)];
    yield { cases, conclude: (measured) => barrier(bench, measured) };
    yield { cases: smallSteps(bench) };
  },
};

function tinyCase(bench: Bench, name: string, prepare: () => Promise<Prepared>): Case {
  return { name, kind: name, backend: bench.backend, unit: 'us', amount: 1, prepare };
}

function tiny({ backend, seed }: Bench, name: string): Promise<Kernel> {
  const x = randomArray({ shape: [NUMBERS] }, seed, name).data as Float32Array;
  return Kernel.create(backend, { label: 'tiny', code: tinyKernel(), x, outputs: NUMBERS, workgroups: 1 });
}

/** A subject over kernels, whose result is checked, too: a dispatch that does nothing is quick. */
async function over(bench: Bench, name: string, count: number, run: (kernels: Kernel[]) => Prepared['run']) {
  const kernels: Kernel[] = [];
  for (let k = 0; k < count; k++) kernels.push(await tiny(bench, name));
  const x = randomArray({ shape: [NUMBERS] }, bench.seed, name).data;
  return {
    run: run(kernels),
    check: async () => {
      for (const kernel of kernels) {
        await kernel.time(1, 0);
        checkClose(
          name,
          await kernel.read(),
          Float32Array.from(x, (value) => value + 1),
        );
      }
    },
    dispose: () => {
      for (const kernel of kernels) kernel.dispose();
    },
  } satisfies Prepared;
}

function recording(bench: Bench): Case {
  const name = 'host: to record a dispatch';
  return tinyCase(bench, name, () =>
    over(bench, name, 1, ([kernel]) => async (times) => {
      const encode = (pass: GPUComputePassEncoder) => kernel!.encode(pass, times);
      return { ms: timeRecording(kernel!.runtime, { label: name, encode }), clock: 'wall clock' };
    }),
  );
}

/** Submits in flight at once; a queue that is full would make the host wait. */
const SUBMITS = 64;

function submitting(bench: Bench): Case {
  const name = 'host: to encode and submit a pass';
  return tinyCase(bench, name, async () => ({
    most: SUBMITS,
    ...(await over(bench, name, 1, ([kernel]) => async (times) => {
      const encode = (pass: GPUComputePassEncoder) => kernel!.encode(pass, 1);
      return { ms: await timeSubmits(kernel!.runtime, { label: name, encode }, times), clock: 'wall clock' };
    })),
  }));
}

function readingBack(bench: Bench): Case {
  const name = 'to submit a copy, wait and read 256 bytes';
  return tinyCase(bench, name, async () => ({
    most: SUBMITS,
    ...(await over(bench, name, 1, ([kernel]) => async (times) => {
      const since = performance.now();
      for (let k = 0; k < times; k++) await kernel!.read();
      return { ms: performance.now() - since, clock: 'wall clock' };
    })),
  }));
}

/** Dispatches in one pass, round robin over kernels that share no buffer. */
function onDevice(bench: Bench, name: string, apart: number): Case {
  return tinyCase(bench, `device: ${name}`, () =>
    over(bench, name, apart, (kernels) => (times, expected) => {
      const encode = (pass: GPUComputePassEncoder) => {
        for (let k = 0; k < times; k++) kernels[k % apart]!.encode(pass, 1);
      };
      return kernels[0]!.time(times, expected, encode);
    }),
  );
}

const SMALL: NetworkDescription = { inputs: 4, hidden: [8], outputs: 3, activation: 'relu', loss: 'cross-entropy' };

/** Training steps that cost less than their dispatches, by those and with many of them in one. */
function smallSteps(bench: Bench): Case[] {
  const data = randomExamples(SMALL, 1024, bench.seed);
  return [false, true].map((persistent) => {
    const name = `steps of 4-8-3 at batch 16, ${persistent ? 'many in a dispatch' : 'by dispatches'}`;
    const facts = { name, network: SMALL, optimizer: sgd({ lr: 0.1 }), batch: 16, data, seed: bench.seed };
    const prepare = () => {
      const executor = new GpuExecutor(gpuOf(bench.backend).runtime, {}, { persistent });
      return TrainingStep.prepare(new Backend(executor, bench.backend.adapter), facts, bench.reference);
    };
    return { ...stepCase(bench, bench.backend, facts), kind: name, prepare };
  });
}

/** What the dependence alone costs: the difference, round by round. */
function barrier({ backend }: Bench, measured: readonly Measured[]): Finding[] {
  const [dependent, independent] = measured;
  if (!dependent || !independent) return [];
  const ms = dependent.samples.ms.map((value, round) => value - independent.samples.ms[round]!);
  const { median, min, max } = spreadOf(ms.map((value) => 1000 * value));
  return [
    {
      type: 'figure',
      suite: dispatchSuite.name,
      name: 'device: a barrier between dependent dispatches, the difference',
      ...ranOn(backend),
      unit: 'us',
      median,
      min,
      max,
      ofCeiling: null,
      bound: null,
      ms: median / 1000,
      rounds: ms.length,
      clock: dependent.samples.clock,
      compileMs: 0,
    },
  ];
}
