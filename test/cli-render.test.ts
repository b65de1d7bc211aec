// The rendering half of the command line: progress, tables, exit codes, values of flags and the two streams, all without a device.
// Long, since each module is one table of cases and they share the fixtures at the top.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flagText } from '../src/cli/device.ts';
import { EXIT, exitCodeOf, exitCodesText } from '../src/cli/exit.ts';
import { checkSettings, flagOf, type OptionContext, parseConfig, parseFlags } from '../src/cli/options.ts';
import { eventLine, Output } from '../src/cli/output.ts';
import {
  parseAccuracy,
  parseAdapter,
  parseCount,
  parseData,
  parseDevice,
  parseElement,
  parseLearningRate,
  parseSeed,
} from '../src/cli/parsers.ts';
import { augmentOptions, parseAugment, parseChannels, parseClasses, parseSize } from '../src/cli/picture-options.ts';
import {
  formatCount,
  formatDuration,
  formatMetric,
  formatMs,
  Pace,
  ProgressLine,
  type ProgressState,
  renderProgress,
  wantsColor,
} from '../src/cli/progress.ts';
import {
  confusionTable,
  confusionText,
  formatBytes,
  formatInteger,
  gradcheckPasses,
  gradcheckTable,
  summaryTable,
} from '../src/cli/table.ts';
import type { TextStream } from '../src/cli/text-stream.ts';
import { softwareRefused } from '../src/gpu/adapter.ts';
import { DataError, DeviceError, DivergenceError, OptionError } from '../src/graph/errors.ts';
import { nearest } from '../src/graph/nearest.ts';

/** A stream that remembers, and a clock that is set by hand. */
function sink(isTTY = false, columns = 120) {
  const written: string[] = [];
  const errors: ((error: Error) => void)[] = [];
  const stream: TextStream = {
    write: (text) => written.push(text),
    isTTY,
    columns,
    on: (_, listener) => errors.push(listener),
  };
  return { stream, written, errors, text: () => written.join('') };
}

/** What a terminal would show: carriage returns and clears obeyed, colours dropped. */
function screen(text: string): string[] {
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal codes are what is tested
    const plain = line.replace(/\u001b\[\d*m/g, '');
    let shown = '';
    for (const part of plain.split('\r')) {
      const [before = '', after] = part.split('\u001b[K');
      shown = after === undefined ? before + shown.slice(before.length) : before + after;
    }
    lines.push(shown);
  }
  return lines;
}

const STATE: ProgressState = {
  epoch: 2,
  epochs: 10,
  step: 281,
  steps: 469,
  metrics: [
    ['loss', 0.221],
    ['accuracy', 0.9354],
  ],
  batchSize: 128,
};

describe('renderProgress', () => {
  const timed = { ...STATE, msPerStep: 2.1, elapsed: 590 };
  it('reads as Keras prints it', () => {
    expect(renderProgress(timed)).toBe(
      'Epoch  2/10  281/469 ━━━━━━━━────── 395ms 2.1ms/step - loss: 0.2210 - accuracy: 0.9354 - 61k img/s',
    );
  });

  it('shows what the epoch took once it is done', () => {
    expect(renderProgress({ ...timed, step: 469, elapsed: 3210 })).toMatch(/469\/469 ━{14} 3s 2\.1ms\/step - loss/);
  });

  it('promises nothing before a pace is known', () => {
    expect(renderProgress({ ...timed, step: 0, msPerStep: undefined, metrics: [] })).toBe(
      'Epoch  2/10    0/469 ──────────────',
    );
  });

  it('never reaches the edge of the terminal, and loses the bar first', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 140 }), fc.nat(469), (columns, step) => {
        const text = renderProgress({ ...timed, step }, { columns });
        expect(text.length).toBeLessThan(columns);
        expect(text.startsWith('Epoch'.slice(0, columns - 1))).toBe(true);
      }),
    );
    expect(renderProgress(timed, { columns: 88 })).not.toContain('━');
    expect(renderProgress(timed, { columns: 88 })).toContain('img/s');
    expect(renderProgress(timed, { columns: 60 })).toMatch(/- loss: 0\.2210$/);
  });

  it('colours only the bar', () => {
    const colored = renderProgress(timed, { color: true });
    expect(colored).toContain('\u001b[34m━━━━━━━━\u001b[0m');
    expect(screen(colored)[0]).toBe(renderProgress(timed));
  });

  it('copes with an epoch of no steps', () =>
    expect(renderProgress({ ...timed, step: 0, steps: 0 })).toContain('0/0 ━━━'));
});

