// Arguments as people give them: the forms of PyTorch and NumPy that are taken, and, for every function and constructor of the
// package, what is refused: unknown options, values of wrong types, missing arguments and arguments too many.
import { afterAll, describe, expect, it } from 'vitest';
import * as thalweg from '../src/index.ts';
import { FileError } from '../src/node/file-error.ts';
import * as node from '../src/node/index.ts';
import * as ops from '../src/ops/index.ts';
import { saveCheckpoint, saveWeights } from '../src/train/files.ts';

const { constant, losses, nn, optim, Tensor } = thalweg;
const backend = thalweg.createCpuBackend();
const valuesOf = async (y: thalweg.Tensor) => [...(await backend.run(() => y))['y']!.data];

describe('forms that are taken', () => {
  const x = constant([
    [-2, 0.5],
    [3, -1],
  ]);
  const forms: [string, () => thalweg.Tensor, number[]][] = [
    ['clip(x, lo, hi)', () => ops.clip(x, -1, 1), [-1, 0.5, 1, -1]],
    ['clip(x, lo)', () => ops.clip(x, 0), [0, 0.5, 3, 0]],
    ['clip(x, undefined, hi)', () => ops.clip(x, undefined, 0), [-2, 0, 0, -1]],
    ['leakyRelu(x, slope)', () => ops.leakyRelu(x, 0.25), [-0.5, 0.5, 3, -0.25]],
    ['elu(x, alpha)', () => ops.elu(constant([-Math.LN2]), 2), [-1]],
    ['prelu(x, slope)', () => ops.prelu(x, 0.25), [-0.5, 0.5, 3, -0.25]],
    ['nn.LeakyReLU(slope)', () => new nn.LeakyReLU(0.25).forward(x), [-0.5, 0.5, 3, -0.25]],
    ['sum(x, axis)', () => ops.sum(x, 0), [1, -0.5]],
    ['sum(x, axes)', () => ops.sum(x, [0, 1]), [0.5]],
    ['sum(x, axis, options)', () => ops.sum(x, -1, { keepDims: true }), [-1.5, 2]],
    ['mean(x, { axis })', () => ops.mean(x, { axis: 0 }), [0.5, -0.25]],
    ['max(x, axis)', () => ops.max(x, 0), [3, 0.5]],
    ['min(x, axis)', () => ops.min(x, 1), [-2, -1]],
    ['variance(x, axis, options)', () => ops.variance(x, 0, { correction: 0 }), [6.25, 0.5625]],
    ['argmax(x, axis)', () => ops.argmax(x, 0), [1, 0]],
    ['softmax(x, axis)', () => ops.softmax(constant([[0], [0]]), 0), [0.5, 0.5]],
    ['nn.Softmax(axis)', () => new nn.Softmax(0).forward(constant([[0], [0]])), [0.5, 0.5]],
    ['logSoftmax(x, axis)', () => ops.logSoftmax(constant([[0], [0]]), 1), [0, 0]],
    ['logSumExp(x, axes)', () => ops.logSumExp(constant([[0], [0]]), [0, 1]), [Math.fround(Math.LN2)]],
    ['cumsum(x, axis, options)', () => ops.cumsum(x, 0, { reverse: true }), [1, -0.5, 3, -1]],
    ['logSumExp(x, axis)', () => ops.logSumExp(constant([[0], [5]]), 1), [0, 5]],
    ['constant(values, shape)', () => ops.sum(constant([1, 2, 3, 4], [2, 2]), 0), [4, 6]],
    ['concat(a, b)', () => ops.concat(x, x), [-2, 0.5, 3, -1, -2, 0.5, 3, -1]],
    ['concat([a, b], axis)', () => ops.concat([x, x], 1), [-2, 0.5, -2, 0.5, 3, -1, 3, -1]],
    ['concat(a, b, { axis })', () => ops.concat(x, x, { axis: 1 }), [-2, 0.5, -2, 0.5, 3, -1, 3, -1]],
    ['x.reshape(4, -1)', () => ops.sum(x.reshape(1, -1), 0), [-2, 0.5, 3, -1]],
    ['huber(delta)', () => losses.huber(2)(constant([5]), constant([0])), [8]],
  ];
  it.each(forms)('%s', async (_, form, wanted) => expect(await valuesOf(form())).toEqual(wanted));

  it.each(['sgd', 'adam', 'adamW', 'rmsProp', 'adagrad'] as const)('optim.%s(rate) and optim.%s(schedule)', (name) => {
    const schedule = optim.cosine(0.5);
    const make: (
      lr?: thalweg.optim.Rate,
      options?: { clipNorm?: number; weightDecay?: number },
    ) => thalweg.optim.Optimizer = optim[name];
    expect(make(0.1)).toMatchObject({ name, lr: 0.1, options: make().options });
    expect(make(schedule, { clipNorm: 1 })).toMatchObject({ lr: schedule, clip: { norm: 1 } });
    expect(make(undefined, { weightDecay: 0.5 }).options['weightDecay']).toBe(0.5);
    expect(() => make([] as never)).toThrow(
      `${name}: its first argument is an array. The parameters are those of the trainer's model: give ${name}(`,
    );
    expect(thalweg.presets.classic.optimizer(0.1)).toMatchObject({ name: 'sgd', lr: 0.1 });
  });

  const refusals: [string, () => unknown, string][] = [
    [
      'matmul(a, b, true)',
      () => ops.matmul(x, x, true as never),
      'matmul: its options are true. Give an object of transposeA, transposeB.',
    ],
    [
      'sum(x, true)',
      () => ops.sum(x, true as never),
      'sum: axis is true. Give an axis or an array of them, such as 0 or [0, 1].',
    ],
    [
      'sum(x, 0, 1)',
      () => ops.sum(x, 0, 1 as never),
      'sum: its axes are given one by one. Give them in an array: x.sum([0, 1]).',
    ],
    [
      'variance(x, 0, 1)',
      () => ops.variance(x, 0, 1 as never),
      'variance: its axes are given one by one. Give them in an array: x.variance([0, 1]).',
    ],
    ...(
      [
        ['x.transpose(1, 0)', x, [1, 0], [1, 0]],
        ['x.transpose(0, 1), which swaps in PyTorch', x, [0, 1], [1, 0]],
        ['x.transpose(-1, 1) of three axes', x.reshape(1, 2, 2), [-1, 1], [0, 2, 1]],
        ['x.transpose(2, 0, 1), as in NumPy', x.reshape(1, 2, 2), [2, 0, 1], [2, 0, 1]],
      ] as const
    ).map(([name, of, axes, order]): [string, () => unknown, string] => [
      name,
      () => (of.transpose as (...axes: unknown[]) => unknown)(...axes),
      `transpose: its axes are given one by one. Give them in an array: x.transpose([${order.join(', ')}]).`,
    ]),
    [
      'parameter(shape)',
      () => nn.parameter([2, 2], undefined as never),
      'parameter: initial is undefined. Give an initializer: nn.init.zeros, nn.init.normal(0, 0.1), or for your own values () => Float32Array.of(1, 2).',
    ],
    [
      'parameter(shape, tensor)',
      () => nn.parameter([2, 2], x as never),
      'parameter: initial is a Tensor. Give an initializer: nn.init.zeros, nn.init.normal(0, 0.1), or for your own values () => Float32Array.of(1, 2).',
    ],
    [
      'new Variable(shape, { initial: values })',
      () => new thalweg.Variable([2], { initial: [1, 2] as never }),
      'Variable: initial is an array. Give an initializer: nn.init.zeros, nn.init.normal(0, 0.1), or for your own values () => Float32Array.of(1, 2).',
    ],
    [
      'variablesOf(Model)',
      () => thalweg.variablesOf(nn.Linear),
      'variablesOf: the model is the class Linear (make an instance: new Linear()). Give an object.',
    ],
    ['sum(x, 0, true)', () => ops.sum(x, 0, true as never), 'sum: its options are true. Give an object of keepDims.'],
    ['mean(x, { dim: 0 })', () => ops.mean(x, { dim: 0 } as never), 'mean: there is no option dim. Did you mean axis?'],
    ['max(x, { axes: 0 })', () => ops.max(x, { axes: 0 } as never), 'max: there is no option axes. Did you mean axis?'],
    [
      'clip(x)',
      () => ops.clip(x, ...([] as unknown as [number])),
      'clip: no bounds. Give one or both, such as clip(x, -1, 1) or clip(x, { min: 0 }).',
    ],
    [
      'xs.map(relu)',
      () => [x].map(ops.relu as never),
      'relu: 0 is one argument too many. In a map, write (x) => relu(x).',
    ],
    [
      'useBias',
      () => new nn.Linear(2, 3, { useBias: false } as never),
      'Linear: there is no option useBias. Did you mean bias?',
    ],
    [
      'Linear(2, 3, false)',
      () => new nn.Linear(2, 3, false as never),
      'Linear: its options are false. Give an object of bias, initialWeight, initialBias.',
    ],
    [
      'learningRate',
      () => optim.sgd({ learningRate: 0.1 } as never),
      'sgd: there is no option learningRate. Did you mean lr?',
    ],
    [
      'sgd(0.1, 0.9)',
      () => optim.sgd(0.1, 0.9 as never),
      'sgd: its options are 0.9. Give an object of clipNorm, clipValue, groups, momentum, nesterov, weightDecay.',
    ],
    [
      'targets',
      () => thalweg.datasets.array([[1]], [0], { targets: 'regression' } as never),
      "array: targets is \"regression\". Use 'classes' or 'values'.",
    ],
  ];
  it.each(refusals)('but not %s', (_, form, message) =>
    expect(form).toThrow(expect.objectContaining({ name: 'OptionError', message })),
  );
});

