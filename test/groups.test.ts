// Parameter groups: which parameters they get, that each moves by its own rule and rate (against steps by hand), what runs report of
// them, and that they are saved and resumed.
import { describe, expect, it } from 'vitest';
import { createCpuBackend } from '../src/backend.ts';
import { explainStep } from '../src/explain/explain-step.ts';
import { lrFind } from '../src/explain/lr-find.ts';
import { OptionError } from '../src/graph/errors.ts';
import type { PathMatch } from '../src/graph/path-match.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { parameter } from '../src/nn/layer.ts';
import { sum } from '../src/ops/index.ts';
import * as optim from '../src/optim/index.ts';
import { describeCheckpoint } from '../src/train/checkpoint.ts';
import type { StepEvent } from '../src/train/events.ts';
import { loadCheckpoint, saveCheckpoint } from '../src/train/files.ts';
import * as presets from '../src/train/presets.ts';
import { State } from '../src/train/state.ts';
import { Trainer } from '../src/train/trainer.ts';
import { blobs, collect, Net, netTrainer, weightsOf } from './blobs.ts';
import { adagradByHand, adamByHand, momentumByHand, rmsByHand } from './optim-by-hand.ts';
import { A, B, byHand, type Element, N, row, STEPS, Sums, sumsData } from './sums.ts';
import { rows } from './training-steps.ts';

/** a and b after as many steps as there are rows, in doubles. */
async function trainSums(optimizer: optim.Optimizer): Promise<Record<string, number[]>> {
  const backend = createCpuBackend({ precision: 'float64' });
  const trainer = new Trainer(backend, { model: new Sums(), loss: (y: Tensor) => sum(y), optimizer });
  await trainer.fit(sumsData, { epochs: 1, batchSize: 1, shuffle: false, divergence: 'off' });
  return weightsOf(trainer);
}

// Rates that f32 holds exactly, as the table on the device does.
const cases: readonly [string, optim.Optimizer, Element, Element][] = [
  [
    'sgd: weight decay and rate',
    optim.sgd(0.5, { weightDecay: 0.1, groups: [{ match: 'b', weightDecay: 0, lr: 0.125 }] }),
    () => (p, g) => p - 0.5 * (g + 0.1 * p),
    () => (p, g) => p - 0.125 * g,
  ],
  [
    'sgd: momentum in a group alone, and lrScale',
    optim.sgd(0.5, { groups: [{ match: 'b', momentum: 0.9, nesterov: true, lrScale: 0.25 }] }),
    () => (p, g) => p - 0.5 * g,
    momentumByHand(0.125, 0.9, true, 0),
  ],
  [
    'adam: betas and eps',
    optim.adam(0.125, { groups: [{ match: 'b', beta1: 0.5, beta2: 0.75, eps: 1e-3 }] }),
    adamByHand(0.125, 0.9, 0.999, 1e-8, 0, 0),
    adamByHand(0.125, 0.5, 0.75, 1e-3, 0, 0),
  ],
  [
    'adamW: no decay in a group',
    optim.adamW(0.125, { weightDecay: 0.25, groups: [{ match: 'b', weightDecay: 0, lr: 0.5 }] }),
    adamByHand(0.125, 0.9, 0.999, 1e-8, 0, 0.25),
    adamByHand(0.5, 0.9, 0.999, 1e-8, 0, 0),
  ],
  [
    'rmsProp: centered with momentum in a group',
    optim.rmsProp(0.125, { groups: [{ match: 'b', alpha: 0.5, centered: true, momentum: 0.75, weightDecay: 0.1 }] }),
    rmsByHand(0.125, 0.99, 1e-8, false, 0, 0),
    rmsByHand(0.125, 0.5, 1e-8, true, 0.75, 0.1),
  ],
  [
    'adagrad: accumulators of their own',
    optim.adagrad(0.125, { groups: [{ match: 'b', initialAccumulator: 0.5, lrDecay: 0.1, lrScale: 2 }] }),
    adagradByHand(0.125, 0, 0, 0, 1e-10),
    adagradByHand(0.25, 0.1, 0, 0.5, 1e-10),
  ],
];

