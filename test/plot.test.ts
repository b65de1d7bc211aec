// The SVG plots: well-formed XML with every coordinate finite and inside the picture, gaps where values are not finite, round
// ticks.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accuracyPlot, lossPlot, type PlotOptions, type PlotPoint } from '../src/cli/plot.ts';
import { logTicks, roundTicks, smooth, thin, tickText } from '../src/cli/plot-data.ts';
import { type Element, parseXml } from './xml.ts';

const [WIDTH, HEIGHT] = [760, 420];

/** The elements of a plot, after checking that all of it is inside the picture. */
function draw(svg: string): Element[] {
  const elements = parseXml(svg);
  for (const { name, attributes } of elements) {
    if (name === 'path') {
      if (!/^M[-\d. MLHVhlmv]+$/.test(attributes['d'] ?? '')) throw new Error(`no path: ${attributes['d']}`);
      for (const [, x, y] of attributes['d']!.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)) inside(Number(x), Number(y));
    }
    if (name === 'circle') inside(Number(attributes['cx']), Number(attributes['cy']));
    if (name === 'text') inside(Number(attributes['x']), Number(attributes['y']));
  }
  return elements;
}

function inside(x: number, y: number): void {
  if (!(x >= 0 && x <= WIDTH && y >= 0 && y <= HEIGHT)) throw new Error(`(${x}, ${y}) is outside the picture`);
}

const texts = (elements: Element[]) => elements.filter((e) => e.name === 'text').map((e) => e.text);
const classed = (elements: Element[], name: string, className: string) =>
  elements.filter((e) => e.name === name && e.attributes['class'] === className);
const falling = (n: number): PlotPoint[] =>
  Array.from({ length: n }, (_, i) => [i, 0.1 + 2.2 * Math.exp(-i / 100) + 0.02 * Math.sin(i * 7)]);

