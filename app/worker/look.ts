// Inspection of a network: its prediction for a picture, its layers' outputs, its gradients, and its confusion matrix on the test images.
import type { NdArray, Trainer } from '../../src/index.ts';
import type { Config } from '../config.ts';
import type { Confusion, Example, Inside, LayerInside, Prediction, Values } from '../protocol.ts';
import { scaledPixels } from './pixels.ts';
import type { Run } from './run.ts';

const [PIXELS, CLASSES] = [784, 10];
/** The number of training images for gradients. */
const GRADIENT_IMAGES = 256;

/** Numbers that sum to 1: softmax of logits, or sigmoids over their sum. */
export function probabilitiesOf(outputs: ArrayLike<number>, loss: Config['loss'], from = 0): Float32Array {
  const row = Float32Array.from({ length: CLASSES }, (_, k) => outputs[from + k]!);
  const most = Math.max(...row);
  const shares = loss === 'cross-entropy' ? row.map((logit) => Math.exp(logit - most)) : row;
  const total = shares.reduce((sum, share) => sum + share, 0);
  return total > 0 ? shares.map((share) => share / total) : shares.fill(1 / CLASSES);
}

function largest(values: Float32Array): number {
  return values.indexOf(Math.max(...values));
}

/** A drawn picture, 0 to 255, as an input with the scale of the test images. */
function asInput({ data }: Run, pixels: Float32Array): Values {
  return { shape: [1, PIXELS], data: scaledPixels(pixels.map(Math.round), data.train.scale) };
}

export async function predictDigit(run: Run, pixels: Float32Array): Promise<Prediction> {
  const step = run.trainer.stepsMade;
  const { data } = await run.trainer.predict(asInput(run, pixels));
  const probabilities = probabilitiesOf(data, run.config.loss);
  return { probabilities, digit: largest(probabilities), step };
}

export async function lookInside(run: Run, pixels: Float32Array | undefined): Promise<Inside> {
  const { trainer, data, config } = run;
  const step = trainer.stepsMade;
  const [first] = trainer.parameters();
  const weights = (await trainer.state.read(first!.path)) as Float32Array;
  const few = data.train.slice(0, Math.min(GRADIENT_IMAGES, data.train.size));
  const x = { shape: few.x.shape, data: scaledPixels(few.x.data, few.scale) };
  const { gradients = {} } = await trainer.inspect(x, few.y);
  const pulls = (gradients[first!.path]!.data as Float32Array).map(Math.abs);
  return {
    step,
    weights: { shape: first!.shape, data: Float32Array.from(weights) },
    layers: pixels ? await layersOf(trainer, config, asInput(run, pixels)) : [],
    gradients: Object.entries(gradients).map(([path, { data }]) => ({ path, ...sizesOf(data) })),
    pixelGradients: columnSums(pulls),
    weightGradients: { shape: first!.shape, data: pulls },
  };
}

/** The output of each layer after its activation. */
async function layersOf(trainer: Trainer, { loss }: Config, x: Values): Promise<LayerInside[]> {
  const { outputs, prediction } = await trainer.inspect(x);
  const hidden = Object.entries(outputs)
    .filter(([name]) => name.endsWith('.activation'))
    .map(([name, { data }]) => ({ name: name.replace('.activation', ''), activations: Float32Array.from(data) }));
  return [...hidden, { name: 'out', activations: probabilitiesOf(prediction.data, loss) }];
}

function sizesOf(values: NdArray['data']): { mean: number; max: number } {
  let [sum, max] = [0, 0];
  for (const value of values) {
    sum += Math.abs(value);
    max = Math.max(max, Math.abs(value));
  }
  return { mean: sum / values.length, max };
}

function columnSums(values: Float32Array): Float32Array {
  const sums = new Float32Array(PIXELS);
  for (const [i, value] of values.entries()) sums[i % PIXELS]! += value;
  return sums;
}

export async function confusionOf({ trainer, data }: Run): Promise<Confusion> {
  const step = trainer.stepsMade;
  const { confusion = [], size } = await trainer.evaluate(data.test, { confusion: true });
  return { step, counts: confusion, size };
}

/** Test images by actual and predicted class, else all misclassified ones; worst first. */
export async function examplesOf(
  { trainer, data, config }: Run,
  wanted: { label?: number; taken?: number; count: number },
): Promise<Example[]> {
  const { test } = data;
  const { data: outputs } = await trainer.predict(test.x);
  const found: Example[] = [];
  for (let index = 0; index < test.size; index++) {
    const label = test.y.data[index]!;
    if (wanted.label !== undefined && wanted.label !== label) continue;
    const probabilities = probabilitiesOf(outputs, config.loss, index * CLASSES);
    const taken = largest(probabilities);
    if (wanted.taken === undefined ? wanted.label === undefined && taken === label : taken !== wanted.taken) continue;
    const pixels = (test.x.data as Uint8Array).slice(index * PIXELS, (index + 1) * PIXELS);
    found.push({ index, label, pixels, probabilities, loss: -Math.log(Math.max(probabilities[label]!, 1e-30)) });
  }
  return found.sort((a, b) => b.loss - a.loss).slice(0, wanted.count);
}
