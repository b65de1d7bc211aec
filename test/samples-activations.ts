// Samples of the activations that most bundles leave out. One shape runs by default: their kernels are those of every elementwise op.
import type { Shape } from '../src/graph/shape.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { celu, elu, selu } from '../src/ops/exponential-units.ts';
import { hardsigmoid, hardswish, relu6 } from '../src/ops/hard-activations.ts';
import { prelu } from '../src/ops/prelu.ts';
import { logSigmoid, mish } from '../src/ops/softplus-activations.ts';
import type { Sample, SampleInput } from './sample.ts';

const SHAPES: readonly Shape[] = [[257], [], [2, 1, 3, 1, 5, 7]];

function activation(fn: (x: Tensor) => Tensor, spec: Omit<SampleInput, 'shape'> = {}, label = ''): Sample[] {
  return SHAPES.map((shape, k) => ({
    name: `${label}[${shape}]`,
    inputs: [{ ...spec, shape }],
    fn: (x) => fn(x!),
    hardware: false,
    full: k > 0,
  }));
}

/** With slopes of a shape. */
const slopes = (shape: Shape, weight: Shape): Sample => ({
  name: `[${shape}] with [${weight}]`,
  inputs: [{ shape, away: 0 }, { shape: weight }],
  fn: (x, w) => prelu(x!, w!),
  hardware: false,
});

const FAR = { range: [-9, 9] } as const;
/** A grid of eighths, half a step off -3, 0, 3 and 6. */
const grid = Array.from({ length: 257 }, (_, i) => ((i * 37) % 145) / 8 - 9 + 1 / 16);
const kinked = (fn: (x: Tensor) => Tensor): Sample[] => [
  { name: '[257]', inputs: [{ shape: [257], values: grid }], fn: (x) => fn(x!), hardware: false },
];

export const activationSamples = {
  elu: [
    ...activation(elu, { range: [-9, 4], away: 0 }),
    ...activation((x) => celu(x, 0.5), { range: [-4, 4], away: 0 }, 'celu 0.5 '),
    ...activation(selu, { range: [-4, 4], away: 0 }, 'selu ').map((sample) => ({ ...sample, full: true })),
  ],
  relu6: kinked(relu6),
  hardsigmoid: kinked(hardsigmoid),
  hardswish: kinked(hardswish),
  mish: activation(mish, FAR),
  logSigmoid: activation(logSigmoid, FAR),
  prelu: [
    slopes([65, 3], [3]),
    slopes([7, 5], [1]),
    { ...slopes([257], []), full: true },
    { ...slopes([2, 3, 4, 5], [5]), full: true },
  ],
} satisfies Record<string, readonly Sample[]>;
