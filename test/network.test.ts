// Networks from a description: the same as one written by hand, what they refuse, and how files tell which network they hold.
import { describe, expect, it } from 'vitest';
import { createCpuBackend } from '../src/backend.ts';
import { digits } from '../src/data/digits.ts';
import { gradcheck } from '../src/explain/gradcheck.ts';
import { variablesOf } from '../src/graph/paths.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import * as losses from '../src/loss/index.ts';
import { Linear } from '../src/nn/linear.ts';
import { relu, sigmoid } from '../src/ops/activations.ts';
import { sgd } from '../src/optim/sgd.ts';
import { densePresets } from '../src/train/dense-presets.ts';
import { loadCheckpoint, saveCheckpoint, saveWeights } from '../src/train/files.ts';
import { network } from '../src/train/network.ts';
import { descriptionOf, type NetworkDescription, networkText } from '../src/train/network-description.ts';
import { networkOf } from '../src/train/network-file.ts';
import * as presets from '../src/train/presets.ts';
import { readSafetensors, writeSafetensors } from '../src/train/safetensors.ts';
import { Trainer, type TrainerOptions } from '../src/train/trainer.ts';

const BASE: NetworkDescription = { inputs: 784, hidden: [6], outputs: 10, activation: 'relu', loss: 'cross-entropy' };
const { train } = await digits({ train: 96, test: 1 });

/** The classic lesson's network, layer by layer. */
class Classic {
  hidden1 = new Linear(784, 16);
  hidden2 = new Linear(16, 16);
  out = new Linear(16, 10);
  forward(x: Tensor): Tensor {
    return sigmoid(this.out.forward(sigmoid(this.hidden2.forward(sigmoid(this.hidden1.forward(x))))));
  }
}

class Mlp {
  hidden = new Linear(784, 128);
  out = new Linear(128, 10);
  forward(x: Tensor): Tensor {
    return this.out.forward(relu(this.hidden.forward(x)));
  }
}

const make = ({ model, loss }: Pick<TrainerOptions, 'model' | 'loss'>) =>
  new Trainer(createCpuBackend(), { model, loss, optimizer: sgd({ lr: 0.1 }), seed: 5 });

async function lossesOf(options: Pick<TrainerOptions, 'model' | 'loss'>): Promise<number[]> {
  const trainer = make(options);
  const { steps } = await trainer.fit(train, { epochs: 2, batchSize: 32 });
  trainer.dispose();
  return steps.loss;
}