const x = constant([
  [1, 2],
  [3, 4],
]);
const labels = constant([0, 1], { dtype: 'u32' });
const vector = constant([1, 2]);
/** Layers that take images, and those that take sequences. */
const ON_IMAGES = [
  ...['MaxPool2d', 'AvgPool2d', 'AdaptiveAvgPool2d', 'AdaptiveMaxPool2d', 'GlobalAvgPool2d', 'Upsample'],
  ...['ZeroPad2d', 'ReflectionPad2d', 'ReplicationPad2d', 'CircularPad2d'],
];
const ON_SEQUENCES = ['MaxPool1d', 'AvgPool1d', 'AdaptiveAvgPool1d', 'AdaptiveMaxPool1d'];
const counter = (n: number) => constant(new Array(n).fill(0), { dtype: 'u32' });
const variable = () => nn.parameter([2], nn.init.ones);
const model = new nn.Linear(2, 2);
const description = { inputs: 2, hidden: [3], outputs: 2, activation: 'relu', loss: 'cross-entropy' } as const;
const data = thalweg.datasets.array(
  [
    [1, 2],
    [3, 4],
    [5, 6],
    [7, 8],
  ],
  [0, 1, 1, 0],
); // prettier-ignore
const photos = thalweg.datasets.array({ shape: [4, 2, 2, 1], data: new Uint8Array(16) }, [0, 1, 1, 0]);
const AUGMENTED = { crop: 1, cutout: 1, rotate: 10, scale: [0.9, 1.1], brightness: 0.2 };
const values = { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) };
const task = { model, loss: losses.softmaxCrossEntropy, optimizer: optim.sgd(0.1) };
const trainer = new thalweg.Trainer(backend, task);
await trainer.fit(data, { maxSteps: 2, batchSize: 2 });
const weights = await saveWeights(trainer);
const checkpoint = await saveCheckpoint(trainer);
const program = await backend.compile(({ v }) => ops.relu(v), { v: { shape: [2], dtype: 'f32' } });
afterAll(() => trainer.dispose());

/** Of which anything is taken. */
const any = (value: unknown) => ({ value, takes: () => true });
/** Of which numbers are taken too. */
const like = (value: unknown) => ({ value, takes: (other: unknown) => typeof other === 'number' });
/** A rate, which may be a schedule, or a member of Sequential. */
const rate = (value: unknown) => ({ value, takes: (other: unknown) => typeof other === 'function' });
/** A text of one's own. */
const text = (value: string) => ({ value, takes: (other: unknown) => typeof other === 'string' });
/** An object that is no options: its fields stay as they are. */
const whole = (value: object) => ({ value, takes: () => false });
/** Of which every object is taken. */
const object = (value: unknown) => ({ value, takes: (other: unknown) => typeof other === 'object' && other !== null });