describe('numbers for people', () => {
  it.each([
    [0, '0ms'],
    [999.4, '999ms'],
    [999.6, '1s'],
    [59_499, '59s'],
    [59_500, '1m 00s'],
    [125_000, '2m 05s'],
    [3_599_600, '1h 00m'],
    [7_320_000, '2h 02m'],
    [Number.POSITIVE_INFINITY, '?'],
  ])('formatDuration(%d) = %s', (ms, text) => expect(formatDuration(ms)).toBe(text));
  it.each([
    [0.82, '820us'],
    [0.9996, '1ms'],
    [6.42, '6.4ms'],
    [6, '6ms'],
    [9.96, '10ms'],
    [64.2, '64ms'],
    [3000, '3s'],
  ])('formatMs(%d) = %s', (ms, text) => expect(formatMs(ms)).toBe(text));
  it.each([
    [0.221, '0.2210'],
    [0, '0.0000'],
    [0.00012, '1.200e-4'],
    [-3.5, '-3.5000'],
    [1.5e9, '1.500e+9'],
    [Number.NaN, 'NaN'],
    [Number.NEGATIVE_INFINITY, '-inf'],
  ])('formatMetric(%d) = %s', (value, text) => expect(formatMetric(value)).toBe(text));
  it.each([
    [3.14, '3.1'],
    [950, '950'],
    [999.6, '1k'],
    [6100, '6.1k'],
    [60_952, '61k'],
    [1_200_000, '1.2M'],
    [2e9, '2G'],
  ])('formatCount(%d) = %s', (value, text) => expect(formatCount(value)).toBe(text));
  it.each([
    [0, '0'],
    [999, '999'],
    [13_002, '13,002'],
    [101_770, '101,770'],
    [1_234_567, '1,234,567'],
  ])('formatInteger(%d) = %s', (value, text) => expect(formatInteger(value)).toBe(text));
  it.each([
    [820, '820 B'],
    [52_008, '50.8 KiB'],
    [1024 * 1024 - 1, '1.0 MiB'],
    [5 * 2 ** 40, '5.0 TiB'],
  ])('formatBytes(%d) = %s', (value, text) => expect(formatBytes(value)).toBe(text));
});

describe('Pace', () => {
  it('leaves the first step, which compiles, out of the estimate', () => {
    const pace = new Pace();
    pace.observe(1, 5000);
    expect(pace.msPerStep).toBeUndefined();
    pace.observe(11, 5100);
    expect(pace.msPerStep).toBe(10);
  });

  it('does not count a rest, and keeps the last pace meanwhile', () => {
    const pace = new Pace();
    pace.observe(0, 0);
    pace.observe(10, 100);
    pace.rebase();
    pace.observe(10, 90_000);
    expect(pace.msPerStep).toBe(10);
    pace.observe(20, 90_200);
    expect(pace.msPerStep).toBe(20);
  });
});

