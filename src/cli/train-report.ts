// The text around a run: the plan, the speed, what happened, and what to try next.
import type { FitEvent } from '../train/events.ts';
import type { Trainer } from '../train/trainer.ts';
import { commandName, quoted } from './context.ts';
import { flagOf } from './options.ts';
import { type Plan, readingOf } from './plan.ts';
import { formatInteger, summaryTable } from './table.ts';
import type { Trainable } from './trainable.ts';

/** Layers, parameters and training settings. */
export function planText(trainer: Trainer, plan: Plan, { epochs, total }: { epochs: number; total: number }): string {
  const { net, optimizer, batchSize, seed } = plan;
  const { rows, bytes, flops } = trainer.summary();
  const layers = rows.map(({ path, layer, outputShape, count, flops }) => ({
    layer: path === '' ? layer : `${path} (${layer})`,
    outputShape: outputShape ? ['B', ...outputShape.slice(1)] : ['?'],
    parameters: count,
    flops,
  }));
  const { lr } = trainer.state.optimizer;
  const rate =
    typeof lr === 'number' ? lr : `${lr.description?.name ?? 'schedule'} from ${Number(lr(0, total).toPrecision(6))}`;
  return [
    `\n${net.name}: ${net.description}\n\n${summaryTable(layers, { bytes, flops })}\n`,
    `${optimizer}, learning rate ${rate}, batches of ${batchSize} (B), ${plural(epochs, 'epoch')}, ${plural(total, 'step')}, seed ${seed}`,
  ].join('\n');
}

/** For newcomers: what happened, and what to try next. */
export function explanation(run: {
  trainer: Trainer;
  plan: Plan;
  /** Steps of this call; the weights may have been trained before. */
  steps: number;
  out: string | undefined;
  accuracy: number | undefined;
  testSize: number;
}): string {
  const { trainer, plan, steps, out, accuracy = 0, testSize } = run;
  const { kind, adapter } = trainer.backend;
  const by = kind === 'gpu' ? `by WGSL compute shaders on ${adapter.name}` : 'on the CPU';
  const right = Math.round(accuracy * testSize);
  const digits = plan.data.kind === 'folder' ? 'pictures' : 'digits';
  return [
    '',
    `What happened: ${formatInteger(trainer.summary().parameters)} weights took ${plural(steps, 'small step')} downhill on the error of ${plan.batchSize} ${digits} at a time, ${by}.`,
    `The network now recognizes ${formatInteger(right)} of ${formatInteger(testSize)} test ${digits}, none of which it was trained on.`,
    'Next, try',
    ...nextCommands(plan, trainer.parameters()[0]!.path, out),
  ].join('\n');
}

function nextCommands(plan: Plan, path: string, out: string | undefined): string[] {
  const me = commandName();
  const folder = out ?? 'runs/first';
  const { net, data } = plan;
  const on = `${data.kind === 'folder' ? ` --data ${quoted(data.path)}` : ''}${readingText(plan)}`;
  const own = net.module ? `--model ${quoted(net.module.path)}` : `--preset ${net.name}`;
  const trained = out === undefined;
  const commands = [
    ['another network', `train --preset ${net.name === 'classic' ? 'mlp' : 'classic'}${on}`],
    ...(trained ? [['saving the run, with plots', `train ${own}${on} --out ${folder}`]] : []),
    ['its mistakes', `eval ${quoted(folder)}`],
    ...(data.kind === 'folder' ? [['a picture of your own', `predict ${quoted(folder)} picture.png`]] : []),
    ...(net.network ? [['asking about one weight', perturbText(net, path, on)]] : []),
  ];
  const width = Math.max(...commands.map(([what = '']) => what.length));
  return commands.map(([what = '', command]) => `  ${`${what}:`.padEnd(width + 1)}  ${me} ${command}`);
}

/** The flags that say how data are read, as they were given. */
function readingText(plan: Plan): string {
  const flags = Object.entries(readingOf(plan)).map(([name, value]) => {
    const flag = flagOf(name);
    if (value === true) return flag;
    return `${flag} ${quoted(Array.isArray(value) ? value.join(name === 'size' ? 'x' : ',') : String(value))}`;
  });
  return flags.map((flag) => ` ${flag}`).join('');
}

function perturbText({ name, network }: Trainable, path: string, on: string): string {
  return `gradcheck --preset ${name}${on} --perturb '${path}[0,${Math.min(400, network!.inputs - 1)}]'`;
}

/** Steps per second, excluding the first step, which compiles shaders, and validation. */
export class TrainingClock {
  #first: { step: number; time: number } | undefined;
  #seconds = 0;
  #steps = 0;
  #whole = 0;
  #training = 0;

  /** Milliseconds from the start of the process to the first step's loss, compilation included. */
  get firstStepMs(): number | undefined {
    return this.#first?.time;
  }

  /** Seconds of training, excluding compilation and validation. */
  get seconds(): number {
    return this.#training;
  }

  get stepsPerSecond(): number {
    return this.#whole;
  }

  see(event: FitEvent): void {
    if (event.type === 'step') this.#first ??= { step: event.step, time: performance.now() };
    if (event.type !== 'epoch' || !this.#first) return;
    this.#training += event.seconds;
    const { step, time } = this.#first;
    const sinceFirst = (performance.now() - time) / 1000 - (event.validation?.seconds ?? 0);
    this.#seconds += this.#steps === 0 ? sinceFirst : event.seconds;
    this.#steps = event.step - step;
    this.#whole = this.#steps > 0 ? this.#steps / this.#seconds : event.stepsPerSecond;
  }
}

export function plural(n: number, noun: string, ending = 's'): string {
  return `${formatInteger(n)} ${noun}${n === 1 ? '' : ending}`;
}

export function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(2)}%`;
}

export function rateText(perSecond: number): string {
  return perSecond < 10 ? perSecond.toFixed(1) : formatInteger(Math.round(perSecond));
}