interface Entry {
  /** A call that is taken: each argument, or one with what else is taken. */
  readonly args: readonly unknown[];
  /** How many arguments must be given: all but the options unless said. */
  readonly needs?: number;
  /** Whether the call itself is made: it would need a network, or a run. */
  readonly call?: false;
  /** Whether more arguments are let be: initializers get more than they need, and programs are called in loops. */
  readonly open?: true;
}
const unary: Entry = { args: [like(x)], needs: 1 };
const binary: Entry = { args: [like(x), like(x)], needs: 2 };
const reduction: Entry = { args: [x, 0, { keepDims: true }], needs: 1 };
const along: Entry = { args: [x, 0], needs: 1 };
const layer: Entry = { args: [] };
const forward: Entry = { args: [x], needs: 1 };
const loss: Entry = { args: [x, x], needs: 2 };
const clipped: Entry = { args: [[x], 1], needs: 2 };

const image = constant(new Float32Array(16), [1, 2, 4, 2]);
const sequence = constant(new Float32Array(8), [1, 4, 2]);
const filters = constant(new Float32Array(4), [2, 1, 1, 2]);
const CONV = { bias: constant([1, 2]), stride: 1, padding: 0, dilation: 1, groups: 1 };
const CONV_LAYER = {
  stride: 1,
  padding: 0,
  dilation: 1,
  groups: 1,
  bias: true,
  initialWeight: nn.init.zeros,
  initialBias: nn.init.zeros,
};

