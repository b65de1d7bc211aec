// The page's configuration: to the address and back, nonsense refused in words, and the presets are those of the library.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ACTIVATIONS,
  type Config,
  DATA,
  DEVICES,
  differences,
  hashOf,
  LOSSES,
  OPTIMIZERS,
  PRESET_CONFIGS,
  PRESETS,
  parseHash,
  readConfig,
  SCHEDULES,
} from '../app/config.ts';
import { presets } from '../src/index.ts';

const anyConfig: fc.Arbitrary<Config> = fc.record({
  preset: fc.constantFrom(...PRESETS),
  hidden: fc.array(fc.integer({ min: 1, max: 8192 }), { maxLength: 6 }),
  activation: fc.constantFrom(...ACTIVATIONS),
  loss: fc.constantFrom(...LOSSES),
  optimizer: fc.constantFrom(...OPTIMIZERS),
  lr: fc.double({ min: 1e-30, max: 1e30, noNaN: true }),
  schedule: fc.constantFrom(...SCHEDULES),
  batch: fc.integer({ min: 1, max: 60_000 }),
  epochs: fc.integer({ min: 1, max: 1000 }),
  seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  data: fc.constantFrom(...DATA),
  device: fc.constantFrom(...DEVICES),
});

describe('the address', () => {
  test('carries every configuration there and back', () => {
    fc.assert(
      fc.property(anyConfig, (config) => {
        expect(parseHash(hashOf(config))).toEqual({ config, problems: [] });
      }),
    );
  });

  test('says only what differs from the preset', () => {
    expect(hashOf(PRESET_CONFIGS.mlp)).toBe('#preset=mlp');
    expect(hashOf({ ...PRESET_CONFIGS.classic, lr: 100, hidden: [32, 8] })).toBe('#preset=classic&hidden=32-8&lr=100');
    expect(parseHash('').config).toEqual(PRESET_CONFIGS.classic);
  });

  test.each([
    ['#lr=-1', 'lr: "-1" cannot be used. Give a number above 0. Kept "1".'],
    ['#lr=', 'lr: "" cannot be used. Give a number above 0. Kept "1".'],
    ['#lr=1e999', 'lr: "1e999" cannot be used. Give a number above 0. Kept "1".'],
    ['#batch=2.5', 'batch: "2.5" cannot be used. Give a whole number from 1 to 60000. Kept "32".'],
    [
      '#hidden=16-0',
      'hidden: "16-0" cannot be used. Give at most 6 widths from 1 to 8192, such as 16-16. Kept "16-16".',
    ],
    ['#preset=clasic', 'preset: "clasic" is unknown, so classic is used. Use one of classic, mlp.'],
    [
      '#activation=toString',
      'activation: "toString" cannot be used. Use relu, sigmoid, tanh, gelu, silu. Kept "sigmoid".',
    ],
  ])('says what is wrong with %s, and keeps the preset', (hash, problem) => {
    expect(parseHash(hash)).toEqual({ config: PRESET_CONFIGS.classic, problems: [problem] });
  });

  test('keeps what is good beside what is bad, and ignores keys it does not know', () => {
    const { config, problems } = parseHash('#seed=7&nonsense=1&__proto__=2&batch=0&lr=0.5');
    expect(config).toEqual({ ...PRESET_CONFIGS.classic, seed: 7, lr: 0.5 });
    expect(problems).toHaveLength(1);
  });

  test('never throws, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('', '#', '#lr=', '#hidden=', '#preset=', '#seed=1&'), (text, start) => {
        const { config, problems } = parseHash(start + text);
        expect(readConfig(config)).toEqual(config);
        for (const problem of problems) expect(problem.length).toBeLessThan(200);
      }),
    );
  });
});

test('the differences of two runs are told setting by setting', () => {
  expect(differences(PRESET_CONFIGS.classic, { ...PRESET_CONFIGS.classic, lr: 0.5, hidden: [] })).toEqual([
    'hidden 16-16 → none',
    'lr 1 → 0.5',
  ]);
});

test('a configuration from a file is refused by the name of its first bad entry', () => {
  expect(() => readConfig({ ...PRESET_CONFIGS.mlp, batch: 0 })).toThrow(/^batch: /);
  expect(() => readConfig('nonsense')).toThrow(/configuration: /);
});

describe.each(PRESETS)('the preset %s', (name) => {
  const page = PRESET_CONFIGS[name];
  const library = presets[name];

  test('has the settings of the library', () => {
    const { epochs, batchSize, lr } = library.defaults;
    expect([page.epochs, page.batch, page.lr]).toEqual([epochs, batchSize, lr]);
    expect(library.description).toContain(`784-${page.hidden.join('-')}-10`);
  });
});