describe('each group moves by its own rule and rate', () => {
  it.each(cases)('%s', async (_, optimizer, a, b) => {
    const weights = await trainSums(optimizer);
    for (const [k, wanted] of byHand(A, 1, a).entries()) expect(weights['a']![k]).toBeCloseTo(wanted, 7);
    for (const [k, wanted] of byHand(B, 2, b).entries()) expect(weights['b']![k]).toBeCloseTo(wanted, 7);
  });

  it('after gradients are clipped by the norm of all groups together', async () => {
    const weights = await trainSums(optim.sgd(0.5, { clipNorm: 0.5, groups: [{ match: 'b', lr: 0.125 }] }));
    const [a, b] = [[...A], [...B]];
    for (let t = 0; t < STEPS; t++) {
      const norm = Math.hypot(...row(t), ...row(t).map((g) => 2 * g));
      const scale = Math.min(0.5 / (norm + 1e-6), 1);
      for (const [i, g] of row(t).entries()) {
        a[i]! -= 0.5 * scale * g;
        b[i]! -= 0.125 * scale * 2 * g;
      }
    }
    for (let i = 0; i < N; i++) expect(weights['a']![i]).toBeCloseTo(a[i]!, 7);
    for (let i = 0; i < N; i++) expect(weights['b']![i]).toBeCloseTo(b[i]!, 7);
  });
});

const model = () => ({ enc: new Net(), enc2: new Net(), scale: parameter([1], () => Float32Array.of(1)) });

/** The paths that each group gets, the default group's last. */
function pathsOf(...matches: readonly PathMatch[]): string[][] {
  const { executor } = createCpuBackend();
  const optimizer = optim.adam({ groups: matches.map((match) => ({ match })) });
  const state = new State(executor, { model: model(), optimizer, seed: 0 });
  const of = (k: number | undefined) =>
    state.arenas.filter(({ group }) => group === k).flatMap(({ members }) => members.map(({ path }) => path));
  const paths = [...matches.keys(), undefined].map(of);
  state.dispose();
  return paths;
}

const layer = (name: string) => [`${name}.weight`, `${name}.bias`];

describe('a group matches', () => {
  it('a path, or the start of some up to a dot', () => {
    expect(pathsOf('enc.hidden.bias', 'enc', 'scale')).toEqual([
      ['enc.hidden.bias'],
      ['enc.hidden.weight', ...layer('enc.out')],
      ['scale'],
      [...layer('enc2.hidden'), ...layer('enc2.out')],
    ]);
  });

  it('what a RegExp is found in, whatever its flags, and what a function says', () => {
    const [biases, small, rest] = pathsOf(/bias$/g, (path, variable) => path !== 'x' && variable.size === 1);
    expect(biases).toEqual(['enc.hidden.bias', 'enc.out.bias', 'enc2.hidden.bias', 'enc2.out.bias']);
    expect(small).toEqual(['scale']);
    expect(rest).toHaveLength(4);
  });

  it('any pattern of an array', () => {
    expect(pathsOf(['scale', /^enc\.hidden/, (path) => path === 'enc2.out.bias'])[0]).toEqual([
      ...layer('enc.hidden'),
      'enc2.out.bias',
      'scale',
    ]);
  });

  const refused: readonly [string, readonly PathMatch[], string][] = [
    [
      'no path',
      ['en'],
      'adam: groups[0]: "en" matches no parameter. The parameters: enc.hidden.weight, enc.hidden.bias',
    ],
    ['none by a RegExp', ['enc', /nothing/i], 'adam: groups[1]: /nothing/i matches no parameter. The parameters:'],
    ['nothing by a part of an array', [['enc', 'typo']], 'adam: groups[0]: "typo" matches no parameter'],
    [
      'what earlier groups have',
      ['enc', layer('enc.out')],
      'adam: groups[1] matches enc.out.weight, enc.out.bias, which',
    ],
  ];
  it.each(refused)('but not %s', (_, matches, message) => {
    expect(() => pathsOf(...matches)).toThrow(OptionError);
    expect(() => pathsOf(...matches)).toThrow(message);
  });

  it('and may have all parameters', () => {
    expect(pathsOf(() => true)[1]).toEqual([]);
  });
});