/** Every function and constructor with a call that it takes; `Class#method` is called on {@link INSTANCES}. */
const reduced: Entry = { args: [{ reduction: 'sum' }], needs: 1 };
const ENTRIES: Record<string, Entry> = {
  grad: { args: [ops.sum(x), [x], constant(1)], needs: 2 },
  valueAndGrad: { args: [model, (y: thalweg.Tensor) => ops.sum(model.forward(y))], needs: 2 },
  createCpuBackend: { args: [{ precision: 'float32' }] },
  'datasets.array': {
    args: [
      [[1], [2]],
      [0, 1],
      { name: 'mine', targets: 'classes', classes: 2, ignoreIndex: -1, targetScale: false, sampleWeights: [1, 2] },
    ],
    needs: 2,
  },
  'datasets.split': { args: [whole(data), 0.5, { seed: 1, stratify: true }], needs: 2 },
  'datasets.augment': { args: [whole(photos), AUGMENTED], needs: 1 },
  'datasets.preview': {
    args: [backend, whole(photos.augment({ flip: true })), { count: 2, seed: 1, step: 3 }],
    needs: 2,
  },
  'datasets.rescaled': { args: [whole(data), { mean: 0, std: 1 }], needs: 1 },
  explain: { args: [await backend.compile(() => x, {}), { model }], needs: 1, call: false },
  explainStep: { args: [{ ...task, data, as: 'gpu', batchSize: 2, fuse: true, title: 'mine' }], needs: 1 },
  variablesOf: { args: [model], needs: 1 },
  apply: { args: [whole(ops.relu.op), [x], any(undefined)], needs: 2 },
  apply1: { args: [whole(ops.relu.op), [x], any(undefined)], needs: 2 },
  attachMethods: { args: [whole({ doubled: (y: thalweg.Tensor) => y.mul(2) })], needs: 1 },
  constant: { args: [[1, 2, 3, 4], [2, 2], { dtype: 'f32' }], needs: 1 },
  full: { args: [[2, 2], like(1), 'f32'], needs: 2 },
  input: { args: [text('x'), whole({ shape: [2], dtype: 'f32' })], needs: 2 },
  resident: { args: [text('x'), whole({ shape: [2], dtype: 'f32', data: Float32Array.of(1, 2) })], needs: 2 },
  Tensor: { args: [x.node, any(0)], needs: 1 },
  Variable: { args: [[2], { initial: nn.init.ones, dtype: 'f32', trainable: true }], needs: 2 },
  assign: { args: [variable(), vector], needs: 2, call: false },
  capture: { args: [text('x'), x], needs: 2 },
  defineLoss: {
    args: [
      text('mine'),
      () => x,
      {
        classes: true,
        probabilities: () => x,
        perExample: () => vector,
        reduction: 'sum',
        ignoreIndex: 0,
        classWeights: [1, 2],
      },
    ],
    needs: 2,
  },
  'losses.binaryCrossEntropyWithLogits': loss,
  'losses.softmaxCrossEntropy': { args: [x, labels], needs: 2 },
  'losses.huber': { args: [1, { reduction: 'sum' }] },
  'losses.binaryCrossEntropyWithLogits.with': { args: [{ posWeight: 2, reduction: 'sum' }], needs: 1 },
  'losses.softmaxCrossEntropy.with': {
    args: [{ ignoreIndex: -100, labelSmoothing: 0.1, classWeights: [1, 2], reduction: 'mean' }],
    needs: 1,
  },
  'losses.meanAbsoluteError.with': reduced,
  'losses.meanSquaredError.with': reduced,
  'losses.sumSquaredError.with': reduced,
  'losses.meanAbsoluteError': loss,
  'losses.meanSquaredError': loss,
  'losses.sumSquaredError': loss,
  'nn.GELU': { args: [{ approximate: 'tanh' }] },
  'nn.LeakyReLU': { args: [0.2] },
  'nn.ELU': { args: [0.2] },
  'nn.CELU': { args: [0.2] },
  'nn.SELU': layer,
  'nn.ReLU6': layer,
  'nn.Hardsigmoid': layer,
  'nn.Hardswish': layer,
  'nn.Mish': layer,
  'nn.LogSigmoid': layer,
  'nn.PReLU': { args: [3, { init: 0.1 }] },
  'nn.PReLU#forward': forward,
  'nn.LogSoftmax': { args: [-1] },
  'nn.ReLU': layer,
  'nn.Sigmoid': layer,
  'nn.SiLU': layer,
  'nn.Softmax': { args: [-1] },
  'nn.Softplus': layer,
  'nn.Tanh': layer,
  'nn.Dropout': { args: [0.5] },
  'nn.Embedding': { args: [3, 2, { initialWeight: nn.init.ones }], needs: 2 },
  'nn.LayerNorm': { args: [2, { eps: 1e-3, elementwiseAffine: true, bias: true }], needs: 1 },
  'nn.RMSNorm': { args: [2, { eps: 1e-3, elementwiseAffine: true }], needs: 1 },
  'nn.GroupNorm': { args: [1, 2, { eps: 1e-3, affine: true }], needs: 2 },
  ...Object.fromEntries(
    ['BatchNorm1d', 'BatchNorm2d', 'InstanceNorm1d', 'InstanceNorm2d'].map((name) => [
      `nn.${name}`,
      // Without momentum, of which null is taken: see norm-layers.test.ts.
      { args: [2, { eps: 1e-3, affine: true, trackRunningStats: true }], needs: 1 },
    ]),
  ),
  'nn.Dropout2d': { args: [0.5] },
  'nn.Linear': { args: [2, 3, { bias: true, initialWeight: nn.init.ones, initialBias: nn.init.zeros }], needs: 2 },
  'nn.Flatten': { args: [1] },
  'nn.MaxPool2d': { args: [2, 1, { padding: 1, dilation: 1, ceilMode: true }], needs: 1 },
  'nn.AvgPool2d': { args: [2, 1, { padding: 1, ceilMode: true, countIncludePad: true, divisor: 3 }], needs: 1 },
  'nn.MaxPool1d': { args: [2, 1, { padding: 1, dilation: 1, ceilMode: true }], needs: 1 },
  'nn.AvgPool1d': { args: [2, 1, { padding: 1, ceilMode: true, countIncludePad: true }], needs: 1 },
  ...Object.fromEntries(
    ['AdaptiveAvgPool1d', 'AdaptiveAvgPool2d', 'AdaptiveMaxPool1d', 'AdaptiveMaxPool2d']
      .concat(['ZeroPad2d', 'ReflectionPad2d', 'ReplicationPad2d', 'CircularPad2d'])
      .map((name) => [`nn.${name}`, { args: [1], needs: 1 }]),
  ),
  'nn.GlobalAvgPool2d': layer,
  'nn.Upsample': { args: [{ scale: 2, mode: 'bilinear', alignCorners: true }], needs: 1 },
  ...Object.fromEntries(
    [...ON_IMAGES, ...ON_SEQUENCES].map((name) => [
      `nn.${name}#forward`,
      { args: [ON_IMAGES.includes(name) ? image : sequence], needs: 1 },
    ]),
  ),
  'nn.Sequential': { args: [rate(model)] },
  'nn.BasicBlock': { args: [like(2), like(4), { stride: 2 }], needs: 2 },
  'nn.BasicBlock#forward': { args: [image], needs: 1 },
  'nn.ResNet': { args: [{ blocks: [1], width: 2, classes: 2, channels: 1, stem: 'cifar' }], needs: 1 },
  'nn.ResNet#forward': { args: [image], needs: 1 },
  'nn.resnet18': { args: [{ classes: 2, channels: 1, stem: 'cifar' }] },
  'nn.resnet20': { args: [{ classes: 2, channels: 1 }] },
  ...Object.fromEntries(['LogSoftmax', 'Softmax', 'Dropout'].map((name) => [`nn.${name}#forward`, forward])),
  ...Object.fromEntries(
    'GELU LeakyReLU ReLU Sigmoid SiLU Softplus Tanh ELU CELU SELU ReLU6 Hardsigmoid Hardswish Mish LogSigmoid'
      .split(' ')
      .map((name) => [`nn.${name}#forward`, unary]),
  ),
  'nn.Embedding#forward': { args: [labels], needs: 1 },
  'nn.LayerNorm#forward': forward,
  'nn.RMSNorm#forward': forward,
  'nn.GroupNorm#forward': forward,
  'nn.Dropout2d#forward': { args: [constant([[[[1, 2]]]])], needs: 1 },
  'nn.Linear#forward': forward,
  ...Object.fromEntries(
    ['nn.Conv1d', 'nn.ConvTranspose1d'].map((name) => [`${name}#forward`, { args: [sequence], needs: 1 }]),
  ),
  ...Object.fromEntries(
    ['nn.Conv2d', 'nn.ConvTranspose2d'].map((name) => [`${name}#forward`, { args: [image], needs: 1 }]),
  ),
  'nn.Flatten#forward': forward,
  'nn.Sequential#forward': forward,
  'nn.init.constant': { args: [like(1)], needs: 1 },
  'nn.init.zeros': { args: [whole({ shape: [2], dtype: 'f32' }), any(0), any('path')], needs: 1, open: true },
  'nn.init.ones': { args: [whole({ shape: [2], dtype: 'f32' }), any(0), any('path')], needs: 1, open: true },
  'nn.init.uniform': { args: [0, 1] },
  'nn.init.normal': { args: [0, 1] },
  'nn.init.gainOf': { args: ['leakyRelu', 0.1], needs: 1 },
  'nn.init.kaimingUniform': { args: [{ fan: 'in', nonlinearity: 'relu', negativeSlope: 0.1 }] },
  'nn.init.kaimingNormal': { args: [{ fan: 'in', nonlinearity: 'relu', negativeSlope: 0.1 }] },
  'nn.init.xavierUniform': { args: [1] },
  'nn.init.xavierNormal': { args: [1] },
  'nn.parameter': { args: [[2], nn.init.ones], needs: 2 },
  'nn.summary': { args: [model, [1, 2], 'f32'], needs: 2 },
  accuracy: { args: [x, labels], needs: 2 },
  binaryAccuracy: { args: [x, x], needs: 2 },
  ...Object.fromEntries(
    'relu sigmoid tanh silu softplus selu relu6 hardsigmoid hardswish mish logSigmoid sin cos erf expm1 neg abs sign exp log sqrt rsqrt square'
      .split(' ')
      .map((name) => [name, unary]),
  ),
  ...Object.fromEntries(
    'add sub mul div maximum minimum equal notEqual less lessEqual greater greaterEqual'
      .split(' ')
      .map((name) => [name, binary]),
  ),
  ...Object.fromEntries(['sum', 'mean', 'max', 'min', 'prod'].map((name) => [name, reduction])),
  variance: { args: [x, 0, { keepDims: true, correction: 1 }], needs: 1 },
  argmax: reduction,
  cumsum: { args: [x, 0, { reverse: true, exclusive: true }], needs: 1 },
  logSumExp: reduction,
  softmax: along,
  logSoftmax: along,
  leakyRelu: { args: [like(x), 0.2], needs: 1 },
  elu: { args: [like(x), 0.2], needs: 1 },
  celu: { args: [like(x), 0.2], needs: 1 },
  prelu: { args: [like(x), like(vector)], needs: 2 },
  gelu: { args: [like(x), { approximate: 'tanh' }], needs: 1 },
  pow: { args: [like(x), like(x)], needs: 2 },
  broadcastTo: { args: [x, [3, 2, 2]], needs: 2 },
  iota: { args: [3], needs: 1 },
  remainder: { args: [like(labels), like(labels)], needs: 2 },
  softmaxCrossEntropy: { args: [x, labels, { residual: true }], needs: 2 },
  cast: { args: [x, 'u32'], needs: 2 },
  gatherRows: { args: [x, labels], needs: 2 },
  gather: { args: [x, 1, constant([[0], [1]], { dtype: 'i32' })], needs: 3 },
  take: { args: [x, labels, 1], needs: 2 },
  topk: { args: [x, 1, { axis: 0, largest: false }], needs: 2 },
  oneHot: { args: [labels, 3], needs: 2 },
  linear: { args: [x, x, vector], needs: 2 },
  conv: { args: [image, filters, { ...CONV, paddingMode: 'reflect' }], needs: 2 },
  convTranspose: { args: [image, filters, { ...CONV, padding: 0, outputPadding: 0 }], needs: 2 },
  'nn.Conv1d': { args: [like(2), like(2), like(1), { ...CONV_LAYER, paddingMode: 'reflect' }], needs: 3 },
  'nn.Conv2d': { args: [like(2), like(2), like(1), { ...CONV_LAYER, paddingMode: 'reflect' }], needs: 3 },
  'nn.ConvTranspose1d': { args: [like(2), like(2), like(1), { ...CONV_LAYER, outputPadding: 0 }], needs: 3 },
  'nn.ConvTranspose2d': { args: [like(2), like(2), like(1), { ...CONV_LAYER, outputPadding: 0 }], needs: 3 },
  matmul: { args: [x, x, { transposeA: true, transposeB: true }], needs: 2 },
  concat: { args: [[x, x], 0], needs: 1 },
  pad: { args: [x, [1, 1], [0, 0], like({ mode: 'constant', value: 1 })], needs: 3 },
  maxPool: { args: [image, 2, 1, { padding: 1, dilation: 1, ceilMode: true }], needs: 2 },
  avgPool: { args: [image, 2, 1, { padding: 1, ceilMode: true, countIncludePad: true, divisor: 3 }], needs: 2 },
  adaptiveMaxPool: { args: [image, 1], needs: 2 },
  adaptiveAvgPool: { args: [image, 1], needs: 2 },
  upsample: { args: [image, { scale: 2, mode: 'bilinear', alignCorners: true }], needs: 2 },
  slice: { args: [x, [0], [1]], needs: 3 },
  transpose: { args: [x, [1, 0]], needs: 1 },
  pack: { args: [[vector], [0], 4], needs: 3 },
  unpack: { args: [vector, 0, [2]], needs: 3 },
  batchIndices: {
    args: [
      counter(1),
      counter(1),
      counter(2),
      { size: 4, batch: 2, stride: 2, stepsPerEpoch: 2, shuffle: true, offset: 0 },
    ],
    needs: 4,
  },
  dropout: { args: [x, 0.5, { stream: 'mine' }], needs: 2 },
  reshape: { args: [x, [4]], needs: 2 },
  flatten: { args: [x, 1], needs: 1 },
  clip: { args: [like(x), -1, 1], needs: 2 },
  where: { args: [like(x), like(x), like(x)], needs: 3 },
  'optim.sgd': {
    args: [
      rate(0.1),
      { momentum: 0.9, nesterov: true, weightDecay: 0.1, clipNorm: 1, clipValue: 1, groups: [{ match: 'a', lr: 0.1 }] },
    ],
  },
  'optim.adam': { args: [rate(0.1), { beta1: 0.9, beta2: 0.9, eps: 1e-8, weightDecay: 0.1, amsgrad: true }] },
  'optim.adamW': { args: [rate(0.1), { beta1: 0.9, beta2: 0.9, eps: 1e-8, weightDecay: 0.1, amsgrad: true }] },
  'optim.rmsProp': {
    args: [rate(0.1), { alpha: 0.9, eps: 1e-8, epsInside: true, centered: true, momentum: 0.1, weightDecay: 0.1 }],
  },
  'optim.adagrad': { args: [rate(0.1), { lrDecay: 0.1, weightDecay: 0.1, initialAccumulator: 0.1, eps: 1e-8 }] },
  'optim.clipByGlobalNorm': clipped,
  'optim.clipByValue': clipped,
  'optim.clipGradients': { args: [[x], { norm: 1, value: 1 }], needs: 1 },
  'optim.globalNorm': { args: [[x]], needs: 1 },
  'optim.constant': { args: [0.1], needs: 1 },
  'optim.cosine': { args: [0.1, { min: 0.01, total: 9 }], needs: 1 },
  'optim.exponential': { args: [0.1, { gamma: 0.5, every: 2 }], needs: 2 },
  'optim.linear': { args: [0.1, { end: 0.01, total: 9 }], needs: 1 },
  'optim.oneCycle': {
    args: [0.1, { total: 9, pctStart: 0.3, divFactor: 2, finalDivFactor: 3, anneal: 'cos' }],
    needs: 1,
  },
  'optim.stepDecay': { args: [0.1, { every: 2, gamma: 0.5 }], needs: 2 },
  'optim.warmup': { args: [rate(0.1), { steps: 3, startFactor: 0.1 }], needs: 2 },
  'optim.sequence': { args: [[0.1, 0.2], { milestones: [3] }], needs: 2 },
  'optim.rateAt': { args: [rate(0.1), 3, 9], needs: 2 },
  'optim.rateDescription': { args: [rate(0.1)], needs: 1 },
  'optim.rateFrom': { args: [0.1], needs: 1 },
  'optim.scheduleFrom': { args: [{ name: 'cosine', peak: 0.1, min: 0.01, total: 9 }], needs: 1 },
  'optim.state': {
    args: [whole(optim.adam(0.1)), whole(new nn.Linear(2, 2)), { steps: 3, maxArenaBytes: 1e6 }],
    needs: 2,
  },
  'optim.OptimizerState': {
    args: [whole(optim.adam(0.1)), whole(new nn.Linear(2, 2)), { steps: 3, maxArenaBytes: 1e6 }],
    needs: 2,
  },
  'optim.apply': { args: [whole(optim.state(optim.sgd(0.1), model)), {}], needs: 2, call: false },
  'optim.describe': { args: [whole(task.optimizer)], needs: 1 },
  'optim.optimizerFrom': { args: [optim.describe(optim.adam())], needs: 1 },
  'presets.classic.optimizer': { args: [rate(0.1), { clipNorm: 1 }] },
  'presets.mlp.optimizer': { args: [rate(0.1), { clipNorm: 1 }] },
  'presets.cnn.optimizer': { args: [rate(0.1), { clipNorm: 1 }] },
  'presets.resnet20.optimizer': { args: [rate(0.1), { clipNorm: 1 }] },
  describeCheckpoint: { args: [checkpoint, text('mine')], needs: 1 },
  network: { args: [description], needs: 1 },
  networkText: { args: [description], needs: 1 },
  networkOf: { args: [weights, text('mine')], needs: 1 },
  readSafetensors: { args: [weights, text('mine')], needs: 1 },
  writeSafetensors: {
    args: [{ w: { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) } }, { name: 'mine' }],
    needs: 1,
  },
  Trainer: {
    args: [backend, { ...task, seed: 1, inputShape: [2], inputDtype: 'f32', submitMs: 9, maxArenaBytes: 1e6 }],
    needs: 2,
  },
  ...Object.fromEntries(
    ['fit', 'warmUp'].map((name) => [
      `Trainer#${name}`,
      {
        args: [
          whole(data),
          {
            epochs: 1,
            maxSteps: 1,
            batchSize: 2,
            ...(name === 'compile' ? { validationSplit: 0.25 } : { validation: data }),
            signal: new AbortController().signal,
            shuffle: true,
            dropLast: false,
            events: 'epoch',
            earlyStopping: { patience: 1, minDelta: 0, monitor: 'loss', restoreBest: false },
            classWeights: 'balanced',
            targetAccuracy: 0.9,
            callbacks: [{ onStep: () => {} }],
            resume: false,
            onStep: () => {},
            onEpoch: () => {},
            onWarning: () => {},
            onEnd: () => {},
          },
        ],
        needs: 1,
      },
    ]),
  ),
  'Trainer#trainOnBatch': { args: [whole(values), whole({ shape: [2], data: Uint32Array.of(0, 1) })], needs: 2 },
  'Trainer#evaluate': { args: [whole(data), { batchSize: 2, confusion: true }], needs: 1 },
  ...Object.fromEntries(
    ['predict', 'predictProbabilities', 'predictClasses'].map((name) => [
      `Trainer#${name}`,
      { args: [whole(values)], needs: 1 },
    ]),
  ),
  'Trainer#inspect': { args: [whole(values), whole({ shape: [2], data: Uint32Array.of(0, 1) })], needs: 1 },
  gradcheck: {
    args: [whole(trainer), whole(data), { rows: 2, entries: 1, finiteTolerance: 1e-6, backendTolerance: 1e-3 }],
    needs: 1,
  },
  perturb: { args: [whole(trainer), 'weight', [0, 0], whole(data), { delta: 1e-3, rows: 2 }], needs: 3 },
  landscape: {
    args: [whole(trainer), whole(data), { n: 1, directions: 'random', extent: 1, images: 2, seed: 0, path: [] }],
    needs: 2,
  },
  lrFind: { args: [whole(trainer), whole(data), { batchSize: 2, from: 1e-3, to: 1, steps: 2 }], needs: 2 },
  'backend#compile': {
    args: [
      () => x,
      { v: whole({ shape: [2], dtype: 'f32' }).value },
      { training: false, fuse: true, persistent: false, storages: [] },
    ],
    needs: 2,
  },
  'backend#value': { args: [[x], { as: 'typed', storages: [] }], needs: 1 },
  'backend#allocate': { args: [model, { seed: 1 }], needs: 1 },
  'backend#run': {
    args: [
      ({ v }: { v: thalweg.Tensor }) => ops.relu(v),
      { v: { shape: [2], dtype: 'f32', data: Float32Array.of(1, 2) } },
    ],
    needs: 1,
  },
  'program#run': { args: [{ v: Float32Array.of(1, 2) }], open: true },
  'program#submit': { args: [1, []], needs: 1, open: true },
  'data#augment': { args: [AUGMENTED] },
  'data#slice': { args: [0, 2], needs: 2 },
  'Trainer#freeze': { args: ['bias'], needs: 1 },
  'Trainer#unfreeze': { args: ['bias'], needs: 1 },
  'nn.freeze': { args: [whole(new nn.Linear(2, 2))], needs: 1 },
  'nn.unfreeze': { args: [whole(new nn.Linear(2, 2))], needs: 1 },
  saveCheckpoint: { args: [whole(trainer), any({})], needs: 1 },
  saveWeights: { args: [whole(trainer), object({})], needs: 1 },
  loadCheckpoint: { args: [whole(trainer), checkpoint, text('mine')], needs: 2 },
  loadWeights: {
    args: [whole(trainer), weights, text('mine'), { strict: true, rename: { 'module.': '' } }],
    needs: 2,
  },
  createBackend: {
    args: [{ device: 'cpu', precision: 'float64', threads: 2, fuse: true, persistent: false, deterministic: true }],
  },
  'datasets.digits': { args: [{ train: 2, test: 1, seed: 1, images: true, onProgress: () => {} }] },
  'datasets.mnist': {
    args: [{ base: 'http://none.invalid/', images: true, timeoutMs: 5, cache: false, mirrors: [] }],
    call: false,
  },
  'node.datasets.mnist': {
    args: [
      {
        folder: '/none',
        set: 'a',
        classes: 3,
        targets: 'values',
        transpose: true,
        images: true,
        timeoutMs: 5,
        mirrors: [],
      },
    ],
    call: false,
  },
  'datasets.images': {
    args: [whole([]), { size: 8, fit: 'crop', channels: 1, classes: ['cat', 'dog'], limit: 3, skipBad: true }],
    needs: 1,
    call: false,
  },
  'datasets.cifar10': { args: [whole([])], needs: 1, call: false },
  'datasets.cifar100': { args: [whole([]), { labels: 'coarse' }], needs: 1, call: false },
  'node.datasets.cifar10': { args: [{ folder: '/none' }], needs: 1, call: false },
  'node.datasets.cifar100': { args: [{ folder: '/none', labels: 'coarse' }], needs: 1, call: false },
  'node.datasets.images': {
    args: ['/none', { size: 8, fit: 'crop', channels: 1, classes: ['cat', 'dog'], limit: 3, skipBad: true }],
    needs: 1,
    call: false,
  },
  'node.createBackend': {
    args: [{ device: 'cpu', precision: 'float64', threads: 2, fuse: true, persistent: false, deterministic: true }],
  },
};