describe('ProgressLine', () => {
  const at = (step: number, epoch = 1): ProgressState => ({ ...STATE, epoch, epochs: 2, step, steps: 100 });

  it('redraws in place on a terminal, at most every 50 ms, and keeps a line an epoch', () => {
    let now = 0;
    const { stream, written, text } = sink(true);
    const line = new ProgressLine(stream, { now: () => now, env: { NO_COLOR: '1' } });
    for (let step = 1; step <= 100; step++) {
      now += 10;
      line.update(at(step));
    }
    expect(written.length).toBe(20);
    line.endEpoch(at(100));
    now += 10;
    line.update(at(1, 2));
    now += 50;
    line.update(at(6, 2));
    const lines = screen(text());
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^Epoch 1\/2 {2}100\/100 ━{14} 990ms 10ms\/step/);
    expect(lines[1]).toMatch(/^Epoch 2\/2 {4}6\/100 ━─{13} 940ms 10ms\/step/);
  });

  it('writes whole lines elsewhere: every 10 s and at the end of an epoch', () => {
    let now = 0;
    const { stream, text } = sink(false);
    const line = new ProgressLine(stream, { now: () => now });
    for (let step = 1; step <= 50; step++) {
      now += 500;
      line.update(at(step));
    }
    line.endEpoch(at(100));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be written
    expect(text()).not.toMatch(/[\r\u001b]/);
    expect(
      text()
        .split('\n')
        .map((l) => l.slice(0, 18)),
    ).toEqual(['Epoch 1/2   20/100', 'Epoch 1/2   40/100', 'Epoch 1/2  100/100', '']);
  });

  it('takes CI and a dumb terminal for no terminal', () => {
    for (const env of [{ CI: 'true' }, { CI: '1' }, { TERM: 'dumb' }]) {
      const { stream, text } = sink(true);
      new ProgressLine(stream, { env }).endEpoch(at(100));
      expect(text()).toMatch(/^Epoch 1\/2 {2}100\/100 .*\n$/);
    }
  });

  it('colours a terminal unless NO_COLOR has a value', () => {
    expect(wantsColor(sink(true).stream, {})).toBe(true);
    expect(wantsColor(sink(true).stream, { NO_COLOR: '' })).toBe(true);
    expect(wantsColor(sink(true).stream, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColor(sink(true).stream, { CI: 'false' })).toBe(true);
    expect(wantsColor(sink(false).stream, {})).toBe(false);
  });

  it('puts other text above the line, and ends it when stopped', () => {
    const { stream, text } = sink(true);
    const line = new ProgressLine(stream, { env: { NO_COLOR: '1' } });
    line.update(at(3));
    line.log('saved');
    line.stop();
    line.stop();
    expect(screen(text())).toEqual(['saved', expect.stringMatching(/^Epoch 1\/2 {4}3\/100/), '']);
  });

  it('is silent under --quiet', () => {
    const { stream, text } = sink(true);
    const line = new ProgressLine(stream, { quiet: true });
    line.update(at(3));
    line.endEpoch(at(100));
    line.stop();
    expect(text()).toBe('');
  });
});

