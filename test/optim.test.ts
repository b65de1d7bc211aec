// Optimizers against steps computed by hand in plain doubles from PyTorch's formulas, written anew here; schedules, clipping and
// refused options against values.
import { describe, expect, it } from 'vitest';
import { interpret } from '../src/cpu/interpreter.ts';
import { input, type Tensor } from '../src/graph/tensor.ts';
import * as optim from '../src/optim/index.ts';
import { adagradByHand, adamByHand, momentumByHand, rmsByHand } from './optim-by-hand.ts';

const N = 5;
const START = [0.5, -1.25, 2, 0, -0.003];

/** The gradient of step t: signs change, one element is always 0, one is tiny. */
function gradient(t: number): number[] {
  return [0.3 - 0.1 * t, Math.sin(1 + t), -1.5 * (t + 1), 0, 1e-4 * (t % 2 === 0 ? 1 : -1)];
}

/** Runs `steps` of an optimizer on the CPU in doubles, from `start`; the parameters after each step. */
function run(optimizer: optim.Optimizer, steps: number, first = 0): number[][] {
  const p = input('p', { shape: [N], dtype: 'f32' });
  const g = input('g', { shape: [N], dtype: 'f32' });
  const lr = input('lr', { shape: [1], dtype: 'f32' });
  const step = input('step', { shape: [1], dtype: 'u32' });
  const slots = optimizer.slots.map((name) => input(name, { shape: [N], dtype: 'f32' }));
  const next = optimizer.update(p, g, slots, { lr, step });
  for (const t of [next.p, ...next.slots]) expect([t.shape, t.dtype]).toEqual([[N], 'f32']);
  expect(next.slots.length).toBe(slots.length);
  let values = [START, ...slots.map(() => new Array<number>(N).fill(optimizer.initialSlot ?? 0))];
  const history: number[][] = [];
  for (let t = first; t < first + steps; t++) {
    const feeds = new Map<Tensor['node'], Float64Array | Uint32Array>([
      [g.node, Float64Array.from(gradient(t))],
      [lr.node, Float64Array.of(optim.rateAt(optimizer.lr, t, undefined))],
      [step.node, Uint32Array.of(t)],
    ]);
    for (const [k, leaf] of [p, ...slots].entries()) feeds.set(leaf.node, Float64Array.from(values[k]!));
    const outs = interpret([next.p, ...next.slots], (leaf) => feeds.get(leaf), 'float64');
    values = outs.map(({ data }) => [...data]);
    history.push(values[0]!);
  }
  return history;
}

/** The same by hand: `element` makes a fresh update function (p, g, t from 1) for one element. */
function byHand(steps: number, element: () => (p: number, g: number, t: number) => number): number[][] {
  const updates = START.map(element);
  let p = START;
  return Array.from({ length: steps }, (_, t) => {
    p = p.map((value, i) => updates[i]!(value, gradient(t)[i]!, t + 1));
    return p;
  });
}

interface Case {
  readonly name: string;
  readonly optimizer: optim.Optimizer;
  readonly element: () => (p: number, g: number, t: number) => number;
}