/** Methods that x, two rows of floats, does not have the dtype or the axes for. */
const NOT_ON_X = ['oneHot', 'remainder', 'conv', 'convTranspose'];

/** A tensor's methods: the functions without their first argument. */
for (const name of Object.getOwnPropertyNames(thalweg.Tensor.prototype)) {
  const entry = Object.hasOwn(ENTRIES, name) ? ENTRIES[name] : undefined;
  if (entry)
    ENTRIES[`Tensor#${name}`] = {
      args: entry.args.slice(1),
      needs: (entry.needs ?? 1) - 1,
      ...((NOT_ON_X.includes(name) || /pool|upsample/i.test(name)) && { call: false }),
    };
}

/** What takes no arguments. */
const WITHOUT = new Set([
  ...[
    'isTraining',
    'presets.classic.model',
    'presets.mlp.model',
    'presets.cnn.model',
    'presets.resnet20.model',
    'Tensor#toString',
    'Tensor#toJSON',
    'Variable#toString',
  ],
  ...['backend#dispose', 'program#dispose', 'program#link'],
  ...['summary', 'parameters', 'snapshotWeights', 'dispose'].map((m) => `Trainer#${m}`),
]);

const INSTANCES: Readonly<Record<string, object>> = {
  Tensor: x,
  Trainer: trainer,
  'nn.GELU': new nn.GELU(),
  'nn.LeakyReLU': new nn.LeakyReLU(),
  'nn.ELU': new nn.ELU(),
  'nn.CELU': new nn.CELU(),
  'nn.SELU': new nn.SELU(),
  'nn.ReLU6': new nn.ReLU6(),
  'nn.Hardsigmoid': new nn.Hardsigmoid(),
  'nn.Hardswish': new nn.Hardswish(),
  'nn.Mish': new nn.Mish(),
  'nn.LogSigmoid': new nn.LogSigmoid(),
  'nn.PReLU': new nn.PReLU(),
  'nn.LogSoftmax': new nn.LogSoftmax(),
  'nn.ReLU': new nn.ReLU(),
  'nn.Sigmoid': new nn.Sigmoid(),
  'nn.SiLU': new nn.SiLU(),
  'nn.Softmax': new nn.Softmax(),
  'nn.Softplus': new nn.Softplus(),
  'nn.Tanh': new nn.Tanh(),
  'nn.Dropout': new nn.Dropout(),
  'nn.Embedding': new nn.Embedding(2, 2),
  'nn.LayerNorm': new nn.LayerNorm(2),
  'nn.RMSNorm': new nn.RMSNorm(2),
  'nn.GroupNorm': new nn.GroupNorm(1, 2),
  'nn.Dropout2d': new nn.Dropout2d(),
  'nn.Linear': model,
  'nn.BasicBlock': new nn.BasicBlock(2, 2),
  'nn.ResNet': new nn.ResNet({ blocks: [1], width: 2, classes: 2, channels: 2, stem: 'cifar' }),
  'nn.Conv1d': new nn.Conv1d(2, 2, 1),
  'nn.Conv2d': new nn.Conv2d(2, 2, 1),
  'nn.ConvTranspose1d': new nn.ConvTranspose1d(2, 2, 1),
  'nn.ConvTranspose2d': new nn.ConvTranspose2d(2, 2, 1),
  'nn.Flatten': new nn.Flatten(),
  'nn.MaxPool2d': new nn.MaxPool2d(2),
  'nn.AvgPool2d': new nn.AvgPool2d(2),
  'nn.MaxPool1d': new nn.MaxPool1d(2),
  'nn.AvgPool1d': new nn.AvgPool1d(2),
  'nn.AdaptiveAvgPool1d': new nn.AdaptiveAvgPool1d(1),
  'nn.AdaptiveAvgPool2d': new nn.AdaptiveAvgPool2d(1),
  'nn.AdaptiveMaxPool1d': new nn.AdaptiveMaxPool1d(1),
  'nn.AdaptiveMaxPool2d': new nn.AdaptiveMaxPool2d(1),
  'nn.GlobalAvgPool2d': new nn.GlobalAvgPool2d(),
  'nn.Upsample': new nn.Upsample({ scale: 2 }),
  'nn.ZeroPad2d': new nn.ZeroPad2d(1),
  'nn.ReflectionPad2d': new nn.ReflectionPad2d(1),
  'nn.ReplicationPad2d': new nn.ReplicationPad2d(1),
  'nn.CircularPad2d': new nn.CircularPad2d(1),
  'nn.Sequential': new nn.Sequential(model),
};