describe('lossPlot', () => {
  it('draws raw, smoothed and validation on the same axes, with names and last values', () => {
    const svg = lossPlot({
      train: falling(2000),
      validation: [
        [500, 0.3],
        [1000, 0.25],
        [2000, 0.125],
      ],
      title: 'mlp on digits',
      caption: 'SwiftShader <Subzero> & "Dawn" (software)',
    });
    const elements = draw(svg);
    const said = texts(elements);
    expect(said).toContain('mlp on digits');
    expect(said).toContain('SwiftShader <Subzero> & "Dawn" (software)');
    expect(said).toEqual(
      expect.arrayContaining([
        'train, each step',
        'validation: 0.1250',
        'step',
        'loss',
        '1,000',
        '2,000',
        '0.5',
        '2.0',
      ]),
    );
    expect(said.some((t) => /^train, smoothed: 0\.(09|10)\d\d$/.test(t))).toBe(true);
    expect(elements.find((e) => e.name === 'desc')?.text).toMatch(
      /^Training: from 2\.\d+ at step 0 to 0\.(?:09|10)\d\d at step 1999\. Validation: from 0\.3000 at step 500 to 0\.1250 at step 2000\./,
    );
    expect(classed(elements, 'circle', 'tw-dot')).toHaveLength(4); // one in the legend
    expect(svg).toContain('@media (prefers-color-scheme:dark)');
    expect(svg.length).toBeLessThan(60_000);
  });

  it('puts values where the axis says', () => {
    const elements = draw(
      lossPlot({
        validation: [
          [0, 0],
          [10, 1],
          [20, 2],
        ],
      }),
    );
    const at = (label: string) =>
      Number(elements.find((e) => e.text === label && e.attributes['text-anchor'] === 'end')?.attributes['y']) - 4.5;
    const dots = classed(elements, 'circle', 'tw-dot').slice(1);
    expect(dots.map((dot) => Number(dot.attributes['cy']))).toEqual([at('0'), at('1.0'), at('2.0')]);
  });

  it('keeps equal distances for equal factors on a log axis', () => {
    const elements = draw(
      lossPlot({
        validation: [
          [0, 100],
          [1, 1],
          [2, 0.01],
        ],
        scale: 'log',
      }),
    );
    const [a = 0, b = 0, c = 0] = classed(elements, 'circle', 'tw-dot')
      .slice(1)
      .map((dot) => Number(dot.attributes['cy']));
    expect(b - a).toBeGreaterThan(50);
    expect(b - a).toBeCloseTo(c - b, 0);
    expect(texts(elements)).toEqual(expect.arrayContaining(['0.01', '1', '100']));
  });

  it('turns to a log axis by itself for a loss that ran away', () => {
    const train: PlotPoint[] = Array.from({ length: 100 }, (_, i) => [i, i < 50 ? 2 : 2 * 10 ** ((i - 50) / 2)]);
    expect(texts(draw(lossPlot({ train })))).toContain('1e16');
    expect(texts(draw(lossPlot({ train, scale: 'linear' })))).not.toContain('10,000');
  });

  it('leaves gaps where values are not finite, and marks them', () => {
    const train: PlotPoint[] = [
      [0, 3],
      [1, 2],
      [2, Number.NaN],
      [3, 2],
      [4, Number.POSITIVE_INFINITY],
      [5, 1],
      [6, 1],
    ];
    const elements = draw(lossPlot({ train }));
    const line = classed(elements, 'path', 'tw-blue').find((e) => e.attributes['fill'] === 'none');
    expect(line?.attributes['d']?.match(/M/g)).toHaveLength(3);
    expect(classed(elements, 'circle', 'tw-solo')).toHaveLength(1); // step 3, alone between gaps
    expect(classed(elements, 'path', 'tw-orange')).toHaveLength(2);
    expect(texts(elements)).toContain('✕ 2 values not finite');
    expect(elements.find((e) => e.name === 'desc')?.text).toContain('2 values are not finite.');
  });

  it('says which values a log axis has no place for', () => {
    expect(
      texts(
        draw(
          lossPlot({
            train: [
              [0, 1],
              [1, 0],
              [2, 0.1],
            ],
            scale: 'log',
          }),
        ),
      ),
    ).toContain('✕ 1 value not above 0');
  });

  it.each<[string, PlotOptions]>([
    ['nothing', {}],
    ['only NaN', { train: [[0, Number.NaN]] }],
    ['one point', { train: [[7, 2.3]] }],
    ['one point at 0', { train: [[0, 0]], validation: [[0, 0]] }],
    [
      'a constant',
      {
        train: [
          [0, 2.3],
          [1, 2.3],
        ],
      },
    ],
    [
      'a constant on a log axis',
      {
        train: [
          [0, 2.3],
          [1, 2.3],
        ],
        scale: 'log',
      },
    ],
    [
      'nothing above 0 on a log axis',
      {
        train: [
          [0, 0],
          [1, -1],
        ],
        scale: 'log',
      },
    ],
    [
      'negative values',
      {
        train: [
          [0, -3],
          [1, -2],
        ],
      },
    ],
    [
      'a step that is not a number',
      {
        train: [
          [Number.NaN, 1],
          [1, 2],
        ],
      },
    ],
  ])('copes with %s', (_name, options) => {
    const svg = lossPlot(options);
    draw(svg);
    expect(svg).not.toMatch(/="[^"]*NaN|="[^"]*Infinity/);
  });

  it('says that nothing was recorded', () => expect(texts(draw(lossPlot({})))).toContain('nothing was recorded'));

  it('keeps the ticks of far steps inside', () => {
    draw(lossPlot({ validation: [[-149879157129.6, 0]] }));
  });

  it('shows a point that no line reaches, however many others have no place', () => {
    const train = Array.from({ length: 40 }, (_, step): PlotPoint => [step, step === 38 ? 1 : 0]);
    const elements = draw(lossPlot({ train, scale: 'log' }));
    expect(classed(elements, 'circle', 'tw-solo')).toHaveLength(1);
  });

  it('spans what a logarithmic axis bears', () => {
    const extremes = [1e-150, 1e-140, 1e-139, 1, 1e139, 1e140, 1e150];
    draw(lossPlot({ train: extremes.map((value, step) => [step, value]), scale: 'log' }));
  });

  it('is well-formed and inside its frame for any values and texts', () => {
    const point = fc.tuple(
      fc.oneof(fc.nat(5000), fc.double()),
      fc.oneof(fc.double(), fc.float(), fc.double({ min: 0, max: 3 })),
    );
    const options = fc.record({
      train: fc.array(point, { maxLength: 120, size: 'max' }),
      validation: fc.array(point, { maxLength: 5 }),
      title: fc.string({ unit: 'binary' }),
      caption: fc.string({ unit: 'binary', maxLength: 300 }),
      scale: fc.constantFrom('linear', 'log', 'auto'),
    });
    fc.assert(
      fc.property(options, (o) => {
        draw(lossPlot(o));
      }),
      { numRuns: 100 },
    );
  });
});

