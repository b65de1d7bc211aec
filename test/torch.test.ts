// Layers, losses, optimizers and ops against PyTorch's numbers: cases that test/torch/cases.py drew and computed in doubles. Weights are
// loaded and saved in PyTorch's names and order. Here cases.safetensors, and all cases where test/torch/all.safetensors is.
import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { grad } from '../src/autodiff/grad.ts';
import { Backend, createCpuBackend } from '../src/backend.ts';
import type { NdArray } from '../src/graph/op.ts';
import { constant, type Tensor } from '../src/graph/tensor.ts';
import { meanSquaredError } from '../src/loss/index.ts';
import type { Layer } from '../src/nn/index.ts';
import { sgd } from '../src/optim/sgd.ts';
import { fileShape, toFile } from '../src/train/file-axes.ts';
import { loadWeights, saveWeights } from '../src/train/files.ts';
import { readSafetensors, type StoredTensor, writeSafetensors } from '../src/train/safetensors.ts';
import { Trainer } from '../src/train/trainer.ts';
import { testExecutor } from './gpu.ts';
import { type Call, lossOf, modelOf, opOf, optimizerOf } from './torch/counterparts.ts';

/** A tensor of the files: f32, labels in i32, counts in i64. */
type Stored = Pick<StoredTensor, 'shape' | 'data'>;
type Named = Readonly<Record<string, Stored>>;

interface Case {
  readonly name: string;
  readonly op?: Call;
  readonly loss?: Call;
  readonly layers?: readonly Call[];
  readonly training?: boolean;
  readonly optimizer?: Call;
  /** By what they are, then by name. */
  readonly tensors: Readonly<Record<string, Named>>;
}

/** The largest difference, as a share of the tensor's largest number. */
const TOLERANCE: Readonly<Record<string, number>> = { out: 1e-5, grad: 1e-4, after: 1e-4 };
/** Where all of a tensor's numbers are 0. */
const ABSOLUTE = 1e-6;
const STEPS = 5;

const pathOf = (file: string) => new URL(`torch/${file}`, import.meta.url);

function casesOf(file: string): Case[] {
  const { tensors, metadata } = readSafetensors(readFileSync(pathOf(file)), file);
  const cases = (JSON.parse(metadata['cases']!) as Omit<Case, 'tensors'>[]).map((facts) => {
    return { ...facts, tensors: {} as Record<string, Record<string, Stored>> };
  });
  for (const [key, { shape, data }] of tensors) {
    const [, k, kind, name] = /^(\d+)\.(\w+)\.(.+)$/.exec(key)!;
    const { tensors: kinds } = cases[Number(k)]!;
    kinds[kind!] = { ...kinds[kind!], [name!]: { shape, data } };
  }
  return cases;
}

function arrayOf({ shape, data }: Stored): NdArray {
  return data instanceof Int32Array
    ? { shape, data, dtype: 'i32' }
    : { shape, data: data as Float32Array, dtype: 'f32' };
}

/** y and the gradients of Σ y · cos(i): what a program computes. */
function differentiated(y: Tensor, by: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const dy = constant(Float32Array.from({ length: y.size }, (_, i) => Math.cos(i))).reshape(y.shape);
  const gradients = grad(y, Object.values(by), dy);
  return { 'out.y': y, ...Object.fromEntries(Object.keys(by).map((name, k) => [`grad.${name}`, gradients[k]!])) };
}

/** A function of the inputs alone. */
function called(backend: Backend, fn: (...xs: Tensor[]) => Tensor, { tensors }: Case): Promise<Named> {
  const inputs = Object.entries(tensors['in']!).map(([name, stored]) => [name, arrayOf(stored)] as const);
  return backend.run((xs) => {
    const by = Object.keys(tensors['grad']!).map((name) => [name, xs[name]!] as const);
    return differentiated(fn(...Object.values(xs)), Object.fromEntries(by));
  }, Object.fromEntries(inputs));
}

/** A trainer with the case's weights. */
async function trainerOf(backend: Backend, model: Layer, { name, loss, optimizer, tensors }: Case): Promise<Trainer> {
  const trainer = new Trainer(backend, {
    model,
    loss: loss ? lossOf(loss) : meanSquaredError,
    optimizer: optimizer ? optimizerOf(optimizer) : sgd(),
  });
  await loadWeights(
    trainer,
    writeSafetensors(tensors['weights'] as Record<string, Stored & { data: Float32Array }>),
    name,
  );
  return trainer;
}

/** PyTorch's name of a path: members of a Sequential are its properties. */
const inTorch = (path: string) => path.replace(/^layers\./, '');

