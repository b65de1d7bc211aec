// Proving the gradients of networks that are trained so well that rounding is most of them: right ones pass, on the CPU and the GPU,
// and wrong ones still fail, at first and half way. Every network learns XOR.
import { beforeAll, describe, expect, it } from 'vitest';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { arrayDataset } from '../src/data/dataset.ts';
import { type GradcheckReport, gradcheck } from '../src/explain/gradcheck.ts';
import type { Op } from '../src/graph/op.ts';
import { apply1, type Tensor } from '../src/graph/tensor.ts';
import { binaryCrossEntropyWithLogits, meanSquaredError, softmaxCrossEntropy } from '../src/loss/index.ts';
import type { Loss } from '../src/loss/loss.ts';
import { Linear } from '../src/nn/linear.ts';
import { tanh } from '../src/ops/activations.ts';
import { mul, sub } from '../src/ops/binary.ts';
import { unary, unaryOp } from '../src/ops/elementwise.ts';
import { square } from '../src/ops/unary.ts';
import { adam } from '../src/optim/adam.ts';
import { loadWeights, saveWeights } from '../src/train/files.ts';
import { Trainer } from '../src/train/trainer.ts';
import { testExecutor } from './gpu.ts';

const corners = [0, 1, 2, 3].map((k) => [k >> 1, k & 1]);
const numbers = arrayDataset(corners, [[0], [1], [1], [0]], { targets: 'values' });
const classes = arrayDataset(corners, [0, 1, 1, 0]);

type Activation = (x: Tensor) => Tensor;

class Xor {
  readonly hidden: Linear;
  readonly out: Linear;
  readonly #activation: Activation;
  constructor(width: number, outputs: number, activation: Activation) {
    this.hidden = new Linear(2, width);
    this.out = new Linear(width, outputs);
    this.#activation = activation;
  }
  forward(x: Tensor): Tensor {
    return this.out.forward(this.#activation(this.hidden.forward(x)));
  }
}

interface Setup {
  readonly loss: Loss;
  readonly width?: number;
  readonly activation?: Activation;
}

const dataOf = ({ loss }: Setup) => (loss === softmaxCrossEntropy ? classes : numbers);

function trainerOf(backend: Backend, { loss, width = 8, activation = tanh }: Setup): Trainer {
  const model = new Xor(width, loss === softmaxCrossEntropy ? 2 : 1, activation);
  return new Trainer(backend, {
    model,
    loss,
    optimizer: adam({ lr: loss === meanSquaredError ? 0.02 : 0.1 }),
    seed: 1,
    inputShape: [2],
  });
}

const cpu = createCpuBackend();
let gpu: Backend;
beforeAll(async () => {
  gpu = new Backend(await testExecutor(), { name: 'the test device', software: true });
});

/** What gradcheck says on a backend after the same steps, made on the CPU with right gradients. */
async function checked(
  backend: Backend,
  setup: Setup,
  steps: number,
  activation: Activation = tanh,
): Promise<GradcheckReport> {
  const learner = trainerOf(cpu, setup);
  if (steps > 0) await learner.fit(dataOf(setup), { maxSteps: steps, batchSize: 4 });
  const trainer = trainerOf(backend, { ...setup, activation });
  await loadWeights(trainer, await saveWeights(learner));
  const report = await gradcheck(trainer, dataOf(setup));
  trainer.dispose();
  learner.dispose();
  return report;
}

const passing = (report: GradcheckReport) => report.rows.map(({ pass }) => pass);
const backends = [['the CPU', () => cpu] as const, ['the GPU', () => gpu] as const];

describe.each(backends)('on %s', (_, backend) => {
  it.each([
    ['meanSquaredError', 8, 200, 1e-6],
    ['meanSquaredError', 8, 300, 1e-11],
    ['meanSquaredError', 4, 600, 1e-13],
    ['binaryCrossEntropyWithLogits', 8, 5000, 1e-6],
    ['softmaxCrossEntropy', 8, 5000, 1e-6],
  ] as const)('%s, %d units, after %d steps', async (name, width, steps, most) => {
    const loss = { meanSquaredError, binaryCrossEntropyWithLogits, softmaxCrossEntropy }[name];
    const report = await checked(backend(), { loss, width }, steps);
    expect(report.loss).toBeLessThan(most);
    expect(report).toMatchObject({ pass: true });
    for (const row of report.rows) expect(row, row.path).toMatchObject({ pass: true, kinks: 0 });
    expect(report.rows[0]!.entries).toBe(2 * width);
  });
});

describe('a fault of 1 %', () => {
  const stages = [
    ['before the first step', 0],
    ['half way', 75],
    ['near the end', 150],
    ['in the end', 600],
  ] as const;
  const { cpu: loop, wgsl } = {
    cpu: (x: ArrayLike<number>, y: { [i: number]: number; length: number }) => {
      for (let i = 0; i < y.length; i++) y[i] = Math.tanh(x[i]!);
    },
    wgsl: (x: string) => `tanh(${x})`,
  };
  const steep = unary('steepTanh', { cpu: loop, wgsl, vjp: (dy, _x, y) => mul(mul(dy, 1.01), sub(1, square(y))) });

  it.each(stages)('in a derivative is seen by differences %s', async (_, steps) => {
    const report = await checked(cpu, { loss: meanSquaredError }, steps, steep);
    expect(passing(report)).toEqual([false, false, true, true]);
    expect(report.rows.every(({ backendError }) => backendError <= 1e-4)).toBe(true);
  });

  // x on the CPU, and 1.01 x on the GPU.
  const loud: Op<void> = unaryOp<void>('loud', {
    cpu: (x, y) => y.set(x),
    wgsl: (x) => `(${x} * 1.01)`,
  });
  const backwards: Op<void> = {
    ...unaryOp<void>('backwards', { cpu: (x, y) => y.set(x), wgsl: (x) => `(${x})` }),
    vjp: ([dy]) => [() => apply1(loud, [dy!], undefined)],
  };
  const wrong: Activation = (x) => apply1(backwards, [tanh(x)], undefined);

  it.each(stages)('in a kernel is seen by the CPU %s', async (_, steps) => {
    const report = await checked(gpu, { loss: meanSquaredError }, steps, wrong);
    expect(report.rows.every(({ finiteError }) => finiteError <= 1e-6)).toBe(true);
    expect(passing(report).slice(2)).toEqual([true, true]);
    // In the end rounding is more than 1 %.
    expect(passing(report).slice(0, 2)).toEqual(steps === 600 ? [true, true] : [false, false]);
  });
});