describe('Output', () => {
  const make = (options: { json?: boolean; quiet?: boolean; isTTY?: boolean } = {}) => {
    const [out, err] = [sink(options.isTTY), sink(options.isTTY)];
    let now = 1000;
    const closed: string[] = [];
    const output = new Output({
      ...options,
      stdout: out.stream,
      stderr: err.stream,
      now: () => now,
      onClosed: (why) => closed.push(why),
    });
    return { output, out, err, tick: (ms: number) => (now += ms), closed: () => closed };
  };

  it('keeps results and logs apart', () => {
    const { output, out, err } = make();
    output.log('compiling');
    output.event('step', 1, { loss: 2 });
    output.result('accuracy 97.5%');
    output.warn('software adapter');
    output.error('disk full');
    expect(out.text()).toBe('accuracy 97.5%\n');
    expect(err.text()).toBe('compiling\nwarning: software adapter\nerror: disk full\n');
  });

  it('writes nothing but JSON Lines to standard output under --json', () => {
    const { output, out, tick } = make({ json: true });
    tick(1234.5678);
    output.event('epoch', 469, { loss: Number.NaN, accuracy: 0.9 });
    output.result('for people');
    const line = output.event('end', 470, { rates: new Float32Array([0.5, Number.POSITIVE_INFINITY]) });
    expect(out.text().endsWith(`${line}\n`)).toBe(true);
    expect(
      out
        .text()
        .trimEnd()
        .split('\n')
        .map((l) => JSON.parse(l)),
    ).toEqual([
      { type: 'epoch', step: 469, time: 1.235, schema: 1, loss: 'NaN', accuracy: 0.9 },
      { type: 'end', step: 470, time: 1.235, schema: 1, rates: [0.5, 'Infinity'] },
    ]);
  });

  it('says only warnings and errors under --quiet', () => {
    const { output, out, err } = make({ quiet: true });
    output.log('compiling');
    output.progress.endEpoch(STATE);
    output.warn('w');
    output.result('r');
    expect(err.text()).toBe('warning: w\n');
    expect(out.text()).toBe('r\n');
  });

  it('takes an unfinished progress line away before a result', () => {
    const { output, out, err } = make({ isTTY: true });
    output.progress.update(STATE);
    output.result('r');
    expect(err.text().endsWith('\r\u001b[K')).toBe(true);
    expect(out.text()).toBe('r\n');
  });

  it('goes quiet when the reader of standard output is gone', () => {
    const { output, out, err, closed } = make();
    for (const listener of out.errors) listener(Object.assign(new Error('gone'), { code: 'EPIPE' }));
    output.result('r');
    expect(out.text()).toBe('');
    expect([closed(), output.full, err.text()]).toEqual([['closed'], false, '']);
    out.errors[0]?.(new Error('later'));
    expect(closed()).toHaveLength(1);
  });

  it('says once that standard output is full', () => {
    const { output, out, err, closed } = make({ isTTY: true });
    output.progress.update(STATE);
    for (let k = 0; k < 3; k++) out.errors[0]?.(Object.assign(new Error('full'), { code: 'ENOSPC' }));
    output.result('r');
    expect([out.text(), closed(), output.full]).toEqual(['', ['full'], true]);
    const told = 'error: standard output: cannot write: the disk is full. Free some space (ENOSPC).\n';
    expect(err.text().split(told)).toHaveLength(2);
  });

  it('shows control characters of files and devices, and obeys none', () => {
    const { output, out, err } = make({ isTTY: true });
    const name = 'a\u001b[2J\u009b31m\u0007\r\u202eb\n\tc';
    const shown = 'a\\u001b[2J\\u009b31m\\u0007\\u000d\\u202eb\n\tc';
    output.result(name);
    expect(out.text()).toBe(`${shown}\n`);
    for (const say of ['log', 'warn', 'error'] as const) output[say](name);
    output.progress.status(name);
    expect(err.text().split(shown)).toHaveLength(5);
    expect(eventLine('x', 0, 0, { name })).toMatch(/^[ -~]*$/);
    expect(JSON.parse(eventLine('x', 0, 0, { name }))).toMatchObject({ name });
  });

  it('never breaks a line', () => expect(eventLine('log', 0, 0, { text: 'a\nb\u2028' })).not.toMatch(/\n/));
});