async function weightsAfter(trainer: Trainer): Promise<Named> {
  const { tensors } = readSafetensors(await saveWeights(trainer));
  return Object.fromEntries([...tensors].map(([path, stored]) => [`after.${inTorch(path)}`, stored as Stored]));
}

/** One forward and backward with the weights of the case. */
async function once(backend: Backend, model: Layer, case_: Case): Promise<Named> {
  const trainer = await trainerOf(backend, model, case_);
  const { storage, trained } = trainer.state;
  const parameters = Object.fromEntries(trained.map(({ path, variable }) => [inTorch(path), variable]));
  const x = arrayOf(case_.tensors['in']!['x']!);
  const program = await backend.compile(
    ({ x }) => differentiated(model.forward(x), { x, ...parameters }),
    { x },
    {
      training: case_.training!,
      storages: [storage],
    },
  );
  const results = await program.run({ x: x.data });
  program.dispose();
  const gradients = Object.entries(parameters).map(([name, { shape, fileAxes }]): [string, Stored] => {
    const key = `grad.${name}`;
    return [key, { shape: fileShape(shape, fileAxes), data: toFile(results[key]!.data, shape, fileAxes) }];
  });
  const after = await weightsAfter(trainer);
  trainer.dispose();
  return { ...results, ...Object.fromEntries(gradients), ...after };
}

/** STEPS steps on one batch. */
async function trained(backend: Backend, case_: Case): Promise<Named> {
  const trainer = await trainerOf(backend, modelOf(case_.layers!), case_);
  const { x, target } = case_.tensors['in']!;
  const losses: number[] = [];
  for (let step = 0; step < STEPS; step++) losses.push((await trainer.trainOnBatch(x!, target!)).loss);
  const after = await weightsAfter(trainer);
  trainer.dispose();
  return { 'out.losses': { shape: [STEPS], data: Float32Array.from(losses) }, ...after };
}

function computed(backend: Backend, case_: Case): Promise<Named> {
  const { op, loss, layers, optimizer, tensors } = case_;
  if (optimizer) return trained(backend, case_);
  if (op) return called(backend, opOf(op), case_);
  if (loss) return called(backend, lossOf(loss) as (...xs: Tensor[]) => Tensor, case_);
  const model = modelOf(layers!);
  return tensors['weights'] ? once(backend, model, case_) : called(backend, (x) => model.forward(x!), case_);
}

function expectNear(name: string, got: Stored | undefined, wanted: Stored, tolerance: number): void {
  expect(got?.shape, name).toEqual(wanted.shape);
  const [have, want] = [Array.from(got!.data, Number), Array.from(wanted.data, Number)];
  const bound = Math.max(...want.map(Math.abs)) * tolerance || ABSOLUTE;
  const wrong = want.flatMap((v, i) => (Math.abs(have[i]! - v) <= bound ? [] : [`${i}: ${have[i]}, not ${v}`]));
  const count = `${wrong.length} of ${want.length} numbers`;
  expect(wrong.slice(0, 5), `${name}: ${count} differ by more than ${bound}`).toEqual([]);
}

async function expectSame(backend: Backend, case_: Case): Promise<void> {
  const got = await computed(backend, case_);
  for (const [kind, tolerance] of Object.entries(TOLERANCE))
    for (const [name, wanted] of Object.entries(case_.tensors[kind] ?? {}))
      expectNear(`${kind}.${name}`, got[`${kind}.${name}`], wanted, tolerance);
}

const committed = casesOf('cases.safetensors');
const ALL = 'all.safetensors';
const all = existsSync(pathOf(ALL)) ? casesOf(ALL) : [];

describe('on the CPU', () => {
  const cpu = createCpuBackend();
  it.each(committed.map((case_) => [case_.name, case_] as const))('%s', (_, case_) => expectSame(cpu, case_));

  describe('all cases', () => {
    it.skipIf(all.length === 0)(`are 200 at least, of ${ALL}, which test/torch/cases.py writes`, () => {
      expect(all.length).toBeGreaterThanOrEqual(200);
    });
    it.each(all.map((case_) => [case_.name, case_] as const))('%s', (_, case_) => expectSame(cpu, case_));
  });
});

describe('on the GPU', () => {
  let gpu: Backend;
  beforeAll(async () => {
    gpu = new Backend(await testExecutor(), { name: 'the test device', software: true });
  });
  const isConvolutional = ({ optimizer, layers }: Case) =>
    optimizer && layers!.some(([kind]) => /^BatchNorm/.test(kind));
  // The last of 1-D and of 2-D: a case takes seconds there.
  const networks = new Map(committed.filter(isConvolutional).map((case_) => [case_.layers![0]![0], case_]));
  it.each([...networks.values()].map((case_) => [case_.name, case_] as const))('%s', (_, case_) =>
    expectSame(gpu, case_),
  );
});
