// Samples of the ops behind augmentation. They have no gradients: they are applied to data.
import type { Shape } from '../src/graph/shape.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { mul } from '../src/ops/binary.ts';
import { brightenPictures } from '../src/ops/brighten-pictures.ts';
import { cast } from '../src/ops/cast.ts';
import { gatherRows } from '../src/ops/gather.ts';
import { type Moves, movePictures } from '../src/ops/move-pictures.ts';
import { rowChoices } from '../src/ops/row-choices.ts';
import { warpPictures, warpTable } from '../src/ops/warp-pictures.ts';
import type { Sample, SampleInput } from './sample.ts';

const SEED: SampleInput = { shape: [2], dtype: 'u32', values: [0x89abcdef, 0x01234567] };
const STEP: SampleInput = { shape: [1], dtype: 'u32', values: [4_000_000_000] };

function choosing(B: number, ...choices: readonly (readonly [slot: number, below: number])[]): Sample {
  return {
    name: `[${B},${choices.length}] from slots ${choices.map(([slot]) => slot)}`,
    inputs: [STEP, SEED, { shape: [B], dtype: 'u32', range: [0, 60_000] }],
    fn: (step, seed, rows) =>
      rowChoices(step!, seed!, rows!, {
        stream: 0x12345678,
        choices: choices.map(([slot, below]) => ({ slot, below })),
      }),
    wrt: [],
    hardware: false,
  };
}

/** Pictures of any size in f32, or bytes read by a gather as in a batch. */
function pictures(
  shape: Shape,
  ranges: readonly number[],
  fn: (x: Tensor, at: Tensor) => Tensor,
  name: string,
): Sample[] {
  const choices: SampleInput = {
    shape: [shape[0]!, ranges.length],
    dtype: 'u32',
    values: Array.from({ length: shape[0]! * ranges.length }, (_, k) => (k * 7919 + 13) % ranges[k % ranges.length]!),
  };
  const rows: SampleInput = { shape: [shape[0]!], dtype: 'u32', range: [0, 3] };
  return [
    { name: `${name} [${shape}]`, inputs: [{ shape }, choices], fn: (x, at) => fn(x!, at!), wrt: [], hardware: false },
    {
      name: `${name} bytes [${shape}]`,
      inputs: [{ shape: [3, ...shape.slice(1)], dtype: 'u8', range: [0, 256] }, choices, rows],
      fn: (x, at, row) => mul(cast(fn(gatherRows(x!, row!), at!), 'f32'), 1 / 255),
      wrt: [],
    },
  ];
}

const FLIP = { horizontal: 2 ** 15, vertical: 2 ** 14 };
const [EITHER, ZEROS, REFLECT] = [2 ** 16, { padding: 4, reflect: false }, { padding: 4, reflect: true }];
const moving = (shape: Shape, moves: Moves, ranges: readonly number[], name: string) =>
  pictures(shape, ranges, (x, at) => movePictures(x, at, moves), name);

/** Angles of a full circle, and zooms either way. */
const TABLE = [
  Array.from({ length: 64 }, (_, k) => k * 5.7 - 180),
  Array.from({ length: 32 }, (_, k) => 0.25 + k / 12),
];
const warping = (shape: Shape, name: string, table: readonly number[][] = TABLE) =>
  pictures(
    shape,
    table.map(({ length }) => length),
    (x, at) => warpPictures(x, at, warpTable(table[0]!, table[1]!), { angle: 0, zoom: 1, angles: table[0]!.length }),
    name,
  );

export const pictureSamples = {
  rowChoices: [
    choosing(65, [0, 2 ** 16], [3, 9], [5, 1], [10, 2 ** 21]),
    { ...choosing(1, [7, 28]), full: true },
    { ...choosing(1031, [0, 5], [1, 5], [2, 5]), full: true },
  ],
  movePictures: [
    ...moving([5, 9, 7, 3], { flip: FLIP, crop: ZEROS, cutout: 3 }, [EITHER, EITHER, 9, 9, 9, 7], 'all'),
    ...moving([5, 6, 8, 1], { crop: REFLECT, cutout: 4 }, [9, 9, 6, 8], 'reflected'),
    ...[
      ...moving([1, 1, 1, 1], { flip: FLIP }, [EITHER, EITHER], 'flip'),
      ...moving([17, 32, 32, 3], { crop: { padding: 31, reflect: true } }, [63, 63], 'reflected'),
      ...moving([3, 29, 31, 4], { cutout: 29 }, [29, 31], 'cutout'),
    ].map((sample) => ({ ...sample, full: true })),
  ],
  warpPictures: [
    ...warping([7, 9, 8, 3], 'all'),
    ...[
      ...warping([5, 1, 13, 1], 'row'),
      ...warping([40, 32, 32, 3], 'all'),
      ...warping([2, 5, 4, 2], 'still', [[0], [1]]),
    ].map((sample) => ({ ...sample, full: true })),
  ],
  brightenPictures: pictures(
    [5, 3, 7, 3],
    [8, 8],
    (x, at) => brightenPictures(x, at, { column: 1, low: 0.5, step: 0.1, most: 255 }),
    'column 1',
  ),
} satisfies Record<string, readonly Sample[]>;
