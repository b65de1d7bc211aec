// Synthetic digits, so that there is always something to learn: 28x28 handwritten-like images from a seeded generator, in
// MNIST's format and numbers. Example i of a stream depends on (seed, stream, i) alone; train and test never share one.
import { BOOLEAN, checkOptions, FUNCTION, type Kind, type Schema, SEED, SIGNAL } from '../graph/options.ts';
import { type DataPair, type DataSet, makeDataset, type Scale } from './dataset.ts';
import { Hand, IMAGE_SIZE } from './hand.ts';
import { Random } from './random.ts';

/** Mean and standard deviation of MNIST's training pixels (0 to 1): the scale of MNIST and of the synthetic digits. */
export const MNIST_SCALE: Scale = { mean: 0.1307, std: 0.3081 };

/** Images drawn between two turns of the event loop. */
const TURN = 2000;

/** Options of {@link digits}. */
export interface DigitsOptions {
  /** Training examples. Default 60,000. */
  train?: number | undefined;
  /** Test examples. Default 10,000. */
  test?: number | undefined;
  /** The seed of the generator. Default 0. */
  seed?: number | undefined;
  /** Whether examples keep the axes of images, [28, 28, 1], for convolutions, instead of [784]. Default false. */
  images?: boolean | undefined;
  /** Called every few thousand images with how many are done and the total. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Aborts the generator; the promise then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

const SIZE: Kind = {
  advice: 'Give a whole number from 1 to 1,000,000.',
  fits: (v) => Number.isSafeInteger(v) && (v as number) >= 1 && (v as number) <= 1_000_000,
};
const SCHEMA = {
  train: [SIZE, 60_000],
  test: [SIZE, 10_000],
  seed: [SEED, 0],
  images: [BOOLEAN, false],
  onProgress: FUNCTION,
  signal: SIGNAL,
} satisfies Schema<DigitsOptions>;

/**
 * Handwritten-like digits from a seeded generator: no file, no network. x (size, 784) bytes, or (size, 28, 28, 1) with `images`; y (size)
 * labels 0 to 9. The same seed gives the same bits everywhere. Yields to the event loop while it draws; rejects with the signal's reason when aborted.
 */
export async function digits(options: DigitsOptions = {}, ...extra: never[]): Promise<DataPair> {
  const { train, test, seed, images, onProgress, signal } = checkOptions('digits', options, SCHEMA, extra);
  const total = train + test;
  const example = images ? [IMAGE_SIZE, IMAGE_SIZE, 1] : [IMAGE_SIZE * IMAGE_SIZE];
  const turn = async (done: number) => {
    onProgress?.(done, total);
    await new Promise((resolve) => setTimeout(resolve));
    signal?.throwIfAborted();
  };
  signal?.throwIfAborted();
  return {
    train: await draw({ seed, stream: 0, size: train, example }, (done) => turn(done)),
    test: await draw({ seed, stream: 1, size: test, example }, (done) => turn(train + done)),
    source: `${total.toLocaleString('en-US')} synthetic handwritten-like digits (seed ${seed}).`,
  };
}

interface Drawn {
  readonly seed: number;
  readonly stream: number;
  readonly size: number;
  /** The shape of an example. */
  readonly example: readonly number[];
}

async function draw({ seed, stream, size, example }: Drawn, turn: (done: number) => Promise<void>): Promise<DataSet> {
  const pixels = IMAGE_SIZE * IMAGE_SIZE;
  const x = new Uint8Array(size * pixels);
  const y = new Uint8Array(size);
  const hand = new Hand();
  const random = new Random(seed, stream);
  for (let i = 0; i < size; i++) {
    random.restart(seed, stream, i);
    y[i] = random.below(10);
    hand.draw(random, y[i]!, x, i * pixels);
    if ((i + 1) % TURN === 0 || i + 1 === size) await turn(i + 1);
  }
  return makeDataset({
    name: 'digits',
    x: { shape: [size, ...example], data: x },
    y: { shape: [size], data: y },
    classes: 10,
    scale: MNIST_SCALE,
  });
}
