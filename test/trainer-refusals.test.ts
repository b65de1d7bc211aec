// What a Trainer refuses, each by name, and how it ends in the middle of its work.
import { describe, expect, it } from 'vitest';
import { type Backend, createCpuBackend } from '../src/backend.ts';
import { arrayDataset, type Values } from '../src/data/dataset.ts';
import { gradcheck } from '../src/explain/gradcheck.ts';
import { perturb } from '../src/explain/perturb.ts';
import { DeviceError, OptionError } from '../src/graph/errors.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { losses, nn, optim } from '../src/index.ts';
import {
  binaryCrossEntropyWithLogits,
  meanAbsoluteError,
  meanSquaredError,
  softmaxCrossEntropy,
} from '../src/loss/index.ts';
import { Linear } from '../src/nn/linear.ts';
import { sign } from '../src/ops/unary.ts';
import { adam } from '../src/optim/adam.ts';
import { sgd } from '../src/optim/sgd.ts';
import type { Examples } from '../src/train/batch.ts';
import type { FitEvent } from '../src/train/events.ts';
import { loadCheckpoint, loadWeights, saveCheckpoint, saveWeights } from '../src/train/files.ts';
import type { FitOptions } from '../src/train/run.ts';
import { Trainer } from '../src/train/trainer.ts';
import { blobs, Net, netTrainer, weightsOf } from './blobs.ts';

const data = blobs(300);

