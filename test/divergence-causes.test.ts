// What a run that ends in NaN or Infinity says: which value, in which example, and what helps. Lowering the rate is advised only where
// a step can have been too large.
import { beforeAll, describe, expect, it } from 'vitest';
import { Backend, createCpuBackend } from '../src/backend.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { capture } from '../src/graph/trace.ts';
import { meanSquaredError, softmaxCrossEntropy } from '../src/loss/index.ts';
import * as nn from '../src/nn/index.ts';
import '../src/ops/methods.ts';
import { div, equal, mul, sub } from '../src/ops/binary.ts';
import { cast } from '../src/ops/cast.ts';
import { unary } from '../src/ops/elementwise.ts';
import { pow } from '../src/ops/pow.ts';
import { mean } from '../src/ops/reduce.ts';
import { where } from '../src/ops/select.ts';
import { exp, log, neg, sqrt } from '../src/ops/unary.ts';
import { sgd } from '../src/optim/sgd.ts';
import type { Examples } from '../src/train/batch.ts';
import { Trainer, type TrainerOptions } from '../src/train/trainer.ts';
import { testExecutor } from './gpu.ts';

const cpu = createCpuBackend();
let gpu: Backend;
beforeAll(async () => {
  gpu = new Backend(await testExecutor(), { name: 'the test device', software: true });
});

/** Words in sentences of 3, the 8th of which has one that is no row, and a class for each. */
const sentences = (words: Uint32Array | Int32Array = new Uint32Array(30), wrong = 812): Examples => {
  for (let k = 0; k < 30; k++) words[k] = k % 5;
  words[22] = wrong;
  const labels = Uint8Array.from({ length: 10 }, (_, k) => k % 2);
  return { size: 10, x: { shape: [10, 3], data: words }, y: { shape: [10], data: labels }, classes: 2 };
};

class Reader {
  words = new nn.Embedding(500, 4);
  out = new nn.Linear(12, 2);
  forward(x: Tensor): Tensor {
    return this.out.forward(this.words.forward(x).reshape([x.shape[0]!, 12]));
  }
}

/** A class for each word. */
class Tagger {
  words = new nn.Embedding(9, 4);
  out = new nn.Linear(4, 3);
  forward(x: Tensor): Tensor {
    return this.out.forward(this.words.forward(x));
  }
}

const tags = (): Examples => {
  const labels = Uint32Array.from({ length: 12 }, (_, k) => k % 2);
  labels[7] = 2;
  return {
    size: 4,
    x: { shape: [4, 3], data: new Uint32Array(12) },
    y: { shape: [4, 3], data: labels },
  };
};

const points = (change: (x: Float32Array, y: Float32Array) => void = () => {}): Examples => {
  const [x, y] = [new Float32Array(8).map((_, k) => k / 4), new Float32Array(8).map((_, k) => k)];
  change(x, y);
  return { size: 8, x: { shape: [8, 1], data: x }, y: { shape: [8, 1], data: y } };
};

/** x · 2, named, then something. */
const through = (then: (x: Tensor) => Tensor) => ({
  layer: new nn.Linear(1, 1, { initialWeight: nn.init.ones, initialBias: nn.init.zeros }),
  forward(x: Tensor): Tensor {
    return then(this.layer.forward(x));
  },
});

const broken = unary('broken', {
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = x[i] === 1 ? Number.NaN : x[i]!;
  },
  wgsl: (x) => `select(${x}, bitcast<f32>(bitcast<u32>(${x}) | 0x7fc00000u), ${x} == 1.0)`,
  vjp: (dy) => dy,
});

type Case = [name: string, options: Partial<TrainerOptions>, data: () => Examples, message: string | RegExp];

