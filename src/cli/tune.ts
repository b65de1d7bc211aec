// `thalweg tune`: finds the fastest kernels for the products of training steps on this device, and stores verified ones in the user's
// cache, product by product, so that Ctrl-C loses nothing.
import type { Bench } from '../../bench/cases.ts';
import { type TuneFinding, tuneProduct } from '../../bench/tune.ts';
import { type StepToTune, stepWith, worksOf } from '../../bench/tuned-step.ts';
import { type Backend, createCpuBackend } from '../backend.ts';
import type { AdapterReport } from '../gpu/report.ts';
import { DeviceError, OptionError } from '../graph/errors.ts';
import { entryFor, type ProductWork, type TuningEntry, type Work, withEntries, workText } from '../graph/tuning.ts';
import { dropTuning, keepTuning, keptTuning, tuningFile } from '../node/tuning.ts';
import { configurationText } from '../ops/gemm-candidates.ts';
import { densePresets } from '../train/dense-presets.ts';
import type { Call } from './context.ts';
import { deviceFields, deviceLine, withBackend } from './device.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { reasonOf } from './interrupt.ts';
import type { EventFields } from './output.ts';
import { oneOf, parseCount } from './parsers.ts';
import { plural } from './train-report.ts';
import { findingText, ratioText, tableText } from './tune-report.ts';

const ROUNDS = 7;
/** Milliseconds of a round. */
const ROUND_MS = 20;
/** A tuned step with at most this speed-up counts as slower. */
const SLOWER = 0.98;

export async function tune(call: Call): Promise<ExitCode> {
  const { settings, flags, output } = call;
  if (settings.deterministic)
    throw new OptionError('--deterministic: uses the default kernels, but tune looks for others. Leave it out.');
  if (flags['show'] === true && flags['reset'] === true)
    throw new OptionError('--show: contradicts --reset. Leave one of them out.');
  const sizes = sizesOf(flags['product']);
  const rounds = flags['rounds'] === undefined ? ROUNDS : parseCount(flags['rounds'], '--rounds', 1, 1000);
  return withBackend(
    { ...call, settings: { ...settings, deterministic: true } },
    async (backend) => {
      const { report } = backend;
      if (!report) throw new DeviceError(`tune: ${backend.line} It has no kernels to choose from. Use --device gpu.`);
      output.log(deviceLine(backend));
      if (flags['show'] === true) return show(call, backend, report);
      if (flags['reset'] === true) return reset(call, backend, report);
      return new TuneCall(call, backend, report, rounds).run(sizes);
    },
    'gpu',
  );
}

/** `M,N,K` as the three products of a training step with these sizes. */
function sizesOf(value: unknown): readonly ProductWork[] {
  if (value === undefined) return [];
  const numbers = String(value).split(/[x,]/);
  if (numbers.length !== 3)
    throw new OptionError(`--product: ${JSON.stringify(value)} is not three sizes. Give M,N,K, such as 512,512,512.`);
  const [M, N, K] = numbers.map((n) => parseCount(n, '--product', 1, 65536)) as [number, number, number];
  const layouts = [{}, { transposeB: true }, { transposeA: true }];
  const plain = { kind: 'product', transposeA: false, transposeB: false, M, N, K, batch: 1 } as const;
  return layouts.map((layout) => ({ ...plain, ...layout }));
}

function show({ output }: Call, backend: Backend, report: AdapterReport): ExitCode {
  const kept = keptTuning(report, (text) => output.warn(text));
  output.result(tableText(kept, tuningFile(report)));
  output.event('tuning', 0, { ...deviceFields(backend), file: tuningFile(report), entries: kept?.entries ?? null });
  return EXIT.done;
}

async function reset({ output }: Call, backend: Backend, report: AdapterReport): Promise<ExitCode> {
  const dropped = await dropTuning(report);
  const file = tuningFile(report);
  output.result(dropped ? `Removed ${file}: the default kernels are used.` : `There was nothing to remove: ${file}.`);
  output.event('reset', 0, { ...deviceFields(backend), file, dropped });
  return EXIT.done;
}

/** One call of the verb that measures. */
class TuneCall {
  readonly #call: Call;
  readonly #report: AdapterReport;
  readonly #bench: Bench;
  /** The results so far; `use` is undefined if the default stays. */
  #entries: readonly TuningEntry[] = [];
  #refused = 0;