describe('accuracyPlot', () => {
  it('is in percent and ends at 100', () => {
    const elements = draw(
      accuracyPlot({ train: falling(100).map(([s, v]) => [s, 1 - v / 2.5]), validation: [[99, 1]] }),
    );
    const said = texts(elements);
    expect(said).toEqual(expect.arrayContaining(['Accuracy', 'accuracy (%)', 'validation: 100.00%', '100']));
    expect(said).not.toContain('120');
  });
});

describe('the numbers of a plot', () => {
  it.each([
    [0, 1, 6, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [0, 2345, 8, [0, 500, 1000, 1500, 2000]],
    [0.95, 0.98, 6, [0.95, 0.955, 0.96, 0.965, 0.97, 0.975, 0.98]],
    [-1, 1, 4, [-1, -0.5, 0, 0.5, 1]],
    [149879157128, 149879157130, 4, [149879157128, 149879157128.5, 149879157129, 149879157129.5, 149879157130]],
    [2 ** 53 - 8, 2 ** 53 - 4, 4, [2 ** 53 - 8, 2 ** 53 - 7, 2 ** 53 - 6, 2 ** 53 - 5, 2 ** 53 - 4]],
  ])('roundTicks(%d, %d, %d)', (min, max, count, ticks) => expect(roundTicks(min, max, count)).toEqual(ticks));

  it.each([
    [0.01, 3, 8, [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]],
    [1, 1e6, 8, [1, 10, 100, 1000, 1e4, 1e5, 1e6]],
    [1, 1e24, 8, [1, 1e3, 1e6, 1e9, 1e12, 1e15, 1e18, 1e21, 1e24]],
  ])('logTicks(%d, %d, %d)', (min, max, count, ticks) => expect(logTicks(min, max, count)).toEqual(ticks));

  it.each([
    [0, 0.5, '0'],
    [1, 0.5, '1.0'],
    [0.955, 0.005, '0.955'],
    [12000, 2000, '12,000'],
    [-2, 1, '-2'],
    [1e24, 1e24, '1e24'],
    [2.5e-6, 1e-6, '2.5e-6'],
  ])('tickText(%d, %d)', (tick, step, text) => expect(tickText(tick, step)).toBe(text));

  it('smooths noise away and follows a line exactly', () => {
    const line: PlotPoint[] = Array.from({ length: 400 }, (_, i) => [i, 5 - i / 100]);
    smooth(line, 400)
      .slice(0, 390)
      .forEach(([step, value]) => {
        expect(value).toBeCloseTo(5 - step / 100, 6);
      });
    const noise: PlotPoint[] = Array.from({ length: 400 }, (_, i) => [i, i % 2]);
    for (const [, value] of smooth(noise, 100).slice(10)) expect(Math.abs(value - 0.5)).toBeLessThan(0.1);
    expect(smooth(noise, 100)).toHaveLength(100);
  });

  it('thins to what pixels show, keeping extremes and gaps', () => {
    const points: PlotPoint[] = Array.from({ length: 10_000 }, (_, i) => [i, Math.sin(i)]);
    points[5000] = [5000, 99];
    points[7000] = [7000, Number.NaN];
    const kept = thin(points, 100);
    expect(kept.length).toBeLessThanOrEqual(303);
    expect(kept).toContainEqual([5000, 99]);
    expect(kept).toContainEqual([7000, Number.NaN]);
    expect(kept.map(([step]) => step)).toEqual(kept.map(([step]) => step).sort((a, b) => a - b));
  });
});
