// A thing to learn with two inputs and two outputs, for tests: bytes and floats in, a price and a kind out.
import { createCpuBackend } from '../src/backend.ts';
import { arrayDataset } from '../src/data/array.ts';
import { normals } from '../src/graph/random.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { meanSquaredError, softmaxCrossEntropy } from '../src/loss/index.ts';
import { Linear } from '../src/nn/linear.ts';
import { tanh } from '../src/ops/activations.ts';
import { add } from '../src/ops/binary.ts';
import { adam } from '../src/optim/adam.ts';
import { Trainer, type TrainerOptions } from '../src/train/trainer.ts';

export interface Inputs {
  pixels: Tensor;
  stats: Tensor;
}
export interface Outputs {
  price: Tensor;
  kind: Tensor;
}

export class TwoHeads {
  pixels = new Linear(6, 5);
  stats = new Linear(3, 5);
  price = new Linear(5, 1);
  kind = new Linear(5, 3);
  forward({ pixels, stats }: Inputs): Outputs {
    const h = tanh(add(this.pixels.forward(pixels), this.stats.forward(stats)));
    return { price: this.price.forward(h), kind: this.kind.forward(h) };
  }
}

/** `size` examples of known rules; 3 kinds. Bytes are scaled by (x / 255 - 0.5) / 0.25. */
export function houses(size: number, sampleWeights?: number[]) {
  const noise = normals(size * 3, 3, 'houses', 0, 1);
  const pixels = Uint8Array.from({ length: size * 6 }, (_, k) => (k * 73 + (k >> 2) * 31) % 256);
  const kind = Uint8Array.from({ length: size }, (_, i) => (noise[3 * i]! > 0.4 ? 2 : noise[3 * i + 1]! > 0 ? 1 : 0));
  const price = Float32Array.from({ length: size }, (_, i) => noise[3 * i + 2]! + pixels[6 * i]! / 128);
  return arrayDataset(
    { pixels: { shape: [size, 6], data: pixels }, stats: { shape: [size, 3], data: noise } },
    { price, kind },
    {
      name: 'houses',
      targets: { kind: 'classes' },
      classes: { kind: 3 },
      scale: { pixels: { mean: 0.5, std: 0.25 } },
      ...(sampleWeights && { sampleWeights }),
    },
  );
}

export const LOSSES = { price: meanSquaredError, kind: softmaxCrossEntropy };

/** A trainer of that network on the CPU, or another backend. */
export function headsTrainer(
  options: Partial<TrainerOptions<Outputs, Inputs>> = {},
  backend = createCpuBackend(),
): Trainer<Outputs, Inputs> {
  const all = { model: new TwoHeads(), loss: LOSSES, optimizer: adam({ lr: 0.01 }), seed: 2, ...options };
  return new Trainer<Outputs, Inputs>(backend, all);
}