const cases: Case[] = [
  [
    'an index past the end of an embedding',
    { model: new Reader(), loss: softmaxCrossEntropy },
    () => sentences(),
    "loss is not finite at step 1 (first in words's output: index 812 of example 7 is not below 500, the rows of words.weight). Give indices below 500, or make the table 813 rows long.",
  ],
  [
    'an index below 0 of an embedding',
    { model: new Reader(), loss: softmaxCrossEntropy },
    () => sentences(new Int32Array(30), -1),
    "loss is not finite at step 1 (first in words's output: index -1 of example 7 is below 0). Give indices from 0 to 499.",
  ],
  [
    'a label below 0',
    {
      model: new Tagger(),
      loss: (x: Tensor, t: Tensor) => softmaxCrossEntropy(x, where(equal(t, 2), -2, cast(t, 'i32'))),
    },
    tags,
    'loss is not finite at step 1 (first in the loss: label -2 of example 2 is below 0). Give labels from 0 to 2.',
  ],
  [
    'a label past the classes',
    // Those of a data set are looked at before any step, so it takes a loss that changes them.
    { model: new Tagger(), loss: (x: Tensor, t: Tensor) => softmaxCrossEntropy(x, where(equal(t, 2), 5, t)) },
    tags,
    'loss is not finite at step 1 (first in the loss: label 5 of example 2 is not below 3). Give labels below 3, or make the last layer 6 wide.',
  ],
  [
    'NaN in x',
    {},
    () => points((x) => x.fill(Number.NaN, 5, 6)),
    'loss is not finite at step 1 (first in the input: x of example 5 has NaN). Remove NaN and infinity from the data.',
  ],
  [
    'Infinity in y',
    {},
    () => points((_, y) => y.fill(Number.POSITIVE_INFINITY, 3, 4)),
    'loss is not finite at step 1 (first in the target: y of example 3 has Infinity). Remove NaN and infinity from the data.',
  ],
  [
    'log(0)',
    { model: through((x) => log(x)) },
    points,
    'loss is not finite at step 1 (first in the loss: log(0) is -Infinity). Keep its argument above 0, such as log(add(x, 1e-7)), or use a loss that takes logits.',
  ],
  [
    'a root of a negative number',
    { model: through((x) => capture('root', sqrt(sub(x, 1)))) },
    () => points((x) => x.fill(0.5)),
    "loss is not finite at step 1 (first in root's output: sqrt(-0.5) is NaN). Keep its argument at 0 or above.",
  ],
  [
    'a power of 0',
    { model: through((x) => pow(x, -1.5)) },
    () => points((x) => x.fill(0)),
    'loss is not finite at step 1 (first in the loss: pow(0, -1.5) is Infinity). Keep its argument above 0.',
  ],
  [
    'a division by 0 in a loss',
    { loss: (p: Tensor, t: Tensor) => mean(div(p, t)) },
    () => points((x) => x.fill(3)),
    'loss is not finite at step 1 (first in the loss: div(3, 0) is Infinity). Keep the divisor away from 0, such as add(x, 1e-7); the gradients of log and sqrt divide, too.',
  ],
  [
    'a root of 0 in a gradient',
    { model: through((x) => sqrt(x)) },
    () => points((x) => x.fill(0)),
    /^layer\.(weight|bias)'s gradient is not finite at step 1, although the loss is: div\(-?\S+, 0\) is -?Infinity\. Keep the divisor away from 0/,
  ],
  [
    'an own op that gives NaN',
    { model: through(broken) },
    points,
    'loss is not finite at step 1 (first in the loss: broken(1) is NaN). Check the arguments of broken.',
  ],
  [
    'values too large from the beginning',
    { model: through((x) => exp(mul(x, 100))) },
    points,
    /^loss is not finite at step 1 \(first in the loss: exp\(\d+\) is Infinity\)\. Scale the data, or make the initial weights smaller\.$/,
  ],
  [
    'values too large after a step',
    { model: through((x) => exp(neg(x))), optimizer: sgd(1e4) },
    points,
    /^loss is not finite at step 2 \(first in the loss: \w+\(.*\) is Infinity\)\. Lower the learning rate \(now 10000\) or clip gradients\.$/,
  ],
  [
    'a first value',
    { model: through((x) => x), loss: meanSquaredError },
    points,
    "loss is not finite at step 1 (first in layer's output: layer.bias has NaN). Check how it is initialized or loaded.",
  ],
  [
    'a constant',
    { model: through((x) => mul(x, Number.POSITIVE_INFINITY)) },
    () => points((x) => x.fill(1)),
    'loss is not finite at step 1 (first in the loss: a constant is Infinity). Make it finite.',
  ],
];

describe.each([['the CPU', () => cpu] as const, ['the GPU', () => gpu] as const])('on %s', (_, backend) => {
  it.each(cases)('%s', async (name, options, data, message) => {
    const model = through((x) => x);
    const task = { model, loss: meanSquaredError, optimizer: sgd(1e-3), seed: 3, ...options };
    const trainer = new Trainer(backend(), task);
    if (name === 'a first value') await trainer.state.write('layer.bias', Float32Array.of(Number.NaN));
    const run = trainer.fit(data(), { epochs: 3, batchSize: data().size });
    await expect(run).rejects.toThrow(
      expect.objectContaining({
        name: 'DivergenceError',
        message: typeof message === 'string' ? message : expect.stringMatching(message),
      }),
    );
    trainer.dispose();
  });
});
