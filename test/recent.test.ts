// What is kept while it is used or was lately, and what is let go of: programs of a trainer, entries of its history, memory of calls
// that failed. And whoever waits for a run is answered, whatever ends it. All on the CPU.
import { describe, expect, it, vi } from 'vitest';
import { createCpuBackend } from '../src/backend.ts';
import { DeviceError, OptionError } from '../src/graph/errors.ts';
import { Recent } from '../src/graph/recent.ts';
import { Variable } from '../src/graph/tensor.ts';
import { softmaxCrossEntropy } from '../src/loss/index.ts';
import { sgd } from '../src/optim/sgd.ts';
import { type EpochEvent, newHistory } from '../src/train/events.ts';
import { loadCheckpoint, saveCheckpoint } from '../src/train/files.ts';
import { Recorder } from '../src/train/recorder.ts';
import { Trainer } from '../src/train/trainer.ts';
import type { TrainingRun } from '../src/train/training-run.ts';
import { blobs, Net, netTrainer } from './blobs.ts';

const data = blobs(60);
const bytesOf = ({ backend }: Trainer) => backend.executor.counters.bytes;

describe('Recent', () => {
  it('drops the least recently used of what nobody uses, and makes it again', async () => {
    const dropped: string[] = [];
    const made: string[] = [];
    const recent = new Recent<string>(2, (value) => dropped.push(value));
    const get = (key: string, owner?: object) => recent.get(key, async () => `${key}${made.push(key)}`, owner);
    const owner = {};
    expect(await get('a', owner)).toBe('a1');
    for (const key of ['b', 'c', 'b', 'd']) await get(key);
    await Promise.resolve();
    expect(dropped).toEqual(['c3']);
    expect(await get('a')).toBe('a1');
    recent.release(owner);
    await get('c');
    await Promise.resolve();
    expect(dropped).toEqual(['c3', 'b2', 'd4']);
    recent.clear();
    await Promise.resolve();
    expect(dropped).toEqual(['c3', 'b2', 'd4', 'a1', 'c5']);
  });

  it('forgets what failed', async () => {
    const recent = new Recent<number>(1);
    await expect(recent.get('a', () => Promise.reject(new Error('no')), {})).rejects.toThrow('no');
    expect(await recent.get('a', async () => 1)).toBe(1);
  });
});

describe('memory', () => {
  it('of data sets and shapes never seen before does not add up', async () => {
    const trainer = netTrainer();
    const round = async (k: number) => {
      const [train, validation] = [blobs(40 + k), blobs(50 + k)];
      await trainer.fit(train, { epochs: 1, batchSize: 32, validation });
      await trainer.evaluate(blobs(60 + k));
      await trainer.inspect({ shape: [k + 1, 4], data: new Float32Array(4 * k + 4) });
    };
    for (let k = 0; k < 8; k++) await round(k);
    const some = bytesOf(trainer);
    for (let k = 8; k < 16; k++) await round(k);
    expect(bytesOf(trainer)).toBeLessThan(1.5 * some);
    trainer.dispose();
    await new Promise((resolve) => setTimeout(resolve));
    expect(bytesOf(trainer)).toBe(0);
  });

  it('is not taken from a run that uses it', async () => {
    const trainer = netTrainer();
    const steps: number[] = [];
    const options = { epochs: 3, batchSize: 32, validation: blobs(30), events: 'step' } as const;
    for await (const e of trainer.fit(data, options)) {
      steps.push(e.step);
      for (let k = 0; k < 4; k++) await trainer.evaluate(blobs(20 + 4 * e.step + k));
    }
    expect(steps).toEqual([1, 2, 2, 3, 4, 4, 5, 6, 6]);
  });

  it('of what was refused comes back', async () => {
    const backend = createCpuBackend();
    const { counters } = backend.executor;
    const options = { loss: softmaxCrossEntropy, optimizer: sgd(), seed: 1 };
    const refusing = () => {
      throw new OptionError('initial: refused. Try another.');
    };
    const broken = Object.assign(new Net(), { more: new Variable([1000], { initial: refusing }) });
    expect(() => new Trainer(backend, { ...options, model: broken })).toThrow(/initial: refused/);
    expect(() => new Trainer(backend, { ...options, model: new Net(), inputShape: [5] })).toThrow(/axis/);
    expect(() => backend.allocate({ more: new Variable([1000], { initial: () => new Float32Array(2) }) })).toThrow(
      /2 values/,
    );
    expect(counters.bytes).toBe(0);
    const trainer = new Trainer(backend, { ...options, model: new Net() });
    const before = counters.bytes;
    const { executor } = backend;
    const compile = executor.compile.bind(executor);
    vi.spyOn(executor, 'compile').mockImplementation((recipe, settings) => {
      if (settings?.label === 'evaluate [4]') throw new DeviceError('evaluate: refused. Try another.');
      return compile(recipe, settings);
    });
    await expect(trainer.evaluate(data, { batchSize: 8 })).rejects.toThrow(/evaluate: refused/);
    expect(counters.bytes).toBe(before);
  });
});

