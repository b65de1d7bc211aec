// Parameter groups and freezing on a GPU: what the CPU makes, the bits of a resumed run, and that frozen parameters keep theirs.
import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../src/autodiff/grad.ts';
import { Backend, createCpuBackend } from '../src/backend.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { softmaxCrossEntropy } from '../src/loss/index.ts';
import * as optim from '../src/optim/index.ts';
import { loadCheckpoint, saveCheckpoint } from '../src/train/files.ts';
import { Trainer } from '../src/train/trainer.ts';
import { blobs, Net, weightsOf } from './blobs.ts';
import { testExecutor } from './gpu.ts';

const gpu = new Backend(await testExecutor(), { name: 'the test device', software: true });
const data = blobs(200);
const run = { maxSteps: 30, batchSize: 16 };

const optimizer = () =>
  optim.adamW({
    lr: optim.cosine(0.05),
    weightDecay: 0.1,
    clipNorm: 1,
    groups: [
      { match: /bias/, weightDecay: 0, beta1: 0.5 },
      { match: 'out', lr: optim.linear(0.02) },
    ],
  });

function trainerOn(backend: Backend, ...frozen: string[]): Trainer {
  const trainer = new Trainer(backend, {
    model: new Net(),
    loss: softmaxCrossEntropy,
    optimizer: optimizer(),
    seed: 1,
  });
  if (frozen.length > 0) trainer.freeze(frozen);
  return trainer;
}

/** Trains all, then all but the hidden weights, then all again. */
async function inThreeParts(trainer: Trainer): Promise<Record<string, number[]>> {
  await trainer.fit(data, { ...run, maxSteps: 10 });
  trainer.freeze('hidden.weight');
  const before = await weightsOf(trainer);
  await trainer.fit(data, { ...run, maxSteps: 10 });
  expect((await weightsOf(trainer))['hidden.weight']).toEqual(before['hidden.weight']);
  expect((await weightsOf(trainer))['hidden.bias']).not.toEqual(before['hidden.bias']);
  trainer.unfreeze('hidden');
  await trainer.fit(data, { ...run, maxSteps: 10 });
  expect((await weightsOf(trainer))['hidden.weight']).not.toEqual(before['hidden.weight']);
  return weightsOf(trainer);
}

it('moves groups, and what is frozen and unfrozen, as the CPU does', async () => {
  const [onGpu, onCpu] = [trainerOn(gpu), trainerOn(createCpuBackend())];
  const [a, b] = [await inThreeParts(onGpu), await inThreeParts(onCpu)];
  for (const [path, values] of Object.entries(b))
    for (const [k, wanted] of values.entries()) expect(a[path]![k], `${path} ${k}`).toBeCloseTo(wanted, 4);
  onGpu.dispose();
});

describe.each([
  ['with nothing frozen', []],
  ['with a frozen layer', ['hidden']],
])('a run %s', (_, frozen) => {
  it('is resumed bit for bit', async () => {
    const [whole, half, other] = [trainerOn(gpu, ...frozen), trainerOn(gpu, ...frozen), trainerOn(gpu)];
    const started = await weightsOf(whole);
    await whole.fit(data, run);
    for await (const { step } of half.fit(data, { ...run, events: 'step' })) if (step === 9) break;
    expect(half.stepsMade).toBeLessThan(30);
    await loadCheckpoint(other, await saveCheckpoint(half));
    await other.fit(data, { ...run, resume: true });
    expect(await weightsOf(other)).toEqual(await weightsOf(whole));
    for (const { path, trainable } of other.parameters()) {
      const now = (await weightsOf(other))[path];
      if (trainable) expect(now, path).not.toEqual(started[path]);
      else expect(now, path).toEqual(started[path]);
    }
    for (const trainer of [whole, half, other]) trainer.dispose();
  });
});

it('a bare loop moves weights as a trainer does, in no more dispatches', async () => {
  const model = new Net();
  const training = optim.state(optimizer(), model, { steps: 12 });
  const memory = gpu.allocate(training, { seed: 1 });
  const gradientsOf = valueAndGrad(model, (x: Tensor, y: Tensor) => softmaxCrossEntropy(model.forward(x), y));
  const program = await gpu.compile(
    ({ x, y }) => {
      const { value, gradients } = gradientsOf(x, y);
      optim.apply(training, gradients);
      return value;
    },
    { x: { shape: [16, 4], dtype: 'f32' }, y: { shape: [16], dtype: 'u32' } },
    { training: true, storages: [memory] },
  );
  for (let k = 0; k < 12; k++) {
    const [from, to] = [k * 16, (k + 1) * 16];
    await program.run({ x: data.x.data.slice(from * 4, to * 4), y: Uint32Array.from(data.y.data.slice(from, to)) });
  }
  const trainer = trainerOn(gpu);
  await trainer.fit(data, { maxSteps: 12, batchSize: 16, shuffle: false });
  const variables = trainer.state.variables.map(({ path }) => path);
  const values = await memory.read([model.hidden.weight, model.hidden.bias!, model.out.weight, model.out.bias!]);
  expect(program.dispatches).toBeLessThanOrEqual(trainer.dispatchesPerStep!);
  const weights = await weightsOf(trainer);
  // Other kernels, which an adapter may round otherwise: on the CPU they are the same bits.
  for (const [k, path] of variables.entries())
    for (const [i, wanted] of weights[path]!.entries()) expect(values[k]![i], `${path} ${i}`).toBeCloseTo(wanted, 5);
  for (const held of [program, memory]) held.dispose();
  trainer.dispose();
});

it('freezing releases the moments, and unfreezing takes as much again', async () => {
  const { counters } = gpu.executor;
  const trainer = trainerOn(gpu);
  const bytes = [counters.bytes];
  for (const change of ['freeze', 'unfreeze'] as const) {
    trainer[change]('hidden');
    bytes.push(counters.bytes);
  }
  expect(bytes[1]).toBeLessThan(bytes[0]!);
  expect(bytes[2]).toBe(bytes[0]);
  const before = counters.bytes - trainer.state.storage.bytes;
  await trainer.fit(data, { ...run, maxSteps: 3 });
  trainer.freeze('out');
  await trainer.state.read('out.bias'); // programs of before are dropped by then
  expect(counters.bytes - trainer.state.storage.bytes - before).toBeLessThan(0x1000);
  trainer.dispose();
});