const cases: readonly Case[] = [
  { name: 'sgd, defaults', optimizer: optim.sgd(), element: () => (p, g) => p - 1e-3 * g },
  {
    name: 'sgd, weight decay',
    optimizer: optim.sgd({ lr: 0.1, weightDecay: 0.05 }),
    element: () => (p, g) => p - 0.1 * (g + 0.05 * p),
  },
  {
    name: 'sgd, momentum',
    optimizer: optim.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 0.01 }),
    element: momentumByHand(0.1, 0.9, false, 0.01),
  },
  {
    name: 'sgd, Nesterov',
    optimizer: optim.sgd({ lr: 0.1, momentum: 0.8, nesterov: true, weightDecay: 0.01 }),
    element: momentumByHand(0.1, 0.8, true, 0.01),
  },
  { name: 'adam, defaults', optimizer: optim.adam(), element: adamByHand(1e-3, 0.9, 0.999, 1e-8, 0, 0) },
  {
    name: 'adam, every option',
    optimizer: optim.adam({ lr: 0.02, beta1: 0.8, beta2: 0.95, eps: 1e-3, weightDecay: 0.1 }),
    element: adamByHand(0.02, 0.8, 0.95, 1e-3, 0.1, 0),
  },
  {
    name: 'adam, beta1 0',
    optimizer: optim.adam({ beta1: 0 }),
    element: adamByHand(1e-3, 0, 0.999, 1e-8, 0, 0),
  },
  {
    name: 'adam, amsgrad',
    optimizer: optim.adam({ lr: 0.02, beta2: 0.7, weightDecay: 0.1, amsgrad: true }),
    element: adamByHand(0.02, 0.9, 0.7, 1e-8, 0.1, 0, true),
  },
  {
    name: 'adamW, amsgrad',
    optimizer: optim.adamW({ lr: 0.02, beta2: 0.7, amsgrad: true }),
    element: adamByHand(0.02, 0.9, 0.7, 1e-8, 0, 0.01, true),
  },
  { name: 'adamW, defaults', optimizer: optim.adamW(), element: adamByHand(1e-3, 0.9, 0.999, 1e-8, 0, 0.01) },
  {
    name: 'adamW, strong decay',
    optimizer: optim.adamW({ lr: 0.05, weightDecay: 0.5 }),
    element: adamByHand(0.05, 0.9, 0.999, 1e-8, 0, 0.5),
  },
  { name: 'rmsProp, defaults', optimizer: optim.rmsProp(), element: rmsByHand(0.01, 0.99, 1e-8, false, 0, 0) },
  {
    name: 'rmsProp, centered',
    optimizer: optim.rmsProp({ centered: true, alpha: 0.9 }),
    element: rmsByHand(0.01, 0.9, 1e-8, true, 0, 0),
  },
  {
    name: 'rmsProp, momentum',
    optimizer: optim.rmsProp({ momentum: 0.7, weightDecay: 0.1 }),
    element: rmsByHand(0.01, 0.99, 1e-8, false, 0.7, 0.1),
  },
  {
    name: 'rmsProp, centered with momentum',
    optimizer: optim.rmsProp({ centered: true, momentum: 0.7, eps: 1e-4 }),
    element: rmsByHand(0.01, 0.99, 1e-4, true, 0.7, 0),
  },
  {
    name: 'rmsProp, eps inside of the root',
    optimizer: optim.rmsProp({ eps: 0.1, epsInside: true, momentum: 0.7 }),
    element: rmsByHand(0.01, 0.99, 0.1, false, 0.7, 0, true),
  },
  {
    name: 'rmsProp, centered, eps inside of the root',
    optimizer: optim.rmsProp({ eps: 1e-3, epsInside: true, centered: true }),
    element: rmsByHand(0.01, 0.99, 1e-3, true, 0, 0, true),
  },
  { name: 'adagrad, defaults', optimizer: optim.adagrad(), element: adagradByHand(0.01, 0, 0, 0, 1e-10) },
  {
    name: 'adagrad, every option',
    optimizer: optim.adagrad({ lr: 0.3, lrDecay: 0.25, weightDecay: 0.1, initialAccumulator: 0.5, eps: 1e-3 }),
    element: adagradByHand(0.3, 0.25, 0.1, 0.5, 1e-3),
  },
];

describe('optimizers take the steps PyTorch defines', () => {
  it.each(cases)('$name', ({ optimizer, element }) => {
    const got = run(optimizer, 8);
    const want = byHand(8, element);
    for (const [t, p] of want.entries()) {
      for (const [i, value] of p.entries()) {
        const error = Math.abs(got[t]![i]! - value);
        expect(error, `step ${t}, element ${i}: got ${got[t]![i]}, want ${value}`).toBeLessThan(1e-12);
      }
    }
  });

  it.each(cases)('$name: an element without gradient or weight stays 0, as padding must', ({ optimizer }) => {
    for (const p of run(optimizer, 3)) expect(p[3]).toBe(0);
  });

  it('adam corrects its bias from the step counter alone, far into a run', () => {
    const [p] = run(optim.adam(), 1, 5000)!;
    const m = gradient(5000).map((g) => (0.1 * g) / (1 - 0.9 ** 5001));
    const v = gradient(5000).map((g) => (0.001 * g * g) / (1 - 0.999 ** 5001));
    for (const [i, value] of p!.entries()) {
      expect(value).toBeCloseTo(START[i]! - (1e-3 * m[i]!) / (Math.sqrt(v[i]!) + 1e-8), 12);
    }
  });

  it('adam asks for the rate of its schedule at each step', () => {
    const rate = optim.exponential(0.1, { gamma: 0.5 });
    const first = run(optim.adam({ lr: rate }), 1)[0]!;
    const second = run(optim.adam({ lr: rate }), 1, 1)[0]!;
    // From zero slots at t = 0 the corrected step is lr · sign(g).
    expect(START[0]! - first[0]!).toBeCloseTo(0.1, 6);
    expect(Math.abs(START[0]! - second[0]!)).toBeLessThan(0.05);
  });
});