describe('tables', () => {
  it('shows the layers of classic, its total term by term, and bytes', () => {
    const layers = [
      { layer: 'hidden1', outputShape: ['B', 16], parameters: 12_560, flops: 25_104 },
      { layer: 'sigmoid', outputShape: ['B', 16], parameters: 0, flops: 16 },
      { layer: 'hidden2', outputShape: ['B', 16], parameters: 272, flops: 528 },
      { layer: 'out', outputShape: ['B', 10], parameters: 170, flops: 330 },
    ];
    expect(summaryTable(layers, { bytes: 52_008, flops: 26_000 }).split('\n')).toEqual([
      'Layer    Output shape  Parameters    FLOP',
      '─────────────────────────────────────────',
      'hidden1  [B, 16]           12,560  25,104',
      'sigmoid  [B, 16]                0      16',
      'hidden2  [B, 16]              272     528',
      'out      [B, 10]              170     330',
      '─────────────────────────────────────────',
      'Total                      13,002  26,000',
      "12,560 + 272 + 170 = 13,002 parameters, 50.8 KiB; FLOP of one example's forward, a multiply-add as two",
    ]);
  });

  it('shows a confusion matrix with the share of each row', () => {
    const text = confusionTable(
      [
        [980, 0, 3],
        [2, 1100, 0],
        [0, 0, 0],
      ],
      ['0', '1', '2'],
    );
    expect(text.split('\n')).toEqual([
      'Confusion matrix (rows: actual, columns: predicted)',
      'actual    0      1  2  right',
      '────────────────────────────',
      '     0  980      ·  3  99.7%',
      '     1    2  1,100  ·  99.8%',
      '     2    ·      ·  ·      -',
      '────────────────────────────',
      '   all                 99.8%',
    ]);
  });

  it('lists the worst pairs of many classes instead', () => {
    const classes = 21;
    const counts: number[][] = Array.from({ length: classes }, (_, k) =>
      Array.from({ length: classes }, (_, j) => (j === k ? 9 : 0)),
    );
    expect(confusionText(counts)).toBe('No example of the 21 classes is taken for another class.');
    counts[3]![5] = 1;
    counts[7]![20] = 3;
    counts[0]![1] = 1;
    counts[0]![0] = 0;
    const names = counts.map((_, k) => `class ${k}`);
    expect(
      confusionText(counts, names)
        .split('\n')
        .map((line) => line.trimEnd()),
    ).toEqual([
      'What is confused among the 21 classes: every pair',
      'actual   predicted  examples  of actual',
      '───────────────────────────────────────',
      'class 7  class 20          3      25.0%',
      'class 0  class 1           1     100.0%',
      'class 3  class 5           1      10.0%',
    ]);
    for (const row of counts) row[2] = 1;
    expect(confusionText(counts, names)).toMatch(/: the worst 20 of 23 pairs\n(.*\n){21}.*$/);
    expect(
      confusionText([
        [2, 1],
        [0, 1],
      ]),
    ).toBe(
      confusionTable([
        [2, 1],
        [0, 1],
      ]),
    );
  });

  const limits = { finiteDifference: 1e-6, device: 1e-4 };
  it('shows gradient errors, worst first, and does not let NaN pass', () => {
    const text = gradcheckTable(
      [
        { name: 'out.bias', shape: [10], finiteDifference: 1e-9, device: 2e-7 },
        { name: 'out.weight', shape: [10, 16], finiteDifference: 1e-9, device: 2e-3 },
        { name: 'hidden.weight', shape: [16, 784], finiteDifference: Number.NaN, device: 1e-7 },
      ],
      limits,
    );
    expect(text.split('\n')).toEqual([
      'Parameter      Shape      CPU vs finite differences  GPU vs CPU',
      '───────────────────────────────────────────────────────────────────────',
      'hidden.weight  [16, 784]                        NaN     1.00e-7  FAILED',
      'out.weight     [10, 16]                     1.00e-9     2.00e-3  FAILED',
      'out.bias       [10]                         1.00e-9     2.00e-7  ok',
      '───────────────────────────────────────────────────────────────────────',
      'allowed                                     1.00e-6     1.00e-4',
    ]);
  });

  it('lets a row pass only on errors that were measured and small', () => {
    const row = { name: 'w', shape: [1] };
    expect(gradcheckPasses({ ...row, finiteDifference: 1e-6, device: 1e-4 }, limits)).toBe(true);
    expect(gradcheckPasses({ ...row, finiteDifference: 1e-7 }, limits)).toBe(true);
    expect(gradcheckPasses({ ...row, finiteDifference: 1.1e-6 }, limits)).toBe(false);
    expect(gradcheckPasses({ ...row, device: 2e-4 }, limits)).toBe(false);
    expect(gradcheckPasses({ ...row, device: Number.NaN }, limits)).toBe(false);
    expect(gradcheckPasses(row, limits)).toBe(false);
  });
});

describe('exit codes', () => {
  const commander = (code: string, exitCode: number) => Object.assign(new Error('x'), { code, exitCode });
  it.each([
    ['OptionError', new OptionError('x'), 2],
    ['DeviceError', new DeviceError('x'), 3],
    ['DivergenceError', new DivergenceError('x', 3), 5],
    ['DataError', new DataError('x'), 1],
    ['any error', new TypeError('x'), 1],
    ['what is no error', 'x', 1],
    ['undefined', undefined, 1],
    ['an abort', Object.assign(new Error('x'), { name: 'AbortError' }), 130],
    ["commander's unknown option", commander('commander.unknownOption', 1), 2],
    ["commander's help", commander('commander.helpDisplayed', 0), 0],
  ])('%s', (_name, error, code) => expect(exitCodeOf(error)).toBe(code));

  it('are all in the help', () => {
    for (const code of Object.values(EXIT)) expect(exitCodesText()).toMatch(new RegExp(`^ +${code} {2}\\S`, 'm'));
  });
});