describe('a history', () => {
  const event = (step: number) =>
    ({ type: 'step', step, epoch: 1, loss: -step, metrics: {}, learningRate: 1 }) as const;

  it('keeps every step of a short run, and even ones, the first and the last of a long run', () => {
    const history = newHistory();
    const recorder = new Recorder(history, 8);
    for (let step = 1; step <= 8; step++) recorder.step(event(step));
    expect(history.steps.step).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    for (let step = 9; step <= 12; step++) recorder.step({ ...event(step), accuracy: 1 });
    expect(history.steps.step).toEqual([1, 3, 5, 7, 9, 11, 12]);
    for (let step = 13; step <= 1000; step++) recorder.step(event(step));
    const { step, loss } = history.steps;
    expect(step).toEqual([1, 257, 513, 769, 1000]);
    expect(loss).toEqual(step.map((n) => -n));
  });

  it('begins anew where it was emptied, and keeps epochs likewise', () => {
    const history = newHistory();
    const recorder = new Recorder(history, 4, 4);
    for (let step = 1; step <= 9; step++) recorder.step(event(step));
    for (const list of [history.steps.step, history.steps.loss]) list.length = 0;
    for (let step = 10; step <= 13; step++) recorder.step(event(step));
    expect(history.steps.step).toEqual([10, 11, 12, 13]);
    for (let step = 1; step <= 10; step++) recorder.epoch({ step } as never);
    expect(history.epochs.map((e) => e.step)).toEqual([1, 5, 9, 10]);
  });
});

describe('whoever waits is answered', () => {
  it('where the backend ends under a run, going or paused', async () => {
    for (const paused of [false, true]) {
      const trainer = netTrainer();
      const run = trainer.fit(data, { epochs: 1e6, batchSize: 8 });
      if (paused) run.pause();
      run.catch(() => {});
      const step = paused ? new Promise((resolve) => setTimeout(resolve, 20)) : undefined;
      await step;
      setTimeout(() => trainer.backend.dispose(), 20);
      await expect(run).rejects.toThrow(DeviceError);
      await expect(run).rejects.toThrow('CPU backend: it was disposed. Create a new one with createBackend().');
      await expect(trainer.evaluate(data)).rejects.toThrow(DeviceError);
      await expect(saveCheckpoint(trainer)).rejects.toThrow(DeviceError);
      await expect(trainer.backend.executor.lost).rejects.toThrow(DeviceError);
    }
  });

  it('where a run fails before its first step', async () => {
    const trainer = netTrainer();
    const run = trainer.fit({ ...blobs(60), classes: 4 }, { epochs: 1 });
    const step = run.step();
    await expect(step).rejects.toThrow(/4 classes/);
    await expect(run).rejects.toThrow(/4 classes/);
    expect(run.paused).toBe(false);
    expect((await trainer.fit(data, { maxSteps: 2 })).steps.step).toEqual([1, 2]);
  });

  it('where a callback asks for a step', async () => {
    const trainer = netTrainer();
    const refused: unknown[] = [];
    const ask = async () => {
      await Promise.resolve();
      await run.step().catch((error: Error) => refused.push(error.message));
    };
    const run: TrainingRun<EpochEvent> = trainer.fit(data, { maxSteps: 1, onStep: ask, onEpoch: ask, onEnd: ask });
    await run;
    expect(refused).toEqual(
      Array(3).fill(
        'step: the run is waiting for a callback, which cannot wait for a step in turn. Call step outside callbacks.',
      ),
    );
  });

  it('where a run begins while a checkpoint is loaded', async () => {
    const first = netTrainer();
    await first.fit(data, { epochs: 1, batchSize: 20 });
    const second = netTrainer();
    const loading = loadCheckpoint(second, await saveCheckpoint(first));
    const { steps } = await second.fit(data, { epochs: 1, batchSize: 20 });
    expect((await loading).run?.total).toBe(3);
    expect([steps.step, second.stepsMade]).toEqual([[4, 5, 6], 6]);
  });
});
