// Backends as JavaScript and TypeScript meet them: options that there are none of, and inputs by name.
import { expect, it } from 'vitest';
import { type BackendOptions, createBackendWith, createCpuBackend } from '../src/backend.ts';
import { browserProvider } from '../src/gpu/adapter.ts';
import type { NdArray } from '../src/graph/op.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { add } from '../src/ops/binary.ts';

const create = (options: unknown) => createBackendWith(browserProvider(), options as BackendOptions);
const two: NdArray = { shape: [2], dtype: 'f32', data: Float32Array.of(1, 2) };

it('refuses options that there are none of', async () => {
  await expect(create({ devise: 'cpu' })).rejects.toThrow(
    'createBackend: there is no option devise. Did you mean device?',
  );
  await expect(create({ zzz: 1 })).rejects.toThrow(
    'there is no option zzz. Its options are device, adapter, fuse, persistent, deterministic, tuning, precision.',
  );
  await expect(create('cpu')).rejects.toThrow('createBackend: its options are "cpu". Give an object of device');
  await expect(create(null)).rejects.toThrow('createBackend: its options are null.');
  expect(() => createCpuBackend({ precission: 'float64' } as never)).toThrow('Did you mean precision?');
});

it('lets a function take the inputs that are given, and no others', async () => {
  const backend = createCpuBackend();
  const { y } = await backend.run(({ a, b }) => add(a, b), { a: two, b: two });
  expect([...y!.data]).toEqual([2, 4]);
  // @ts-expect-error: there is no b
  await expect(backend.run(({ a, b }) => add(a, b), { a: two })).rejects.toThrow('add: undefined is neither');
  // @ts-expect-error: there are no inputs at all
  await expect(backend.run(({ a }) => add(a, 1))).rejects.toThrow('add: undefined is neither');
  // @ts-expect-error: there is no b
  expect(() => backend.compile(({ a, b }) => add(a, b), { a: two })).toThrow('add: undefined is neither');
  const many: Record<string, NdArray> = { a: two };
  const twice = (inputs: Record<string, Tensor>) => add(inputs['a']!, inputs['a']!);
  const program = await backend.compile(twice, many);
  expect([...(await program.run({ a: two.data }))['y']!.data]).toEqual([2, 4]);
  program.dispose();
  backend.dispose();
});