describe('values of flags', () => {
  const refusal = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      expect(error).toBeInstanceOf(OptionError);
      return (error as Error).message;
    }
    throw new Error('nothing was thrown');
  };
  const context: OptionContext = {
    presets: ['classic', 'mlp'],
    optimizers: ['sgd', 'adam', 'adamw', 'rmsprop', 'adagrad'],
    holdsData: (path) => path === 'mnist-files' || path === './mnist',
  };

  it.each([
    ['0.001', 0.001],
    ['1e-3', 0.001],
    ['.5', 0.5],
    ['1e30', 1e30],
    [3e-3, 3e-3],
  ])('learning rate %s', (value, rate) => expect(parseLearningRate(value)).toBe(rate));
  it.each([
    ['0', '--lr: "0" is not above 0: nothing would be learned. Give a number above 0, such as 0.001 or 1e-3.'],
    ['-0.1', /"-0\.1" is not above 0/],
    ['NaN', /"NaN" is not a number/],
    ['fast', /"fast" is not a number/],
    ['', /"" is not a number/],
    ['0x10', /is not a number/],
    ['0,1', /is not a number/],
    ['1e400', /"1e400" is not finite/],
    ['1e-60', /is 0 in 32-bit floats/],
    [Number.POSITIVE_INFINITY, /^--lr: Infinity is not finite/],
    [true, /true is not a number/],
    [null, /null is not a number/],
  ])('no learning rate: %s', (value, message) => {
    const said = refusal(() => parseLearningRate(value));
    if (typeof message === 'string') expect(said).toBe(message);
    else expect(said).toMatch(message);
  });

  it.each([
    ['0', /^--batch-size: "0" is below 1\. Give a whole number from 1 to 2147483647\.$/],
    ['-5', /"-5" is below 1/],
    ['1.5', /"1\.5" is not a whole number/],
    ['1e99', /is above 2147483647/],
    ['many', /is not a number/],
    [undefined, /undefined is not a number/],
  ])('no count: %s', (value, message) => expect(refusal(() => parseCount(value, '--batch-size'))).toMatch(message));
  it('counts', () =>
    expect([parseCount('128', '--epochs'), parseCount('1e3', '--epochs'), parseCount(5, 'x')]).toEqual([128, 1000, 5]));

  it('seeds are 32 bits', () => {
    expect([parseSeed('0'), parseSeed('4294967295')]).toEqual([0, 4294967295]);
    expect(refusal(() => parseSeed('4294967296'))).toMatch(/^--seed: "4294967296" is above 4294967295/);
    expect(refusal(() => parseSeed('-1'))).toMatch(/is below 0/);
  });

  it('accuracies are fractions or percent', () => {
    expect([
      parseAccuracy('0.975'),
      parseAccuracy('97.5%'),
      parseAccuracy('1'),
      parseAccuracy('1%'),
      parseAccuracy(0.5),
    ]).toEqual([0.975, 0.975, 1, 0.01, 0.5]);
    expect(refusal(() => parseAccuracy('97.5'))).toBe(
      '--target-accuracy: "97.5" is above 1. Did you mean 97.5%? Give a fraction such as 0.975, or percent such as 97.5%.',
    );
    expect(refusal(() => parseAccuracy('101%'))).toMatch(/is above 100%\. Give/);
    expect(refusal(() => parseAccuracy('0'))).toMatch(/is not above 0/);
    expect(refusal(() => parseAccuracy('%'))).toMatch(/is not a number/);
  });

  it('devices and adapters', () => {
    expect(parseDevice('gpu')).toBe('gpu');
    expect(refusal(() => parseDevice('gpus'))).toBe(
      '--device: "gpus" is unknown. Did you mean "gpu"? Use auto, gpu or cpu.',
    );
    expect(refusal(() => parseDevice('quantum'))).toBe('--device: "quantum" is unknown. Use auto, gpu or cpu.');
    expect(parseAdapter('software')).toBe('software');
    expect(parseAdapter('NVIDIA RTX')).toEqual({ name: 'NVIDIA RTX' });
    expect(refusal(() => parseAdapter('sofware'))).toMatch(/Did you mean "software"\?/);
    expect(refusal(() => parseAdapter('  '))).toMatch(/is not an adapter/);
  });

  it('data', () => {
    expect(parseData('auto', context.holdsData)).toEqual({ kind: 'auto' });
    expect(parseData('./mnist', context.holdsData)).toEqual({ kind: 'folder', path: './mnist' });
    expect(refusal(() => parseData('mnits', context.holdsData))).toMatch(
      /^--data: "mnits" is neither a data set nor a folder\. Did you mean "mnist"\?/,
    );
    expect(refusal(() => parseData('./mnits', context.holdsData))).toMatch(
      /folder\. Use auto, mnist, digits or a folder that holds IDX files, or pictures in a sub-folder for each class\.$/,
    );
    expect(refusal(() => parseData('', context.holdsData))).toMatch(/is not a data set/);
  });

  it('how pictures are read and augmented', () => {
    expect(parseClasses('26', '--classes')).toBe(26);
    expect(parseClasses('cat,dog', '--classes')).toEqual(['cat', 'dog']);
    expect(parseClasses(['cat', 'a,b'], 'classes')).toEqual(['cat', 'a,b']);
    expect(refusal(() => parseClasses('1', '--classes'))).toBe(
      '--classes: "1" is below 2. Give a whole number from 2 to 2147483647.',
    );
    expect(refusal(() => parseClasses('cat,', '--classes'))).toMatch(/does not name at least two classes/);
    expect(parseSize('28', '--size')).toEqual([28, 28]);
    expect(parseSize('32x48', '--size')).toEqual([32, 48]);
    expect(parseSize([32, 48], 'size')).toEqual([32, 48]);
    expect(refusal(() => parseSize('1x2x3', '--size'))).toMatch(/^--size: "1x2x3" is no size\. Give pixels/);
    expect(refusal(() => parseSize('0', '--size'))).toMatch(/^--size: "0" is below 1/);
    expect(parseChannels('3', '--channels')).toBe(3);
    expect(refusal(() => parseChannels('2', '--channels'))).toMatch(/is no number of channels\. Use 1 \(grey\)/);
    expect(parseAugment(true, '--augment')).toBe(true);
    expect(parseAugment('flip,crop=2', '--augment')).toBe('flip,crop=2');
    expect(augmentOptions('flip=both,crop,cutout=5,rotate=-10:30,scale=0.9:1.1,brightness=0.5')).toEqual({
      flip: 'both',
      crop: 4,
      cutout: 5,
      rotate: [-10, 30],
      scale: [0.9, 1.1],
      brightness: 0.5,
    });
    expect(refusal(() => parseAugment('flip,corp=4', '--augment'))).toMatch(
      /^--augment: "corp" in "flip,corp=4" is unknown\. Did you mean "crop"\?/,
    );
    expect(refusal(() => parseAugment('crop=4px', '--augment'))).toMatch(/^--augment: crop is NaN\. Give the pixels/);
  });

  it('elements of parameters', () => {
    expect(parseElement('layers.0.weight[3, 5]')).toEqual({ path: 'layers.0.weight', index: [3, 5] });
    expect(parseElement('out.bias[0]')).toEqual({ path: 'out.bias', index: [0] });
    for (const bad of ['out.bias', 'out.bias[]', 'out.bias[-1]', '[1]', 'a[1][2]', 'a[1.5]', '']) {
      expect(refusal(() => parseElement(bad))).toMatch(
        /names no element of a parameter\. Give its path and indices, such as hidden\.weight\[3,5\]/,
      );
    }
  });

  it.each([
    ['clasic', 'classic'],
    ['class', 'classic'],
    ['MLP', 'mlp'],
    ['mpl', 'mlp'],
    ['transformer', undefined],
    ['', undefined],
  ])('nearest to %s is %s', (word, found) => expect(nearest(word, context.presets)).toBe(found));

  it('parses all flags, and names the flag', () => {
    expect(flagOf('targetAccuracy')).toBe('--target-accuracy');
    expect(parseFlags({ preset: 'mlp', batchSize: '64', data: 'digits', json: true, help: true }, context)).toEqual({
      preset: 'mlp',
      batchSize: 64,
      data: { kind: 'digits' },
      json: true,
    });
    expect(refusal(() => parseFlags({ preset: 'clasic' }, context))).toBe(
      '--preset: "clasic" is unknown. Did you mean "classic"? Use classic or mlp.',
    );
    expect(refusal(() => parseFlags({ optimizer: 'adm' }, context))).toMatch(
      /^--optimizer: "adm" is unknown\. Did you mean "adam"\?/,
    );
    expect(parseFlags({ divergence: 'warn' }, context)).toEqual({ divergence: 'warn' });
    expect(refusal(() => parseFlags({ divergence: 'of' }, context))).toBe(
      '--divergence: "of" is unknown. Did you mean "off"? Use stop, warn or off.',
    );
    expect(refusal(() => parseFlags({ saveEvery: '0' }, context))).toMatch(/^--save-every: "0" is below 1/);
    expect(refusal(() => parseFlags({ out: '' }, context))).toMatch(/^--out: "" is not a path/);
  });

  it('reads a configuration file', () => {
    expect(parseConfig('{"preset":"mlp","lr":0.003,"requireGpu":true}', 'c.json', context)).toEqual({
      preset: 'mlp',
      lr: 0.003,
      requireGpu: true,
    });
    expect(parseConfig('{"lr":0.1,"result":{"testAccuracy":0.9}}', 'c.json', context, ['result'])).toEqual({ lr: 0.1 });
  });
  it.each([
    ['{"lr":0', /^c\.json: not valid JSON: /],
    ['[]', /^c\.json: holds \[\], not an object/],
    ['null', /holds null, not an object/],
    ['{"batchsize":64}', /^c\.json: unknown key "batchsize"\. Did you mean "batchSize"\?$/],
    ['{"learningRate":1}', /unknown key "learningRate"\. Did you mean "lr"\?/],
    ['{"colour":1}', /unknown key "colour"\. Use preset, model, seed, .* or dryRun\./],
    ['{"__proto__":{"lr":1}}', /unknown key "__proto__"/],
    ['{"constructor":1}', /unknown key "constructor"/],
    ['{"lr":-1}', /^c\.json: lr: -1 is not above 0/],
    ['{"quiet":"yes"}', /^c\.json: quiet: "yes" is neither true nor false/],
    ['{"preset":["mlp"]}', /^c\.json: preset: \["mlp"\] is unknown/],
  ])('refuses the configuration %s', (text, message) =>
    expect(refusal(() => parseConfig(text, 'c.json', context))).toMatch(message),
  );

  it('says with flags what the library says with options', () => {
    const refused = `no usable GPU device. ${softwareRefused('llvmpipe')} Or use device cpu.`;
    expect(flagText(refused)).toMatch(/Take it with --adapter software, or .* Or use --device cpu\.$/);
    expect(flagText(refused, true)).toMatch(
      /Take it by leaving --require-gpu out, or .* Or leave --require-gpu out\.$/,
    );
  });

  it('refuses settings that contradict each other', () => {
    expect(refusal(() => checkSettings({ requireGpu: true, adapter: 'software' }))).toMatch(
      /--require-gpu: contradicts --adapter software/,
    );
    expect(refusal(() => checkSettings({ requireGpu: true, device: 'cpu' }))).toMatch(/contradicts --device cpu/);
    expect(refusal(() => checkSettings({ fuse: false, device: 'cpu' }))).toBe(
      '--no-fuse: has no meaning with --device cpu, which fuses nothing. Leave one of them out.',
    );
    expect(refusal(() => checkSettings({ persistent: false, device: 'cpu' }))).toBe(
      '--no-persistent: has no meaning with --device cpu, which has no dispatches. Leave one of them out.',
    );
    expect(refusal(() => checkSettings({ persistent: true, fuse: false }))).toBe(
      '--persistent: contradicts --no-fuse. Leave one of them out.',
    );
    expect(refusal(() => checkSettings({ adapter: 'hardware', device: 'cpu' }))).toMatch(/--adapter: has no meaning/);
    expect(refusal(() => checkSettings({ preset: 'mlp', model: 'net.mjs' }))).toMatch(/--preset: contradicts --model/);
    expect(refusal(() => parseFlags({ model: 'mlp' }, context))).toBe(
      '--model: "mlp" is a preset and not the path of a module. Use --preset mlp.',
    );
    expect(checkSettings({ device: 'gpu', adapter: 'software' })).toBeUndefined();
  });
});