describe('optimizers say what they are', () => {
  it('plain SGD keeps nothing beside the parameters', () => {
    expect(optim.sgd().slots).toEqual([]);
    expect(optim.sgd({ momentum: 0.9 }).slots).toEqual(['momentum']);
    expect(optim.adam().slots).toEqual(['m', 'v']);
    expect(optim.adamW({ amsgrad: true }).slots).toEqual(['m', 'v', 'vMax']);
    expect(optim.rmsProp({ centered: true, momentum: 0.5 }).slots).toEqual(['v', 'm', 'momentum']);
    expect(optim.adagrad({ initialAccumulator: 0.1 }).initialSlot).toBe(0.1);
  });

  it.each([
    optim.sgd({ momentum: 0.9, nesterov: true, clipNorm: 1 }),
    optim.adam({ lr: optim.warmup(optim.cosine(3e-3), { steps: 10 }), beta2: 0.99 }),
    optim.adamW({ clipValue: 0.5 }),
    optim.adam({ amsgrad: true }),
    optim.rmsProp({ centered: true, epsInside: true }),
    optim.adagrad({ lrDecay: 0.1 }),
  ])('$name comes back from its description', (optimizer) => {
    const description = JSON.parse(JSON.stringify(optim.describe(optimizer)));
    const again = optim.optimizerFrom(description);
    expect(optim.describe(again)).toEqual(optim.describe(optimizer));
    expect(again.clip).toEqual(optimizer.clip);
    expect(again.slots).toEqual(optimizer.slots);
    expect(optim.rateAt(again.lr, 7, 100)).toBe(optim.rateAt(optimizer.lr, 7, 100));
  });

  it('does not pretend to know a rate of the user’s own', () => {
    const description = optim.describe(optim.sgd({ lr: (step) => 1 / (step + 1) }));
    expect(description.lr).toBeUndefined();
    expect(() => optim.optimizerFrom(description)).toThrow(/sgd: its learning rate was a custom function/);
    expect(() => optim.optimizerFrom({ ...description, name: 'lion' })).toThrow(/"lion" is unknown\. Use one of sgd, /);
  });
});

