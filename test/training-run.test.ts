// A run as fit returns it: read event by event, or awaited; by one consumer, and not before it is asked.
import { describe, expect, it } from 'vitest';
import { arrayDataset } from '../src/data/dataset.ts';
import { OptionError } from '../src/graph/errors.ts';
import { meanSquaredError } from '../src/loss/index.ts';
import { Linear } from '../src/nn/linear.ts';
import { sgd } from '../src/optim/sgd.ts';
import { blobs, collect, netTrainer, weightsOf } from './blobs.ts';

const data = blobs(60);

describe('a run', () => {
  it('trains to its end where it is awaited, as reading it does', async () => {
    const [awaited, read] = [netTrainer(), netTrainer()];
    const history = await awaited.fit(data, { epochs: 2 });
    await collect(read.fit(data, { epochs: 2 }));
    expect(history).toBe(awaited.history);
    expect(history).toMatchObject({ stopped: 'done', steps: { step: [1, 2, 3, 4] } });
    expect(await weightsOf(awaited)).toEqual(await weightsOf(read));
  });

  it('begins at the first request', async () => {
    const trainer = netTrainer();
    const run = trainer.fit(data, { epochs: 1 });
    await trainer.fit(data, { maxSteps: 1 }); // nothing is under way
    expect(trainer.stepsMade).toBe(1);
    expect((await run).stopped).toBe('done');
    expect(trainer.stepsMade).toBe(3);
  });

  it('awaited twice, or by two, runs once', async () => {
    const trainer = netTrainer();
    const run = trainer.fit(data, { epochs: 1 });
    expect(await Promise.all([run, run])).toEqual([trainer.history, trainer.history]);
    await run;
    expect(trainer.stepsMade).toBe(2);
  });

  it('gives the history after its events were read to the end, or left', async () => {
    const trainer = netTrainer();
    const run = trainer.fit(data, { epochs: 1 });
    await collect(run);
    expect(await run).toBe(trainer.history);
    const left = trainer.fit(data, { epochs: 2 });
    for await (const _ of left) break;
    expect((await left).stopped).toBe('stopped');
  });

  it('takes one consumer', async () => {
    const trainer = netTrainer();
    const run = trainer.fit(data, { epochs: 2 });
    for await (const _ of run) {
      await expect(run).rejects.toThrow(
        'fit: the events of this run are being read, so it cannot be awaited. Use trainer.history after the loop.',
      );
      await expect(collect(run)).rejects.toThrow(
        'fit: the events of this run are already being read. Call fit for another run.',
      );
    }
    expect(trainer.stepsMade).toBe(4);
    const awaited = trainer.fit(data, { epochs: 1 });
    const end = awaited.then(() => {});
    await expect(awaited.next()).rejects.toThrow(OptionError);
    await expect(awaited.next()).rejects.toThrow(/^fit: this run is awaited, so its events cannot be read\./);
    await end;
  });

  it('begins with a step, goes on when it is resumed, and is then awaited', async () => {
    const trainer = netTrainer();
    const run = trainer.fit(data, { epochs: 2 });
    expect([(await run.step())?.step, (await run.step())?.step]).toEqual([1, 2]);
    expect([run.paused, trainer.stepsMade]).toEqual([true, 2]);
    await expect(trainer.fit(data)).rejects.toThrow(
      'fit: a run is in progress, and paused. Wait for its end, leave its loop, or call its stop().',
    );
    expect(run.done).toBe(false);
    expect((await run).steps.step).toEqual([1, 2, 3, 4]);
    expect([run.done, await run.step()]).toEqual([true, undefined]);
  });

  it('begins with a step, and is then read', async () => {
    const trainer = netTrainer();
    const run = trainer.fit(data, { epochs: 2, events: 'step' });
    await run.step();
    await run.step();
    const events = await collect(run);
    expect(events.filter(({ type }) => type === 'step').map(({ step }) => step)).toEqual([3, 4]);
    await expect(run.step()).resolves.toBeUndefined();
  });

  it('is made of steps alone', async () => {
    const trainer = netTrainer();
    const run = trainer.fit(data, { epochs: 2 });
    const steps: number[] = [];
    for (let event = await run.step(); event; event = await run.step()) steps.push(event.step);
    expect([steps, run.done, trainer.history.stopped]).toEqual([[1, 2, 3, 4], true, 'done']);
    await trainer.fit(data, { maxSteps: 1 });
  });

  it('waits at its beginning where it was paused before', async () => {
    const trainer = netTrainer();
    const run = trainer.fit(data, { epochs: 1 });
    run.pause();
    const end = run.then(({ stopped }) => stopped);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([trainer.stepsMade, run.paused]).toEqual([0, true]);
    run.resume();
    expect(await end).toBe('done');
    run.pause(); // of a run that is over: nothing
    expect(run.paused).toBe(false);
  });

  it.each(['going', 'paused', 'read'])('stops: %s', async (how) => {
    const trainer = netTrainer();
    const run = trainer.fit(data, {
      epochs: 1e6,
      onStep: ({ step }) => void (step === 3 && how !== 'paused' && run.stop()),
    });
    if (how === 'paused') expect((await run.step())?.step).toBe(1);
    if (how === 'paused') setTimeout(() => run.stop(), 20);
    if (how === 'read') await collect(run);
    expect((await run).stopped).toBe('stopped');
    expect(trainer.stepsMade).toBeLessThan(2000);
    await trainer.fit(data, { maxSteps: 1 });
  });

  it('rejects with what ended it, read or awaited', async () => {
    const explosive = async () =>
      netTrainer({ model: new Linear(1, 1), loss: meanSquaredError, optimizer: sgd({ lr: 1e30 }) });
    const line = arrayDataset([[1], [2], [3]], [2.5, 4.5, 6.5]);
    const awaited = (await explosive()).fit(line, { epochs: 9 });
    await expect(awaited).rejects.toThrow(/not finite/);
    await expect(awaited).rejects.toThrow(/not finite/);
    const read = (await explosive()).fit(line, { epochs: 9 });
    await expect(collect(read)).rejects.toThrow(/not finite/);
    await expect(read).rejects.toThrow(/not finite/);
    await expect(netTrainer().fit(data, { epochs: 0 })).rejects.toThrow(/fit: epochs is 0/);
  });
});
