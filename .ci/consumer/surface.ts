// Every entry point as somebody with strict settings uses it: only types are checked, nothing of it runs.

import type { DataSet, FitEvent, NestedValue, Tensor } from 'thalweg';
import * as page from 'thalweg';
import * as datasets from 'thalweg/datasets';
import * as losses from 'thalweg/losses';
import * as nn from 'thalweg/nn';
import * as node from 'thalweg/node';
import { apply1, attachMethods, concat, type Op, sum } from 'thalweg/ops';
import * as optim from 'thalweg/optim';

const x: Tensor = page.constant(
  [
    [1, 2],
    [3, 4],
  ],
  [2, 2],
  { dtype: 'f32' },
);
const backend = page.createCpuBackend();
const scalar: NestedValue = await backend.value(x.mul(2).sum());
const [total, rows]: [NestedValue, NestedValue] = await backend.value([sum(x), sum(x, 1)]);
const named: { all: page.HostArray } = await backend.value({ all: x }, { as: 'typed' });

// Namespaces from entry points of their own are the same.
const namespaces: [typeof page.nn, typeof page.optim, typeof page.losses, typeof page.datasets] = [
  nn,
  optim,
  losses,
  datasets,
];

// By position and by name, and nothing else.
const reduced = [
  x.sum(),
  x.sum(0),
  x.sum([0, 1], { keepDims: true }),
  x.sum({ axis: 0 }),
  x.softmax(0),
  x.clip(0),
  x.clip({ max: 1 }),
];
const joined = [concat(x, x), concat([x, x], 1), concat(x, x, { axis: 1 }), x.reshape(4, 1), x.reshape([4])];
// @ts-expect-error: keepDims is an option
x.sum(0, true);
// @ts-expect-error: a bound is needed
x.clip();

const double: Op<void> = {
  name: 'double',
  elementwise: true,
  shape: ([a]) => [a!],
  cpu: ([a], [y]) => {
    for (const [i, v] of a!.data.entries()) y!.data[i] = 2 * v;
  },
  map: (scope) => `(2.0 * ${scope.load(0, scope.i)})`,
  vjp: ([dy]) => [() => dy!.mul(2)],
};
attachMethods({ double: (t: Tensor) => apply1(double, [t], undefined) });

const { Trainer } = node;
const data: DataSet = node.datasets.array(
  [
    [0, 1],
    [1, 0],
  ],
  [0, 1],
  { targets: 'classes' },
);
const trainer = new Trainer(await node.createBackend({ device: 'cpu' }), {
  model: new nn.Sequential(new nn.Linear(2, 4), new nn.ReLU(), (t) => t.tanh(), new nn.Linear(4, 2)),
  loss: losses.softmaxCrossEntropy,
  optimizer: optim.adam(optim.cosine(0.1), { clipNorm: 1 }),
});
for await (const e of trainer.fit(data, { epochs: 1 })) console.log(e.epoch, e.loss, e.validation?.accuracy);
for await (const e of trainer.fit(data, { epochs: 1, events: 'step' })) {
  const event: FitEvent = e;
  if (event.type === 'step') console.log(event.loss);
}
const history: page.History = await trainer.fit(data, { epochs: 1 });
// Options in a variable say which events come; a model may be written in place.
const steps: page.FitOptions = { epochs: 1, events: 'step' };
for await (const e of trainer.fit(data, steps)) if (e.type === 'step') console.log(e.loss);
const hidden = new nn.Linear(2, 2);
const inPlace: page.AnyTrainer = new Trainer(backend, {
  model: { hidden, forward: (t: Tensor) => hidden.forward(t) },
  loss: losses.softmaxCrossEntropy,
  optimizer: optim.adam(),
});
await page.saveWeights(inPlace);
// An option that is undefined is as if it was left out, also where types are exact.
trainer.fit(data, { epochs: undefined });
console.log(scalar, total, rows, named, reduced, joined, namespaces, history);