type Callable = (...args: readonly unknown[]) => unknown;
const isClass = (fn: unknown): fn is { prototype: object } => typeof fn === 'function' && /^class\b/.test(`${fn}`);

/** The functions that `owner` itself has, to be called on `self`. */
function methodsOf(owner: object, self: unknown): [string, Callable][] {
  return Object.entries(Object.getOwnPropertyDescriptors(owner))
    .filter(([name, { value }]) => typeof value === 'function' && name !== 'constructor')
    .map(([name, { value }]) => [name, (...args) => value.apply(self, args)]);
}

const found = new Map<string, Callable>();
const seen = new Set<unknown>();

/** Notes every function, constructor and method that exports lead to, by path; each once, functions before objects. */
function find(exported: object, prefix: string): void {
  const entries = Object.entries(exported).sort(
    (a, b) => Number(typeof b[1] === 'function') - Number(typeof a[1] === 'function'),
  );
  for (const [name, value] of entries) {
    const path = `${prefix}${name}`;
    if (seen.has(value) || (isClass(value) && value.prototype instanceof Error)) continue;
    if (typeof value === 'object' && value !== null && !('shape' in value && 'cpu' in value)) find(value, `${path}.`);
    if (typeof value !== 'function') continue;
    seen.add(value);
    found.set(path, isClass(value) ? (...args) => Reflect.construct(value as never, args) : value);
    if (!isClass(value)) continue;
    for (const [method, fn] of methodsOf(value, value)) found.set(`${path}.${method}`, fn);
    for (const [method, fn] of methodsOf(value.prototype, INSTANCES[path])) found.set(`${path}#${method}`, fn);
  }
}