describe('options of groups', () => {
  const refused: readonly [string, unknown, string][] = [
    ['no array', { match: 'a' }, 'adamW: groups is an object. Give an array.'],
    [
      'no match',
      [{ weightDecay: 0 }],
      "adamW: groups[0]: match is undefined. Give a path or the start of some ('encoder')",
    ],
    ['an empty path', [{ match: '' }], 'adamW: groups[0]: match is ""'],
    ['both rates', [{ match: 'a', lr: 0.1, lrScale: 2 }], 'adamW: groups[0]: both lr and lrScale are given.'],
    ['a rate of 0', [{ match: 'a', lr: 0 }], 'adamW: groups[0]: lr is 0.'],
    [
      'a factor below 0',
      [{ match: 'a', lrScale: -1 }],
      'adamW: groups[0]: lrScale is -1. Give a finite number above 0.',
    ],
    ['a bad number', [{ match: 'a' }, { match: 'b', beta1: 2 }], 'adamW: groups[1]: beta1 is 2. Use 0 <= beta1 < 1.'],
    ['clipping', [{ match: 'a', clipNorm: 1 }], 'adamW: groups[0]: there is no option clipNorm.'],
    ['unknown ones', [{ match: 'a', momentum: 1 }], 'adamW: groups[0]: there is no option momentum.'],
  ];
  it.each(refused)('refuse %s', (_, groups, message) => {
    expect(() => optim.adamW({ groups } as never)).toThrow(OptionError);
    expect(() => optim.adamW({ groups } as never)).toThrow(message);
  });

  it("are the optimizer's where a group has none of its own, and none make no groups", () => {
    const { groups } = optim.sgd(0.1, { momentum: 0.5, weightDecay: 0.1, groups: [{ match: 'a', weightDecay: 0 }] });
    expect(groups![0]!.options).toEqual({ momentum: 0.5, nesterov: false, weightDecay: 0 });
    expect(optim.sgd(0.1, { groups: [] }).groups).toBeUndefined();
  });

  it('are refused of an optimizer that is not of this package too', () => {
    const groups = [{ match: 'a' }] as never;
    const own = { ...optim.sgd(0.1), groups };
    expect(() => netTrainer({ optimizer: own })).toThrow(
      'trainer: groups[0] is an object. Give it slots and an update.',
    );
  });
});

describe('rates of groups', () => {
  const data = blobs(60);
  const eventsOf = (optimizer: optim.Optimizer) =>
    collect(netTrainer({ optimizer }).fit(data, { epochs: 1, batchSize: 20, events: 'step' }));

  it('are reported with each step and epoch where they differ', async () => {
    const lr = optim.linear(0.5, { end: 0.125 });
    const groups = [
      { match: 'hidden.bias', lr: optim.cosine(0.1) },
      { match: 'hidden', lrScale: 0.5 },
      { match: 'out.bias', weightDecay: 0.1 },
    ];
    const events = await eventsOf(optim.sgd(lr, { groups }));
    const wanted = [0, 1, 2].map((t) => {
      const shared = lr(t, 3);
      return [shared, [optim.cosine(0.1)(t, 3), shared * 0.5, shared]];
    });
    const steps = events.filter((e): e is StepEvent => e.type === 'step');
    expect(steps.map(({ learningRate, learningRates }) => [learningRate, learningRates])).toEqual(wanted);
    expect(events.at(-1)).toMatchObject({ type: 'epoch', learningRates: wanted[2]![1] });
  });

  it('are not reported where none differs', async () => {
    for (const event of await eventsOf(optim.sgd(0.1, { groups: [{ match: 'hidden', weightDecay: 0.1, lrScale: 1 }] })))
      expect(event).not.toHaveProperty('learningRates');
  });

  it('follow a rate set by hand where they are scaled, and keep their own', async () => {
    const groups = [
      { match: 'hidden', lrScale: 0.5 },
      { match: 'out.bias', lr: 0.25 },
    ];
    const trainer = netTrainer({ optimizer: optim.sgd(0.1, { groups }) });
    trainer.learningRate = 0.5;
    const { x, y } = data;
    const event = await trainer.trainOnBatch(x, y);
    expect(event).toMatchObject({ learningRate: 0.5, learningRates: [0.25, 0.25] });
    expect(trainer.learningRate).toBe(0.5);
  });

  it("that need the run's length say so before it begins", async () => {
    const trainer = netTrainer({ optimizer: optim.sgd(0.1, { groups: [{ match: 'out', lr: optim.cosine(0.1) }] }) });
    await expect(trainer.trainOnBatch(data.x, data.y)).rejects.toThrow('cosine: the number of steps is not known');
  });

  it('stay as they are while lrFind moves the shared one', async () => {
    const trainer = netTrainer({ optimizer: optim.sgd(0.1, { groups: [{ match: 'out', lr: 0.05 }] }) });
    const before = await weightsOf(trainer);
    expect((await lrFind(trainer, data, { batchSize: 20, steps: 30 })).rates.length).toBeGreaterThan(5);
    expect(await weightsOf(trainer)).toEqual(before);
  });
});