describe('refused options', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['lr -1', () => optim.adam({ lr: -1 }), /^adam: lr is -1\. /],
    ['lr 0', () => optim.sgd({ lr: 0 }), /^sgd: lr is 0\. /],
    ['lr NaN', () => optim.sgd({ lr: Number.NaN }), /^sgd: lr is NaN\. /],
    ['lr beyond f32', () => optim.sgd({ lr: 1e39 }), /^sgd: lr is 1e\+39\. /],
    ['lr as text', () => optim.sgd({ lr: '0.1' as never }), /^sgd: lr is "0\.1"\. /],
    ['beta1 1', () => optim.adam({ beta1: 1 }), /^adam: beta1 is 1\. Use 0 <= beta1 < 1\./],
    ['beta2 -0.1', () => optim.adamW({ beta2: -0.1 }), /^adamW: beta2 is -0\.1\. /],
    ['eps 0', () => optim.adam({ eps: 0 }), /^adam: eps is 0\. /],
    ['eps that f32 flushes to 0', () => optim.rmsProp({ eps: 1e-46 }), /^rmsProp: eps is 1e-46\. /],
    ['weightDecay -1', () => optim.adagrad({ weightDecay: -1 }), /^adagrad: weightDecay is -1\. /],
    ['nesterov alone', () => optim.sgd({ nesterov: true }), /^sgd: nesterov needs a momentum/],
    ['clipNorm 0', () => optim.sgd({ clipNorm: 0 }), /^sgd: clipNorm: the bound is 0\. /],
    [
      'an unknown option',
      () => optim.adam({ betas: 0.9 } as never),
      /^adam: there is no option betas\. Did you mean beta1\?$/,
    ],
    ['a number for a boolean', () => optim.sgd({ nesterov: 1 as never }), /^sgd: nesterov is 1\. Give true or false\./],
    ['cosine 0', () => optim.cosine(0), /^cosine: peak is 0\. /],
    ['stepDecay without every', () => optim.stepDecay(1, {} as never), /^stepDecay: every is undefined\. /],
    ['pctStart 2', () => optim.oneCycle(1, { pctStart: 2 }), /^oneCycle: pctStart is 2\. /],
    [
      'milestones too few',
      () => optim.sequence([1, 2], { milestones: [] }),
      /^sequence: 0 milestones for 2 schedules\. /,
    ],
    [
      'milestones falling',
      () => optim.sequence([1, 2, 3], { milestones: [5, 5] }),
      /^sequence: milestones are \[5, 5\]\. /,
    ],
    [
      'an unknown field of a constant schedule',
      () => optim.scheduleFrom({ name: 'constant', lr: 0.1, gamma: 0.5 }),
      /^constant: there is no option gamma\. Its options are lr\.$/,
    ],
    [
      'a misspelt field of a schedule',
      () => optim.scheduleFrom({ name: 'cosine', paek: 0.1 }),
      /^cosine: there is no option paek\. Did you mean peak\?$/,
    ],
    ['an unknown schedule', () => optim.scheduleFrom({ name: 'toString' }), /^schedule: "toString" is unknown\. /],
    [
      'a damaged description',
      () => optim.scheduleFrom({ name: 'warmup', steps: 3 }),
      /^schedule: undefined is unknown\. /,
    ],
  ])('%s', (_, make, message) => {
    expect(make).toThrow(message);
    expect(make).toThrow(expect.objectContaining({ name: 'OptionError' }));
  });

  it('a schedule that needs the number of steps names the options that give it', () => {
    for (const schedule of [
      optim.cosine(3e-3),
      optim.linear(0.1),
      optim.oneCycle(1),
      optim.warmup(optim.cosine(1), { steps: 2 }),
    ]) {
      expect(() => schedule(3, undefined)).toThrow(
        /the number of steps is not known\. Give `epochs` or `maxSteps` to fit/,
      );
      expect(schedule(3, 10)).toBeGreaterThan(0);
    }
    expect(optim.cosine(3e-3, { total: 10 })(5, undefined)).toBeCloseTo(1.5e-3, 12);
  });

  it('a schedule that gives no usable rate is refused at the step', () => {
    expect(() => optim.rateAt((step) => 1 - step, 2, undefined)).toThrow(/^lr: the learning rate of step 2 is -1\. /);
    expect(() => optim.rateAt(() => Number.NaN, 0, undefined)).toThrow(/step 0 is NaN/);
  });
});

/** Values from torch.optim.lr_scheduler's formulas, computed by hand. */
const rates: readonly [string, optim.Schedule, number | undefined, Readonly<Record<number, number>>][] = [
  ['constant', optim.constant(0.1), undefined, { 0: 0.1, 1000: 0.1 }],
  ['stepDecay', optim.stepDecay(1, { every: 3, gamma: 0.5 }), undefined, { 0: 1, 2: 1, 3: 0.5, 5: 0.5, 6: 0.25 }],
  ['stepDecay, gamma 0.1', optim.stepDecay(1, { every: 2 }), undefined, { 1: 1, 2: 0.1, 4: 0.01 }],
  ['exponential', optim.exponential(2, { gamma: 0.9 }), undefined, { 0: 2, 1: 1.8, 2: 1.62 }],
  ['exponential per 10 steps', optim.exponential(2, { gamma: 0.25, every: 10 }), undefined, { 5: 1, 10: 0.5 }],
  ['linear', optim.linear(1, { end: 0.5 }), 10, { 0: 1, 5: 0.75, 10: 0.5, 20: 0.5 }],
  ['cosine', optim.cosine(1), 8, { 0: 1, 2: 0.8535533905932737, 4: 0.5, 6: 0.14644660940672627, 8: 0, 9: 0 }],
  ['cosine above min', optim.cosine(1, { min: 0.2, total: 4 }), 100, { 0: 1, 2: 0.6, 4: 0.2, 50: 0.2 }],
  ['oneCycle', optim.oneCycle(1), 101, { 0: 0.04, 14.65: 0.52, 29.3: 1, 64.65: 0.500002, 100: 4e-6, 200: 4e-6 }],
  [
    'oneCycle, linear',
    optim.oneCycle(1, { anneal: 'linear', pctStart: 0.5, divFactor: 10, finalDivFactor: 10 }),
    10,
    { 0: 0.1, 2: 0.55, 4: 1, 9: 0.01 },
  ],
  ['oneCycle of one step', optim.oneCycle(1), 1, { 0: 4e-6 }],
  ['warmup', optim.warmup(0.3, { steps: 4 }), undefined, { 0: 0.1, 2: 0.2, 4: 0.3, 5: 0.3 }],
  [
    'warmup into cosine',
    optim.warmup(optim.cosine(1), { steps: 2, startFactor: 0 }),
    10,
    { 0: 0, 1: 0.5, 2: 1, 6: 0.5, 10: 0 },
  ],
  [
    'sequence',
    optim.sequence([0.5, optim.cosine(1), optim.linear(1)], { milestones: [2, 6] }),
    16,
    { 1: 0.5, 2: 1, 4: 0.5, 6: 1, 11: 0.5, 16: 0 },
  ],
];