const ours = [...Object.values(thalweg), FileError].filter(
  (value): value is typeof thalweg.OptionError => isClass(value) && value.prototype instanceof Error,
);

/** undefined where the call is refused by one of our errors, else what came of it. */
async function outcome(fn: Callable, args: readonly unknown[]): Promise<string | undefined> {
  try {
    const result = fn(...args) as { then?: unknown; next?: () => Promise<unknown>; dispose?: () => void } | undefined;
    if (typeof result?.next === 'function') for (; !((await result.next()) as { done: boolean }).done; );
    else if (typeof result?.then === 'function') await result;
    return 'taken';
  } catch (error) {
    return ours.some((type) => error instanceof type) ? undefined : `${error}`;
  }
}

/** Values that cannot stand where `value` does. */
function wrongFor(value: unknown): unknown[] {
  const others = ['?', true, null, 3, { unknownOption: 1 }, () => {}];
  const kindOf = (v: unknown) =>
    v instanceof Tensor ? 'tensor' : Array.isArray(v) ? 'array' : v === null ? 'null' : typeof v;
  const wrong = others.filter(
    (other) => kindOf(other) !== kindOf(value) || kindOf(value) === 'object' || kindOf(value) === 'string',
  );
  return typeof value === 'number' ? [...wrong, Number.NaN] : wrong;
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

const shown = (value: unknown) =>
  typeof value === 'function' || typeof value === 'number' ? `${value}` : JSON.stringify(value);

/** The value with one of its nested fields changed, for each of them and each change; what it holds of ours stays whole. */
function* withOddFields(value: unknown, depth = 2): Generator<[string, unknown]> {
  if (depth === 0 || (!isPlain(value) && !Array.isArray(value))) return;
  const put = (key: string, odd: unknown) =>
    Array.isArray(value) ? Object.assign([...value], { [key]: odd }) : { ...value, [key]: odd };
  for (const [key, inner] of Object.entries(value)) {
    for (const odd of [null, 3, {}]) yield [`${key}: ${shown(odd)}`, put(key, odd)];
    for (const [name, odd] of withOddFields(inner, depth - 1)) yield [`${key}.${name}`, put(key, odd)];
  }
}

/** Names and arguments of what may be taken or refused, but by an error of ours. */
function* oddCalls({ args }: Entry): Generator<[string, unknown[]]> {
  const valid = args.map((arg) => (isPlain(arg) && 'takes' in arg ? arg['value'] : arg));
  for (const [k, value] of valid.entries()) {
    const instead = (odd: unknown) => valid.map((arg, at) => (at === k ? odd : arg));
    // Without options, fit trains for ever, and digits are many.
    for (const odd of [[], [null], ...(isPlain(args[k]) && !('takes' in args[k]) ? [] : [{}])])
      yield [`argument ${k} is ${shown(odd)}`, instead(odd)];
    for (const [name, odd] of withOddFields(value)) yield [`argument ${k} with ${name}`, instead(odd)];
  }
}

/** Names and arguments of all that must be refused. */
function* wrongCalls({ args, needs = 0, open }: Entry): Generator<[string, unknown[]]> {
  const names = ['name', 'title', 'stream'];
  const counts =
    /^(epochs|maxSteps|batchSize|patience|rows|entries|n|images|steps|classes|train|test|total|every|size|batch|stride|stepsPerEpoch|metrics|seed)$/;
  const free = args.map((arg) => (isPlain(arg) && 'takes' in arg ? (arg as ReturnType<typeof like>) : undefined));
  const valid = args.map((arg, k) => free[k]?.value ?? arg);
  for (let k = 0; k < needs; k++) yield [`${k} arguments`, valid.slice(0, k)];
  const instead = (k: number, value: unknown) => valid.map((arg, at) => (at === k ? value : arg));
  for (const [k, value] of valid.entries()) {
    for (const wrong of wrongFor(value)) {
      if (!free[k]?.takes(wrong)) yield [`argument ${k} is ${shown(wrong)}`, instead(k, wrong)];
    }
    if (!isPlain(value) || free[k]) continue;
    yield [`argument ${k} with an unknown option`, instead(k, { ...value, unknownOption: 1 })];
    for (const [name, option] of Object.entries(value)) {
      for (const wrong of [
        ...wrongFor(option),
        ...(counts.test(name) && typeof option === 'number' ? [-1, 1.5] : []),
      ]) {
        if (typeof wrong === 'string' && names.includes(name)) continue;
        yield [`${name} is ${shown(wrong)}`, instead(k, { ...value, [name]: wrong })];
      }
    }
  }
  if (!open) yield ['an argument too many', [...valid, { one: 'more' }]];
}

describe('every function and constructor refuses what it does not understand', () => {
  find(thalweg, '');
  find(ops, '');
  find(node, 'node.');
  for (const [method, fn] of methodsOf(Object.getPrototypeOf(backend), backend)) found.set(`backend#${method}`, fn);
  for (const [method, fn] of methodsOf(Object.getPrototypeOf(program), program)) found.set(`program#${method}`, fn);
  for (const [method, fn] of methodsOf(photos, photos)) found.set(`data#${method}`, fn);
  for (const [name, loss] of Object.entries(losses))
    if ('with' in loss) found.set(`losses.${name}.with`, loss.with as Callable);
  const paths = [...found.keys()].filter((path) => !WITHOUT.has(path));

  it('has an entry for each, and no other', () => {
    expect(Object.keys(ENTRIES).sort()).toEqual([...paths].sort());
  });

  it.each(paths)('%s', async (path) => {
    const fn = found.get(path)!;
    const entry = ENTRIES[path]!;
    const valid = entry.args.map((arg) => (isPlain(arg) && 'takes' in arg ? arg['value'] : arg));
    if (entry.call !== false) expect(await outcome(fn, valid)).toBe('taken');
    const faults: string[] = [];
    for (const [name, args] of wrongCalls(entry)) {
      const came = await outcome(fn, args);
      if (came !== undefined) faults.push(`${name}: ${came}`);
    }
    expect(faults).toEqual([]);
  });

  // An op knows how many inputs it has by its shape function alone.
  const known = paths.filter((path) => !['apply', 'apply1'].includes(path));
  it.each(known)('%s, and with odd values inside', async (path) => {
    const faults: string[] = [];
    const entry = ENTRIES[path]!;
    for (const [name, args] of entry.call === false ? [] : oddCalls(entry)) {
      const came = await outcome(found.get(path)!, args);
      if (came !== undefined && came !== 'taken') faults.push(`${name}: ${came}`);
    }
    expect(faults).toEqual([]);
  });
});
