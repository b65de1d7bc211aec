// Options tables: defaults are filled in where nothing is given, and the types of the result say so.
import { describe, expect, expectTypeOf, it } from 'vitest';
import { checkOptions, NUMBER, optionsOf, type Schema, STRING } from '../src/graph/options.ts';

interface Options {
  readonly size: number;
  readonly rate?: number | undefined;
  readonly name?: string | undefined;
  readonly other?: unknown;
}

const SCHEMA = { size: NUMBER, rate: [NUMBER, 0.5], name: STRING, other: [true, 'a'] } satisfies Schema<Options>;

describe('checkOptions', () => {
  it('fills in defaults, in the order of the table', () => {
    const options = checkOptions('f', { size: 1 } as Options, SCHEMA);
    expect(JSON.stringify(options)).toBe('{"size":1,"rate":0.5,"other":"a"}');
    expectTypeOf(options.rate).toEqualTypeOf<number>();
    expectTypeOf(options.name).toEqualTypeOf<string | undefined>();
  });

  it('takes undefined as absent, and null or 0 as given', () => {
    const given: Options = { size: 0, rate: undefined, name: undefined, other: null };
    const options = checkOptions('f', given, SCHEMA);
    expect(Object.entries(options)).toEqual([
      ['size', 0],
      ['rate', 0.5],
      ['other', null],
    ]);
    expect(given.rate).toBeUndefined();
  });

  it('reads options that an object inherits', () => {
    const given: Options = Object.create({ size: 1, rate: 2 });
    expect(checkOptions('f', given, SCHEMA)).toMatchObject({ size: 1, rate: 2 });
  });

  it('checks what is given where there is a default', () => {
    expect(() => checkOptions('f', { rate: '1' }, SCHEMA)).toThrow('f: rate is "1". Give a number.');
  });
});

describe('optionsOf', () => {
  const of = (...given: readonly unknown[]) => optionsOf<Options, typeof SCHEMA>('f', 'rate', given, SCHEMA);

  it.each([
    ['nothing', [], 0.5],
    ['undefined', [undefined], 0.5],
    ['a value', [2], 2],
    ['a value and options', [2, { name: 'b' }], 2],
    ['undefined and options', [undefined, { name: 'b' }], 0.5],
    ['options', [{ rate: 3, name: 'b' }], 3],
  ])('takes %s', (_, given, rate) => expect(of(...given).rate).toBe(rate));

  it('refuses the first option twice, and a value of another kind', () => {
    expect(() => of(2, { rate: 3 })).toThrow('f: there is no option rate. Its options are size, name, other.');
    expect(() => of('2')).toThrow('f: rate is "2". Give a number.');
  });
});

it('a table does not type-check with a default of another type or without an option', () => {
  // @ts-expect-error: a string for a number
  const wrong = { ...SCHEMA, rate: [NUMBER, '0.5'] } satisfies Schema<Options>;
  // @ts-expect-error: other is missing
  const missing = { size: NUMBER, rate: NUMBER, name: STRING } satisfies Schema<Options>;
  expect([wrong.rate[1], Object.keys(missing)]).toEqual(['0.5', ['size', 'rate', 'name']]);
});