describe('checkpoints with groups', () => {
  const data = blobs(100);
  const optimizer = () =>
    optim.sgd(optim.cosine(0.5), {
      momentum: 0.9,
      clipNorm: 1,
      groups: [
        { match: /bias/, momentum: 0, lrScale: 0.5 },
        { match: 'out', lr: optim.linear(0.1), weightDecay: 0.01 },
      ],
    });
  const run = { maxSteps: 20, batchSize: 16 };

  it('are resumed bit for bit', async () => {
    const [whole, half, other] = [1, 2, 3].map(() => netTrainer({ optimizer: optimizer() }));
    await whole!.fit(data, run);
    for await (const { step } of half!.fit(data, { ...run, events: 'step' })) if (step === 9) break;
    await loadCheckpoint(other!, await saveCheckpoint(half!));
    await other!.fit(data, { ...run, resume: true });
    expect(await weightsOf(other!)).toEqual(await weightsOf(whole!));
  });

  it('describe each group by its paths, from which the optimizer can be made again', async () => {
    const trainer = netTrainer({ optimizer: optimizer() });
    const saved = describeCheckpoint(await saveCheckpoint(trainer));
    expect(saved.optimizer.groups!.map(({ match }) => match)).toEqual([['hidden.bias', 'out.bias'], ['out.weight']]);
    const again = optim.optimizerFrom(saved.optimizer);
    expect(again.groups!.map(({ options, lrScale }) => [options, lrScale])).toEqual(
      optimizer().groups!.map(({ options, lrScale }) => [options, lrScale]),
    );
    expect((again.groups![1]!.lr as optim.Schedule).description).toMatchObject({ name: 'linear', lr: 0.1 });
  });

  it('fit other groups of the same moments, and refuse others by name', async () => {
    const checkpoint = await saveCheckpoint(netTrainer({ optimizer: optimizer() }));
    const groups = [{ match: ['hidden.bias', 'out.bias'], momentum: 0, lr: 1 }];
    await loadCheckpoint(netTrainer({ optimizer: optim.sgd(0.1, { momentum: 0.5, groups }) }), checkpoint);
    const all = netTrainer({ optimizer: optim.sgd(0.1, { momentum: 0.9 }) });
    await expect(loadCheckpoint(all, checkpoint)).rejects.toThrow('"optimizer.momentum.hidden.bias" is missing');
  });

  it('descriptions keep strings, RegExps and schedules, and name what was a function', () => {
    const groups = [{ match: ['a', /b/i], lr: optim.cosine(0.1), beta1: 0.5 }];
    const text = JSON.stringify(optim.describe(optim.adam({ lr: 0.1, clipNorm: 1, groups })));
    const again = optim.optimizerFrom(JSON.parse(text));
    expect(again.groups![0]).toMatchObject({ match: ['a', /b/i], options: { beta1: 0.5, beta2: 0.999 } });
    expect(JSON.stringify(optim.describe(again))).toBe(text);
    const from = (group: object) => () =>
      optim.optimizerFrom(JSON.parse(JSON.stringify(optim.describe(optim.adam({ groups: [group as never] })))));
    expect(from({ match: () => true })).toThrow(
      'adam: groups[0]: its match was a custom function, which is not saved.',
    );
    expect(from({ match: 'a', lr: () => 1 })).toThrow('adam: groups[0]: its learning rate was a custom function');
  });
});

// WebGPU promises 8 storage buffers to a dispatch: arenas of several groups share one.
it.each([
  ['software', presets.mlp, [4, 4, 4]],
  ['gpu', presets.mlp, [4, 4, 4]],
  ['webgpu-default', presets.mlp, [7, 7, 9]],
  ['software', presets.classic, [4, 4, 4]],
  ['gpu', presets.classic, [3, 3, 3]],
  ['webgpu-default', presets.classic, [5, 5, 8]],
] as const)('a step of two groups takes few dispatches: %s', (as, preset, wanted) => {
  const data = rows(200, [28, 28], 10);
  const countOf = (...groups: readonly object[]) => {
    const optimizer = optim.adamW({ lr: 0.1, groups: groups as never });
    const { batchSize } = preset.defaults;
    return explainStep({ model: preset.model(), loss: preset.loss, optimizer, data, batchSize, as }).counts.dispatches;
  };
  const decay = { match: /bias/, weightDecay: 0 };
  expect([countOf(), countOf(decay), countOf({ ...decay, lr: 0.01 })]).toEqual(wanted);
});

it('groups are arenas of their own', () => {
  const { executor } = createCpuBackend();
  const optimizer = optim.adam({ groups: [{ match: 'out' }] });
  const state = (maxArenaBytes?: number) =>
    new State(executor, { model: new Net(), optimizer, seed: 0, maxArenaBytes });
  expect(state().arenas.map(({ group, members }) => [group, members.length])).toEqual([
    [undefined, 2],
    [0, 2],
  ]);
  expect(state(256).arenas).toHaveLength(4);
});
