// A small thing to learn, for tests of training: points around as many centres as there are classes, and a network for them.
import { createCpuBackend } from '../src/backend.ts';
import { arrayDataset, type DataSet } from '../src/data/dataset.ts';
import { normals } from '../src/graph/random.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { softmaxCrossEntropy } from '../src/loss/index.ts';
import { Linear } from '../src/nn/linear.ts';
import { relu } from '../src/ops/activations.ts';
import { sgd } from '../src/optim/sgd.ts';
import { Trainer, type TrainerOptions } from '../src/train/trainer.ts';

/** `size` points in 4 dimensions around 3 centres. */
export function blobs(size: number, spread = 0.5, name = 'blobs'): DataSet {
  const noise = normals(size * 4, 7, name, 0, spread);
  const labels = Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 3)) % 3);
  const x = noise.map((v, i) => v + (i % 4 === labels[i >> 2]! ? 2 : 0));
  return arrayDataset({ shape: [size, 4], data: x }, labels, { name, classes: 3 });
}

export class Net {
  hidden: Linear;
  out: Linear;
  constructor(width = 8, outputs = 3) {
    this.hidden = new Linear(4, width);
    this.out = new Linear(width, outputs);
  }
  forward(x: Tensor): Tensor {
    return this.out.forward(relu(this.hidden.forward(x)));
  }
}

/** A trainer of that network on the CPU. */
export function netTrainer(options: Partial<TrainerOptions> = {}): Trainer {
  return new Trainer(createCpuBackend(), {
    model: new Net(),
    loss: softmaxCrossEntropy,
    optimizer: sgd({ lr: 0.1 }),
    seed: 1,
    ...options,
  });
}

/** Every variable's values by path. */
export async function weightsOf(trainer: Trainer): Promise<Record<string, number[]>> {
  const all: Record<string, number[]> = {};
  for (const { path } of trainer.parameters()) all[path] = [...(await trainer.state.read(path))];
  return all;
}

/** All events of a stream. */
export async function collect<T>(events: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const event of events) list.push(event);
  return list;
}