describe('schedules', () => {
  it.each(rates)('%s', (_, schedule, total, wanted) => {
    for (const [step, rate] of Object.entries(wanted)) {
      expect(schedule(Number(step), total), `step ${step}`).toBeCloseTo(rate, 12);
    }
  });

  it.each(rates)('%s comes back from its description', (_, schedule, total, wanted) => {
    const again = optim.scheduleFrom(JSON.parse(JSON.stringify(schedule.description)));
    expect(again.description).toEqual(schedule.description);
    for (const step of Object.keys(wanted)) expect(again(Number(step), total)).toBe(schedule(Number(step), total));
  });

  it('what is composed of a function of the user’s own has no description', () => {
    expect(optim.warmup(() => 1, { steps: 2 }).description).toBeUndefined();
    expect(optim.sequence([() => 1, 2], { milestones: [2] }).description).toBeUndefined();
  });
});

describe('clipping', () => {
  const a = input('a', { shape: [2], dtype: 'f32' });
  const b = input('b', { shape: [1, 2], dtype: 'f32' });
  const clip = (fn: (grads: Tensor[]) => Tensor[], x: number[], y: number[]) =>
    interpret(fn([a, b]), (leaf) => Float64Array.from(leaf === a.node ? x : y), 'float64').map(({ data }) => [...data]);

  it('by the norm of all gradients together', () => {
    const [x, y] = clip((grads) => optim.clipByGlobalNorm(grads, 1), [3, 0], [0, -4]);
    expect(x![0]).toBeCloseTo(3 / (5 + 1e-6), 12);
    expect(y![1]).toBeCloseTo(-4 / (5 + 1e-6), 12);
    expect(clip((grads) => optim.clipByGlobalNorm(grads, 10), [3, 0], [0, -4])).toEqual([
      [3, 0],
      [0, -4],
    ]);
    expect(clip((grads) => optim.clipByGlobalNorm(grads, 1), [0, 0], [0, 0])).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  it('by value', () => {
    expect(clip((grads) => optim.clipByValue(grads, 2), [3, 1], [-2.5, -2])).toEqual([
      [2, 1],
      [-2, -2],
    ]);
  });

  it('by value before by norm, where both are asked for', () => {
    const [x, y] = clip((grads) => optim.clipGradients(grads, { value: 1, norm: 1 }), [5, 0], [0, -7]);
    expect(x![0]).toBeCloseTo(1 / (Math.SQRT2 + 1e-6), 12);
    expect(y![1]).toBeCloseTo(-1 / (Math.SQRT2 + 1e-6), 12);
    expect(optim.clipGradients([a, b], undefined)).toEqual([a, b]);
  });

  it('leaves a non-finite gradient non-finite', () => {
    const [x] = clip((grads) => optim.clipByGlobalNorm(grads, 1), [Number.NaN, 1], [0, 0]);
    expect(x![0]).toBeNaN();
  });
});