describe('what cannot be used is refused by name', () => {
  const fits: [string, RegExp, FitOptions][] = [
    [
      'a batch larger than the data, which dropLast leaves out',
      /^fit: batchSize is 301 and dropLast is true, but blobs has 300 examples, so no batch is left\. Use at most 300\.$/,
      { batchSize: 301, dropLast: true },
    ],
    ['a batch of 0', /fit: batchSize is 0/, { batchSize: 0 }],
    ['half an epoch', /fit: epochs is 0\.5/, { epochs: 0.5 }],
    ['no steps', /fit: maxSteps is 0/, { maxSteps: 0 }],
    ['an accuracy in percent', /^fit: targetAccuracy is 97\.5\. Give a fraction from 0 to 1/, { targetAccuracy: 97.5 }],
    ['a word for a switch', /^fit: shuffle is "no"\. Give true or false\.$/, { shuffle: 'no' as never }],
    [
      'a controller for its signal',
      /^fit: signal is an AbortController\. Give an AbortSignal: /,
      { signal: new AbortController() as never },
    ],
    [
      'a callback that nothing calls',
      /^callbacks: there is no hook onEpochEnd\. Did you mean onEpoch\?$/,
      { callbacks: [{ onEpochEnd: () => {} } as never] },
    ],
    [
      'one of a class',
      /^callbacks: there is no hook on_batch_end\. Did you mean onStep\?$/,
      {
        callbacks: new (class {
          onEpoch() {}
          on_batch_end() {}
        })(),
      },
    ],
    [
      'a callback without hooks',
      /^callbacks: an object has none of onStep, onEpoch, onWarning, onEnd\. Give it one of these\.$/,
      { callbacks: { best: 0 } as never },
    ],
    [
      'a hook that is no function',
      /^callbacks: onStep is 3\. Give a function\.$/,
      { callbacks: { onStep: 3 as never } },
    ],
  ];
  it.each(fits)('%s', async (_, message, options) => {
    await expect(netTrainer().fit(data, options)).rejects.toThrow(message);
  });

  it('a batch larger than the data is all of them, in warmUp and when resumed too', async () => {
    const [all, larger] = [netTrainer(), netTrainer()];
    await larger.warmUp(data, { batchSize: 1000 });
    await all.fit(data, { epochs: 2, batchSize: 300 });
    await larger.fit(data, { epochs: 1, batchSize: 1000 });
    await larger.fit(data, { epochs: 2, batchSize: 1000, resume: true });
    expect([larger.stepsMade, larger.run]).toEqual([2, all.run]);
    expect(await weightsOf(larger)).toEqual(await weightsOf(all));
  });

  const wrong: [string, RegExp, unknown][] = [
    ['epoch for epochs', /^fit: there is no option epoch\. Did you mean epochs\?$/, { epoch: 1 }],
    ['batchsize', /^fit: there is no option batchsize\. Did you mean batchSize\?$/, { batchsize: 8 }],
    ['an option unlike any', /^fit: there is no option colour\. Its options are epochs, maxSteps, /, { colour: 1 }],
    ['a number for options', /^fit: its options are 3\. Give an object of epochs, /, 3],
    ['divergence of no kind', /^fit: divergence is false\. Use 'stop', 'warn' or 'off'\.$/, { divergence: false }],
    ['events of no kind', /^fit: events is "steps"\. Use 'epoch' or 'step'\.$/, { events: 'steps' }],
    [
      'earlyStopping: true',
      /^earlyStopping: its options are true\. Give an object of patience, /,
      { maxSteps: 1, earlyStopping: true },
    ],
    [
      'patiense',
      /^earlyStopping: there is no option patiense\. Did you mean patience\?$/,
      { maxSteps: 1, earlyStopping: { patiense: 1 } },
    ],
  ];
  it.each(wrong)('%s in fit', async (_, message, options) => {
    const trainer = netTrainer();
    await expect(trainer.fit(data, options as never)).rejects.toThrow(message);
    await expect(trainer.fit(data, options as never)).rejects.toThrow(OptionError);
    expect((await trainer.fit(data, { maxSteps: 1 })).stopped).toBe('done');
  });

  it.each([null, { mean: 0 }, { mean: 0, std: 0 }])('a scale that is none: %j', async (scale) => {
    const trainer = netTrainer();
    const wrong = { ...data, scale } as unknown as Examples;
    const message =
      /^blobs: its scale is (null|an object)\. Give \{ mean, std \}, such as \{ mean: 0, std: 1 \}, or false\.$/;
    await expect(trainer.fit(wrong, { maxSteps: 1 })).rejects.toThrow(message);
    await expect(trainer.evaluate(wrong)).rejects.toThrow(message);
  });

  const tasks: [string, RegExp, object][] = [
    ['optimiser', /^trainer: there is no option optimiser\. Did you mean optimizer\?$/, { optimiser: sgd() }],
    [
      'no optimizer',
      /^trainer: the optimizer is undefined\. Give an optimizer such as optim\.adam\(\)/,
      { optimizer: undefined },
    ],
    ['an optimizer not called', /^trainer: the optimizer is the function adam\. /, { optimizer: adam }],
    ['no loss', /^trainer: the loss is undefined\. Give one of losses/, { loss: undefined }],
    [
      'a loss not made',
      /^trainer: the loss is a function that makes one\. Call it: losses\.huber\(\)\.$/,
      { loss: losses.huber },
    ],
    [
      'a loss without its options',
      /^trainer: the loss is a function that makes one\. Call it: losses\.meanSquaredError\.with\(\{ reduction \}\)\.$/,
      { loss: losses.meanSquaredError.with },
    ],
    [
      'one of several losses not made',
      /^trainer: the loss b is a function that makes one\. Call it: losses\.huber\(\)\.$/,
      { loss: { a: losses.meanSquaredError, b: losses.huber } },
    ],
    ['a loss by name', /^trainer: the loss is "mse"\. Give one of losses/, { loss: 'mse' }],
    [
      'the class of a model',
      /^trainer: the model is the class Net \(make an instance: new Net\(\)\)\. Give an object with a forward/,
      { model: Net },
    ],
    ['no model', /^trainer: the model is an object\. Give an object with a forward/, { model: {} }],
    ['a metric by name', /^trainer: the metric f1 is "f1"\. Give a function/, { metrics: { f1: 'f1' } }],
  ];
  it.each(tasks)('%s in new Trainer', (_, message, options) => {
    expect(() => netTrainer(options)).toThrow(message);
    expect(() => netTrainer(options)).toThrow(OptionError);
  });

  it('a backend that was not awaited', () => {
    const backend = Promise.resolve(createCpuBackend());
    expect(() => new Trainer(backend as never, {} as never)).toThrow(
      'trainer: the backend is a promise (await it). Pass a backend: await createBackend().',
    );
  });

  it('layers in #private fields, or made in forward', async () => {
    class Hidden {
      readonly out = new Linear(4, 3);
      readonly #hidden = new Linear(4, 4);
      forward(x: Tensor): Tensor {
        return this.out.forward(this.#hidden.forward(x));
      }
    }
    class Late {
      readonly out = new Linear(4, 3);
      forward(x: Tensor): Tensor {
        return this.out.forward(new Linear(4, 4).forward(x));
      }
    }
    for (const model of [new Hidden(), new Late()]) {
      const trainer = netTrainer({ model });
      await expect(trainer.fit(data, { epochs: 1 })).rejects.toThrow(
        /^train.*: it reads .*, which is not in any field of the model\. Keep layers in fields that are not #private, and create them once, not in forward\./,
      );
    }
  });

  it('labels tell how wide the model must be: a set may lack the last class, and no label may be past the classes', async () => {
    const trainer = netTrainer();
    await trainer.fit(data, { maxSteps: 1 });
    const x = data.x.data.slice(0, 16);
    const lacking = arrayDataset({ shape: [4, 4], data: x }, [0, 1, 1, 0]);
    expect(lacking.classes).toBe(2);
    expect((await trainer.evaluate(lacking)).loss).toBeGreaterThan(0);
    const plain = (...labels: number[]) => ({
      size: 4,
      x: { shape: [4, 4], data: x },
      y: { shape: [4], data: Uint8Array.from(labels) },
    });
    for (const call of [
      (set: Examples) => trainer.fit(set, { maxSteps: 1 }),
      (set: Examples) => trainer.evaluate(set),
    ]) {
      await expect(call(plain(0, 5, 1, 2))).rejects.toThrow(
        /^model: its output is \[4, 3\], but the data has 6 classes\. Make the last layer 6 wide/,
      );
      await expect(call({ ...plain(0, 1, 3, 2), classes: 3 })).rejects.toThrow(
        'data: the label of example 2 is 3, but the data has 3 classes. Give labels from 0 to 2, or a loss that ignores it: losses.softmaxCrossEntropy.with({ ignoreIndex: 3 }).',
      );
    }
  });

  it('a trainer that its model refers to is no part of the model', async () => {
    const model = Object.assign(new Net(), { trainer: undefined as Trainer | undefined });
    model.trainer = netTrainer({ model });
    const paths = model.trainer.parameters().map(({ path }) => path);
    expect(
      netTrainer({ model })
        .parameters()
        .map(({ path }) => path),
    ).toEqual(paths);
  });

  it('a forward, a loss or a metric that returns no Tensor', async () => {
    class Named extends Net {
      override forward(): Tensor {
        return 'logits' as never;
      }
    }
    const named = netTrainer({ model: new Named() });
    const message = 'model: its forward returned "logits". Return the Tensor of predictions.';
    await expect(named.fit(data, { epochs: 1 })).rejects.toThrow(message);
    await expect(named.predict(data.x)).rejects.toThrow(message);
    const wordless = netTrainer({ loss: () => undefined as never });
    await expect(wordless.fit(data, { epochs: 1 })).rejects.toThrow('loss: its function returned undefined.');
    const metric = netTrainer({ metrics: { f1: () => 3 as never } });
    await expect(metric.fit(data, { epochs: 1 })).rejects.toThrow('f1: its function returned 3.');
  });

  it('values and data sets that are neither', async () => {
    const trainer = netTrainer();
    const predict = (x: unknown) => trainer.predict(x as Values);
    await expect(predict(new Float32Array(4))).rejects.toThrow(
      'x: got a bare array of 4 numbers, but the shape of an example is not known yet. Give whole examples, or { shape: [rows, …], data }.',
    );
    await trainer.fit(data, { maxSteps: 1 });
    await expect(predict(new Float32Array(6))).rejects.toThrow(
      'x: got a bare array of 6 numbers, but the shape of an example is [4].',
    );
    await expect(predict([[1, 2], [3]])).rejects.toThrow('x[1]: expected a list of 2, got a list of 1.');
    await expect(predict({ shape: [1, 4], data: [1, 2, 3, 4] })).rejects.toThrow('x: got data that is an array.');
    await expect(predict(undefined)).rejects.toThrow(OptionError);
    const pair = { train: data, test: data } as never;
    for (const call of [() => trainer.fit(pair), () => trainer.evaluate(pair)])
      await expect(call()).rejects.toThrow('data: a pair is not a data set. Give one of its two sets: data.train');
    await expect(trainer.fit(undefined as never)).rejects.toThrow('data: undefined is not a data set.');
    await trainer.evaluate(data); // what a set was compiled for must not answer in place of the check
    for (const [what, call] of [
      ['evaluate', () => trainer.evaluate(data, { batchsize: 3 } as never)],
      ['gradcheck', () => gradcheck(trainer, data, { entrys: 3 } as never)],
      ['perturb', () => perturb(trainer, 'out.bias', [0], data, { dleta: 3 } as never)],
    ] as const)
      await expect(call()).rejects.toThrow(new RegExp(`^${what}: there is no option .* Did you mean `));
  });

  it.each<[string, unknown, object]>([
    ['data: an array of arrays', [[1]], [0]],
    ['data: an array of arrays', [[1]], { validationSplit: 0.5 }],
    ['data: an object', { x: [[1]], y: [0] }, {}],
  ])('%s where fit takes a data set', async (what, x, y) => {
    const trainer = netTrainer();
    for (const call of [() => trainer.fit(x as Examples, y), () => trainer.warmUp(x as Examples, y)])
      await expect(call()).rejects.toThrow(
        `${what} is not a data set. Give one, as in fit(datasets.array(x, y), { epochs: 5 }).`,
      );
  });

  it.each<[unknown, string]>([
    [[data.x, data.y], 'validation: an array is not a data set. Give one, such as datasets.array(x, y).'],
    [{ train: data, test: data }, 'validation: a pair is not a data set. Give one of its two sets:'],
    [{ ...data, name: undefined, y: { shape: [3], data: new Uint8Array(3) } }, 'validation: y [3] does not have 300 rows.'],
  ])('validation that is not a data set: %#', async (validation, message) => {
    await expect(netTrainer().fit(data, { epochs: 1, validation: validation as Examples })).rejects.toThrow(message);
  }); // biome-ignore format: a table

  it('data that is empty or does not fit', async () => {
    const trainer = netTrainer();
    const empty = {
      size: 0,
      x: { shape: [0, 4], data: new Float32Array() },
      y: { shape: [0], data: new Uint8Array() },
    };
    await expect(trainer.fit(empty, { epochs: 1 })).rejects.toThrow(
      'data: the data set is empty. Give at least one example.',
    );
    await expect(trainer.fit({ ...data, y: { shape: [3], data: new Uint8Array(3) } }, { epochs: 1 })).rejects.toThrow(
      'blobs: y [3] does not have 300 rows. Give one per example.',
    );
    await expect(netTrainer({ model: new Net(8, 5) }).fit(data, { epochs: 1 })).rejects.toThrow(
      /its output is \[32, 5\], but the data has 3 classes\. Make the last layer 3 wide\.$/,
    );
    const flat = arrayDataset(
      new Float32Array(30),
      Uint8Array.from({ length: 6 }, () => 0),
      { classes: 3 },
    );
    await expect(trainer.fit(flat, { epochs: 1, batchSize: 6 })).rejects.toThrow(
      /Linear hidden: expected the last axis to be 4/,
    );
  });

  it.each([
    ['yes or no', binaryCrossEntropyWithLogits, 1, "It takes no class indices: make the data with { targets: 'values' }, and the last layer 1 wide."],
    ['yes or no, an output a class', binaryCrossEntropyWithLogits, 2, "make the data with { targets: 'values' }, and the last layer 1 wide."],
    ['distances', meanAbsoluteError, 2, "make the data with { targets: 'values' }, and the last layer 1 wide."],
    ['numbers', meanSquaredError, 1, "Make the last layer 2 wide, or, for regression, make the data with { targets: 'values' }."],
    ['one class out of many', softmaxCrossEntropy, 1, /^model: its output is \[4, 1\], but the data has 2 classes\. Make the last layer 2 wide\.$/],
  ])('class indices for a loss of %s, with what that takes', async (_, loss, outputs, advice) => {
    const xor = arrayDataset([[0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]], [0, 1, 1, 0]);
    const trainer = netTrainer({ model: new Net(4, outputs), loss });
    await expect(trainer.fit(xor, { epochs: 1 })).rejects.toThrow(advice);
    const values = arrayDataset(xor.x, [0, 1, 1, 0], { targets: 'values' });
    if (loss !== softmaxCrossEntropy) await netTrainer({ model: new Net(4, 1), loss }).fit(values, { epochs: 1 });
  }); // biome-ignore format: a table

  it('a parameter that gets no gradient, naming what blocked it', async () => {
    class Blocked extends Net {
      override forward(x: Tensor): Tensor {
        return this.out.forward(sign(this.hidden.forward(x)));
      }
    }
    await expect(netTrainer({ model: new Blocked() }).fit(data, { epochs: 1 })).rejects.toThrow(
      /hidden\.weight gets no gradient from the loss: no gradient flows through sign/,
    );
    class Unused extends Net {
      spare = new Linear(2, 2);
    }
    await expect(netTrainer({ model: new Unused() }).fit(data, { epochs: 1 })).rejects.toThrow(
      /spare\.weight gets no gradient from the loss: .*does not depend on/,
    );
  });
});

describe('what other libraries take', () => {
  const setAndOptions = 'Give one data set and options: fit(datasets.array(x, y), { epochs: 5 }).';
  it.each([
    [
      'fit(x, y, options)',
      (t: Trainer) => (t.fit as Loose)(data.x, data.y, { epochs: 1 }),
      `fit: an object is one argument too many. ${setAndOptions}`,
    ],
    [
      'warmUp(x, y, options)',
      (t: Trainer) => (t.warmUp as Loose)(data.x, data.y, { epochs: 1 }),
      `warmUp: an object is one argument too many. ${setAndOptions}`,
    ],
    [
      'validation_split',
      (t: Trainer) => (t.fit as Loose)(data, { validation_split: 0.2 }),
      'fit: there is no option validation_split. Did you mean validationSplit?',
    ],
    [
      'saveCheckpoint(trainer, path)',
      (t: Trainer) => saveCheckpoint(t, 'run.safetensors'),
      'saveCheckpoint: the configuration is "run.safetensors". Give an object; to write a file, use await writeFile(path, await saveCheckpoint(trainer)).',
    ],
  ])('%s is answered with what to write', async (_, act, message) => {
    await expect(Promise.resolve(act(netTrainer()))).rejects.toThrow(message);
  });

  it.each(['learning_rate', 'learningRate'])('%s is lr', (name) => {
    expect(() => optim.adam({ [name]: 0.1 })).toThrow(`adam: there is no option ${name}. Did you mean lr?`);
  });

  it('a loss where the trainer is made has arguments with types', async () => {
    const cpu = createCpuBackend();
    const model = new nn.Linear(2, 2);
    const own = new Trainer(cpu, { model, loss: (p, t) => p.sub(t).square().mean(), optimizer: optim.adam() });
    const both = { model, forward: (x: Tensor) => ({ a: model.forward(x), b: x }) };
    const loss = { a: losses.meanSquaredError, b: (p: Tensor, t: Tensor) => p.sub(t).square().mean() };
    const parts = new Trainer(cpu, { model: both, loss, optimizer: optim.adam() });
    const inline = { model: both, optimizer: optim.adam() };
    const whole = new Trainer(cpu, { ...inline, loss: (p, t) => p.a.sub(t.b).square().mean() });
    const each = new Trainer(cpu, { ...inline, loss: { a: (p, t) => p.sub(t).mean(), b: (p, t) => p.mul(t).mean() } });
    for (const trainer of [own, parts, whole, each]) trainer.dispose();
  });
});

type Loose = (...given: unknown[]) => Promise<unknown>;

describe('dispose', () => {
  const gone = 'trainer: it was disposed. Create a new one with new Trainer(…).';
  const held = ({ state }: Trainer) => state.storage.has(state.step);

  it('refuses everything after it, and may be called twice', async () => {
    const trainer = netTrainer();
    await trainer.fit(data, { maxSteps: 2 });
    const bytes = await saveCheckpoint(trainer);
    trainer.dispose();
    expect(held(trainer)).toBe(false);
    trainer.dispose();
    const calls: (() => Promise<unknown>)[] = [
      () => trainer.evaluate(data),
      () => trainer.fit(data, { epochs: 1 }),
      () => trainer.warmUp(data),
      () => trainer.predict(data.x),
      () => trainer.inspect(data.x),
      () => gradcheck(trainer),
      () => perturb(trainer, 'out.bias', [0]),
      () => saveCheckpoint(trainer),
      () => saveWeights(trainer),
      () => loadCheckpoint(trainer, bytes),
      () => loadWeights(trainer, bytes),
      () => trainer.fit(data).step(),
      () => trainer.state.read('out.bias'),
      () => trainer.state.snapshot(),
    ];
    for (const call of calls) {
      await expect(call()).rejects.toThrow(DeviceError);
      await expect(call()).rejects.toThrow(gone);
    }
    expect(() => trainer.state.write('out.bias', new Float32Array(3))).toThrow(gone);
    const symbol = (Symbol as { dispose?: symbol }).dispose;
    if (symbol) expect(typeof (trainer as unknown as Record<symbol, unknown>)[symbol]).toBe('function');
  });

  it.each(['epoch', 'step'] as const)(
    'within a loop over %ss ends it with an error, or without where it is left',
    async (events) => {
      const trainer = netTrainer({ submitMs: 1 });
      const seen: FitEvent[] = [];
      const run = async (leave: boolean, trainer: Trainer) => {
        for await (const e of trainer.fit(data, { epochs: 50, batchSize: 8, events: events as 'step' })) {
          seen.push(e);
          trainer.dispose();
          if (leave) break;
        }
      };
      await expect(run(false, trainer)).rejects.toThrow(gone);
      expect(seen).toHaveLength(1);
      expect(held(trainer)).toBe(false);
      const other = netTrainer();
      await run(true, other);
      expect(held(other)).toBe(false);
    },
  );

  it('within a callback, and while paused', async () => {
    const inside = netTrainer();
    await expect(inside.fit(data, { epochs: 9, onStep: () => inside.dispose() })).rejects.toThrow(gone);
    expect(inside.history.steps.step).toEqual([1]);
    expect(held(inside)).toBe(false);
    const paused = netTrainer();
    const run = paused.fit(data, { epochs: 1000 });
    run.pause();
    setTimeout(() => paused.dispose(), 20);
    await expect(run).rejects.toThrow(gone);
    const standing = netTrainer();
    const read = standing.fit(data, { epochs: 2 });
    await read.next();
    standing.dispose();
    await expect(read.step()).rejects.toThrow(gone);
    await read.return();
  });

  it('of a stream that nobody goes on with waits for its submits only', async () => {
    const { backend, log } = slowBackend();
    const trainer = new Trainer(backend, slowTask());
    const stream = trainer.fit(data, { maxSteps: 30, batchSize: 8, events: 'step' });
    // The first submit has one step, and its time is awaited; then several are under way, unless this process was stalled.
    const count = (what: string) => log.filter((entry) => entry === what).length;
    for (let k = 0; k < 3 || count('submitted') === count('done'); k++) await stream.next();
    log.length = 0;
    trainer.dispose();
    expect(held(trainer)).toBe(true);
    while (held(trainer)) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(log[0]).toBe('done');
    expect(log.indexOf('program disposed')).toBe(log.lastIndexOf('done') + 1);
    await expect(stream.next()).rejects.toThrow(gone);
  });

  it('while evaluations are pending rejects them, and releases when their submits are done', async () => {
    const { backend, log } = slowBackend();
    const trainer = new Trainer(backend, slowTask());
    await trainer.evaluate(data, { batchSize: 8 });
    log.length = 0;
    const pending = [1, 2].map(() => trainer.evaluate(data, { batchSize: 8 }));
    while (log.length === 0) await new Promise((resolve) => setTimeout(resolve));
    expect(log).toEqual(['submitted']);
    trainer.dispose();
    expect(held(trainer)).toBe(true);
    for (const { status, reason } of (await Promise.allSettled(pending)) as PromiseRejectedResult[])
      expect([status, String(reason)]).toEqual(['rejected', `DeviceError: ${gone}`]);
    expect(held(trainer)).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(log.slice(0, 2)).toEqual(['submitted', 'done']);
    expect(new Set(log.slice(2))).toEqual(new Set(['program disposed']));
  });

  const slowTask = () => ({ model: new Net(), loss: softmaxCrossEntropy, optimizer: sgd() });

  /** The CPU, whose submits are done one after another in 10 ms a step, as a GPU's are; what happens to its programs is noted. */
  function slowBackend(): { backend: Backend; log: string[] } {
    const backend = createCpuBackend();
    const log: string[] = [];
    let queue: Promise<unknown> = Promise.resolve();
    const { executor } = backend;
    const compile = executor.compile.bind(executor);
    executor.compile = async (recipe, options) => {
      const program = await compile(recipe, options);
      const submit = program.submit.bind(program);
      const dispose = program.dispose.bind(program);
      program.submit = (steps, read) => {
        log.push('submitted');
        const { values } = submit(steps, read);
        queue = queue
          .then(() => new Promise((resolve) => setTimeout(resolve, 10 * steps)))
          .then(() => log.push('done'));
        const done = queue;
        return { steps, values: () => done.then(values) };
      };
      program.dispose = () => {
        log.push('program disposed');
        dispose();
      };
      return program;
    };
    return { backend, log };
  }
});

describe('x that is not as the examples that a model knows', () => {
  const trainer = netTrainer({ inputShape: [4] });
  const [x, y] = [
    { shape: [2, 3], data: new Float32Array(6) },
    { shape: [2], data: Uint32Array.of(0, 1) },
  ];
  const wrong = 'x: examples have shape [3], but the model expects [4]. Give [N, 4].';
  it.each<[string, () => Promise<unknown>, string]>([
    ['a list of numbers', () => trainer.predict([0, 0, 0, 0]), 'x: it has the shape [4] of a single example. Give a list of examples, such as [x].'],
    ['a list of as many as the next program has rows', () => trainer.predictClasses([0, 0]), 'x: it has the shape [2] of a single example. Give a list of examples, such as [x].'],
    ['shorter rows', () => trainer.predict([[1, 2, 3]]), wrong],
    ['values', () => trainer.predictProbabilities(x), wrong],
    ['a data set to predict', () => trainer.predict({ x }), wrong],
    ['a batch to look at', () => trainer.inspect(x, y), wrong],
    ['a batch to train on', () => trainer.trainOnBatch(x, y), wrong],
    ['a data set', () => trainer.evaluate({ size: 2, x, y }), wrong],
  ])('is told by itself: %s', async (_, call, message) => {
    await expect(call()).rejects.toThrow(message);
  }); // biome-ignore format: a table

  it('is taken where the model takes it', async () => {
    class PerToken {
      out = new Linear(4, 2);
      forward = (x: Tensor) => this.out.forward(x);
    }
    const tokens = netTrainer({ model: new PerToken(), inputShape: [5, 4] });
    expect((await tokens.predict([[[1, 2, 3, 4], [5, 6, 7, 8]]])).shape).toEqual([1, 2, 2]); // biome-ignore format: one list
    const one = netTrainer({ model: new Linear(1, 3), inputShape: [1] });
    expect((await one.predict([1, 2])).shape).toEqual([2, 3]);
  });
});