  constructor(call: Call, backend: Backend, report: AdapterReport, rounds: number) {
    const { signal, output, settings } = call;
    this.#call = call;
    this.#report = report;
    this.#bench = {
      backend,
      cpu: createCpuBackend(),
      reference: createCpuBackend({ precision: 'float64' }),
      ceilings: {},
      rounds,
      roundMs: ROUND_MS,
      quick: false,
      all: true,
      seed: settings.seed ?? 0,
      signal,
      tell: (text) => output.progress.status(text),
    };
  }

  async run(sizes: readonly ProductWork[]): Promise<ExitCode> {
    const { output, signal, settings } = this.#call;
    // An unusable stored table is reported before it is replaced.
    const kept = keptTuning(this.#report, (text) => output.warn(text));
    const steps = sizes.length > 0 && settings.preset === undefined ? [] : stepsOf(settings);
    const { driver } = this.#report;
    output.event('tune', 0, { ...deviceFields(this.#bench.backend), driver, steps, sizes: sizes.map(workText) });
    for (const step of steps) {
      if (signal.aborted) break;
      output.log(`The training step of ${step.preset} at batch ${step.batch}:`);
      const { products, steps } = await worksOf(this.#bench, step);
      for (const product of products) await this.#product(product);
      await this.#step(step, products);
      if (steps !== undefined) await this.#persistent(step, products, steps);
    }
    for (const product of sizes) await this.#product(product);
    output.progress.stop();
    return this.#end(kept?.entries ?? []);
  }

  /** Tunes a product, unless done before, and stores the result. */
  async #product(work: ProductWork): Promise<void> {
    const { signal } = this.#call;
    if (signal.aborted || entryFor(this.#entries, work)) return;
    for await (const finding of tuneProduct(this.#bench, work)) {
      this.#tell(finding);
      if (finding.type === 'tuned') await this.#keep([{ work, use: finding.entry }]);
    }
  }

  #tell(finding: TuneFinding): void {
    const { output } = this.#call;
    const { type, ...fields } = finding;
    const name = workText(finding.work);
    output.event(type, 0, { name, ...fields } as unknown as EventFields);
    if (type === 'tuned') output.result(findingText(finding));
    else if (type === 'refused') {
      this.#refused++;
      output.warn(`${name}: not tuned: ${finding.reason}`);
    } else output.warn(`${name}: ${configurationText(finding.configuration)} is discarded: ${finding.reason}`);
  }

  async #keep(entries: readonly TuningEntry[]): Promise<void> {
    this.#entries = withEntries(this.#entries, entries);
    await keepTuning(this.#report, entries);
  }

  /** The results for these products. */
  #found(products: readonly ProductWork[]): TuningEntry[] {
    return products.map((work) => ({ work, use: entryFor(this.#entries, work)?.use }));
  }

  /** Measures the whole step with its tuned kernels; if it is slower, the defaults stay. */
  async #step(step: StepToTune, products: readonly ProductWork[]): Promise<void> {
    const { output } = this.#call;
    const entries = this.#found(products);
    if (entries.every(({ use }) => use === undefined)) return;
    const found = await stepWith(this.#bench, step, entries);
    if (!found) return;
    const { ratio, dispatches } = found;
    const keeps = ratio.median >= SLOWER;
    if (!keeps) await this.#keep(products.map((work) => ({ work, use: undefined })));
    const [before, after] = dispatches;
    const counts = before === after ? '' : `, ${after} dispatches instead of ${before}`;
    const verdict = keeps ? '' : '; the default kernels stay';
    output.result(
      `The step of ${step.preset} at batch ${step.batch} with these kernels: ${ratioText(ratio)}${counts}${verdict}`,
    );
    output.event('step', 0, { ...step, ratio: { ...ratio }, dispatches, kept: keeps });
  }

  /** Measures whether steps are faster in a persistent kernel: many steps in one dispatch of one workgroup. */
  async #persistent(step: StepToTune, products: readonly ProductWork[], work: Work): Promise<void> {
    const { output, signal } = this.#call;
    if (signal.aborted) return;
    const kept = this.#found(products);
    const found = await stepWith(this.#bench, step, [...kept, { work, use: true }], [...kept, { work, use: false }]);
    const [dispatches, persistent] = found?.dispatches ?? [];
    // If a kernel of the step does not allow it, both are the same.
    if (!found || dispatches === persistent) return;
    const { ratio, faster } = found;
    await this.#keep([{ work, use: faster || undefined }]);
    const verdict = faster ? 'from now on' : `it keeps its ${dispatches} dispatches`;
    output.result(
      `The step of ${step.preset} at batch ${step.batch} with many in one dispatch: ${ratioText(ratio)}; ${verdict}`,
    );
    output.event('persistent', 0, { ...step, name: workText(work), work, ratio: { ...ratio }, kept: faster });
  }

  #end(before: readonly TuningEntry[]): ExitCode {
    const { output, signal } = this.#call;
    const file = tuningFile(this.#report);
    const products = this.#entries.filter(({ work }) => work.kind === 'product');
    const found = products.filter(({ use }) => use !== undefined).length;
    const others = before.filter(({ work }) => !entryFor(this.#entries, work)).length;
    const measured = products.length;
    output.event(signal.aborted ? 'interrupted' : 'end', 0, { file, measured, kept: found, others });
    const more = others > 0 ? `, beside ${others} from before` : '';
    if (measured > 0)
      output.log(
        `${found} of ${plural(measured, 'product')} got a faster kernel than the default${more}: ${file}. --deterministic ignores it.`,
      );
    if (signal.aborted) {
      output.log(`${reasonOf(signal)}: the kernels verified so far are kept.`);
      return EXIT.interrupted;
    }
    return this.#refused > 0 ? EXIT.missedTarget : EXIT.done;
  }
}

/** The steps selected by flags: of one preset or of all. Default batch size: the preset's. */
function stepsOf({ preset, batchSize }: Call['settings']): StepToTune[] {
  const names = Object.keys(densePresets) as StepToTune['preset'][];
  if (preset !== undefined && !names.some((name) => name === preset))
    throw new OptionError(
      `--preset: tune knows the products of dense networks, not of ${preset}. Use ${oneOf(names)}, or --product M,N,K.`,
    );
  return names
    .filter((name) => preset === undefined || name === preset)
    .map((name) => ({ preset: name, batch: batchSize ?? densePresets[name].defaults.batchSize }));
}