describe('network', () => {
  it.each([
    ['classic', new Classic(), losses.sumSquaredError],
    ['mlp', new Mlp(), losses.softmaxCrossEntropy],
  ] as const)('makes the preset %s as one would by hand, bit for bit', async (name, model, loss) => {
    const preset = densePresets[name];
    expect(await lossesOf({ model: preset.model(), loss: preset.loss })).toEqual(await lossesOf({ model, loss }));
    const paths = (of: object) => variablesOf(of).map(({ path, variable }) => [path, variable.shape]);
    expect(paths(network(preset.network).model)).toEqual(paths(model));
  });

  it.each([[[]], [[7]], [[7, 5, 3]]])('names and sizes the layers of %j', (hidden) => {
    const { model, inputShape } = network({ ...BASE, hidden });
    const names = hidden.length === 1 ? ['hidden'] : hidden.map((_, k) => `hidden${k + 1}`);
    const paths = [...names, 'out'].flatMap((name) => [`${name}.weight`, `${name}.bias`]);
    expect(variablesOf(model).map(({ path }) => path)).toEqual(paths);
    expect(inputShape).toEqual([784]);
  });

  it.each(['relu', 'sigmoid', 'tanh', 'gelu', 'silu'] as const)(
    'learns with %s, and its gradients are right',
    async (activation) => {
      for (const loss of ['cross-entropy', 'squared-error'] as const) {
        const trainer = make(network({ ...BASE, activation, loss }));
        expect((await gradcheck(trainer, train, { rows: 4, entries: 8 })).pass).toBe(true);
        const { data } = await trainer.predict(train.slice(0, 1).x);
        expect(data.every((p) => p > 0 && p < 1)).toBe(loss === 'squared-error');
        trainer.dispose();
      }
    },
  );

  it.each([
    [{ hidden: [16, 0] }, /network: hidden\[1\] is 0\. Give a whole number from 1\./],
    [{ hidden: [2.5] }, /network: hidden\[0\] is 2\.5\./],
    [{ hidden: 16 }, /network: hidden is 16\. Give the widths/],
    [{ inputs: '784' }, /network: inputs is "784"\./],
    [{ outputs: -1 }, /network: outputs is -1\./],
    [{ activation: 'swish' }, /network: activation is "swish"\. Use relu, sigmoid, tanh, gelu, silu\./],
    [{ activation: 'toString' }, /network: activation is "toString"\./],
    [{ loss: 'hinge' }, /network: loss is "hinge"\. Use cross-entropy, squared-error\./],
    [{ hiden: [3] }, /network: there is no option hiden\. Did you mean hidden\?/],
  ])('refuses %j', (change, message) => {
    expect(() => network({ ...BASE, ...change } as NetworkDescription)).toThrow(message);
  });

  it('keeps a description of its own', () => {
    const hidden = [6];
    const { model, description } = network({ ...BASE, hidden });
    hidden[0] = 7;
    expect(descriptionOf(model)).toEqual(BASE);
    expect(description).toEqual(BASE);
    expect(networkText(description)).toBe('784-6-10, relu, cross-entropy');
    expect(networkText({ ...BASE, hidden: [] })).toBe('784-10, cross-entropy');
    expect(descriptionOf(new Mlp())).toBeUndefined();
  });
});

describe('networkOf', () => {
  const bytesOf = async (description = BASE) => {
    const trainer = make(network(description));
    const files = { weights: await saveWeights(trainer, { note: 'mine' }), checkpoint: await saveCheckpoint(trainer) };
    trainer.dispose();
    return files;
  };
  const changed = (bytes: Uint8Array, metadata: Record<string, string>) => {
    const { tensors } = readSafetensors(bytes, 'w');
    return writeSafetensors(tensors, metadata);
  };

  it('finds what weights and checkpoints say of themselves', async () => {
    const { weights, checkpoint } = await bytesOf();
    expect(networkOf(weights)).toEqual(BASE);
    expect(networkOf(checkpoint)).toEqual(BASE);
    expect(readSafetensors(weights, 'w').metadata).toMatchObject({ format: 'pt', note: 'mine' });
    const other = make(network(networkOf(checkpoint)!));
    await loadCheckpoint(other, checkpoint);
    expect(await saveWeights(other, { note: 'mine' })).toEqual(weights);
    other.dispose();
  });

  it('takes the name of a preset, and says nothing of a file that names none', async () => {
    const { weights } = await bytesOf(presets.classic.network);
    expect(networkOf(changed(weights, { preset: 'classic' }))).toEqual(presets.classic.network);
    expect(networkOf(changed(weights, { preset: 'toString' }))).toBeUndefined();
    expect(networkOf(changed(weights, {}))).toBeUndefined();
  });

  it('refuses a description that is damaged or not of these tensors', async () => {
    const { weights } = await bytesOf();
    const says = (text: string) => () => networkOf(changed(weights, { 'thalweg.network': text }), 'w.st');
    expect(says('{')).toThrow(/^w\.st: the metadata is damaged: "thalweg\.network": it is not JSON\./);
    expect(says('{}')).toThrow(/^w\.st: the metadata is damaged: .*network: inputs is undefined/);
    expect(says('{"in\u009bputs":1}')).toThrow(/there is no option in\\u009bputs/);
    expect(says('[]')).toThrow(/^w\.st: the metadata is damaged/);
    expect(says(JSON.stringify({ ...BASE, hidden: [7] }))).toThrow(/^w\.st: .*do not match.*"hidden\.weight"/s);
    expect(() => networkOf(changed(weights, { preset: 'classic' }), 'w.st')).toThrow(/"hidden1\.weight" is missing/);
  });
});
