// `thalweg gradcheck`: proves the gradients of a preset on this device; or, with --perturb, explains one of them in words.
import type { Backend } from '../backend.ts';
import { type DataSet, rescaled } from '../data/dataset.ts';
import { gradcheck as checkGradients } from '../explain/gradcheck.ts';
import { type Perturbation, perturb } from '../explain/perturb.ts';
import { OptionError } from '../graph/errors.ts';
import { sizeOf } from '../graph/shape.ts';
import type { Trainer } from '../train/trainer.ts';
import type { Call } from './context.ts';
import { checkFits, fewExamples, loadData } from './data.ts';
import { deviceFields, deviceLine, withBackend } from './device.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { trainableOf } from './fitted.ts';
import { netFor, openModelFile, trainerOf, wantedFor } from './model-file.ts';
import { parseElement } from './parsers.ts';
import { gradcheckPasses, gradcheckTable } from './table.ts';
import { presetNamed, type Sizes, type Trainable } from './trainable.ts';

/** The number of examples. */
const ROWS = 8;

export async function gradcheck(call: Call): Promise<ExitCode> {
  const { settings, flags, output, signal } = call;
  const element = flags['perturb'] === undefined ? undefined : parseElement(flags['perturb']);
  const target = flags['target'];
  const model = typeof target === 'string' ? await openModelFile(target, call) : undefined;
  const known = model ?? { net: trainableOf(presetNamed(settings.preset)), described: false };
  return withBackend(call, async (backend) => {
    output.log(deviceLine(backend));
    const { train: data } = settings.data
      ? await loadData(wantedFor(known, settings, settings.data), { output, signal })
      : await fewExamples(ROWS, usualSizes(known));
    const net = netFor(known, data);
    checkFits(data, net);
    const trainer = await trainerOf(backend, net, { seed: settings.seed, model });
    try {
      const examples = rescaled(data, trainer.scale);
      if (element) return await tellPerturbation(call, trainer, examples, element);
      return await prove(call, backend, trainer, examples, net.name);
    } finally {
      trainer.dispose();
    }
  });
}

/** The sizes of generated examples. @throws OptionError if neither the network nor its file says which it takes */
function usualSizes({ net, facts }: { readonly net: Trainable; readonly facts?: Sizes | undefined }): Sizes {
  const sizes = facts ?? net.sizes;
  if (!sizes) throw new OptionError(`gradcheck: ${net.name} does not say which examples it takes. Add --data DIR.`);
  return net.network ? { ...sizes, inputShape: [sizeOf(sizes.inputShape)] } : sizes;
}

async function prove(
  { output }: Call,
  backend: Backend,
  trainer: Trainer,
  data: DataSet,
  preset: string,
): Promise<ExitCode> {
  const report = await checkGradients(trainer, data, { rows: ROWS });
  const rows = report.rows.map(({ path, shape, entries, finiteError, backendError }) => ({
    name: path,
    shape,
    // No entry could be compared with a difference: nothing was proved.
    finiteDifference: entries > 0 ? finiteError : undefined,
    device: backendError,
  }));
  const limits = { finiteDifference: report.finiteTolerance, device: report.backendTolerance };
  const pass = report.pass && rows.every((row) => gradcheckPasses(row, limits));
  const own = backend.kind === 'cpu' ? 'CPU floats' : backend.adapter.software ? 'software GPU' : 'GPU';
  const kinks = report.rows.reduce((sum, row) => sum + row.kinks, 0);
  output.result(`${gradcheckTable(rows, limits, own)}\n`);
  output.result(
    `Errors are |g - ref| / |ref|, as norms over a parameter (with |ref| no less than what rounding explains), on ${ROWS} examples; the loss itself is off by ${report.lossError.toExponential(2)}.`,
  );
  if (kinks > 0) output.result(`${kinks} differences across a kink of the loss (a ReLU's) were left out.`);
  output.result(
    pass ? `The gradients of ${preset} are right on ${backend.adapter.name}.` : `The gradients of ${preset} are WRONG.`,
  );
  const { loss, lossError } = report;
  output.event('gradcheck', 0, { ...deviceFields(backend), preset, pass, loss, lossError, limits, rows: report.rows });
  return pass ? EXIT.done : EXIT.missedTarget;
}

async function tellPerturbation(
  { output }: Call,
  trainer: Trainer,
  data: DataSet,
  { path, index }: { path: string; index: readonly number[] },
): Promise<ExitCode> {
  const found = await perturb(trainer, path, index, data, { rows: ROWS });
  output.result(perturbationText(found));
  const { direction, ...rest } = found;
  output.event('perturb', 0, { answer: direction, ...rest });
  return EXIT.done;
}

/** The answer for someone learning what a gradient is. */
export function perturbationText({
  path,
  index,
  value,
  delta,
  loss,
  change,
  derivative,
  direction,
}: Perturbation): string {
  const weight = `${path}[${index.join(',')}]`;
  const number = (x: number) => (x === 0 ? '0' : Math.abs(x) < 1e-3 ? x.toExponential(3) : x.toPrecision(4));
  if (direction === 'unchanged') {
    return `If ${weight} increases slightly, the error does not change: the gradient is exactly 0, because for these ${ROWS} examples this weight has no effect on the error.`;
  }
  const now = `${weight} is ${number(value)}, and the error over ${ROWS} examples is ${loss.toPrecision(6)}.`;
  const answer = `If this weight increases slightly, the error goes ${direction.toUpperCase()}.`;
  const how = `The gradient predicts ${number(Math.abs(derivative))} for each unit of the weight, so ${number(Math.abs(derivative * delta))} for an increase of ${delta}.`;
  const tried = `In a test, ${number(value)} + ${delta} changes the error by ${number(change)}: ${change === 0 ? 'too little to measure' : change < 0 ? 'down' : 'up'}.`;
  const so = `To lower the error, training moves this weight ${direction === 'up' ? 'down' : 'up'}.`;
  return [now, answer, how, tried, so].join('\n');
}
