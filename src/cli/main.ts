#!/usr/bin/env node
// The program `thalweg`: verbs and flags. A verb is loaded when it is called; whatever it throws ends here as one line and an
// exit code.
import { Command } from 'commander';
import { PASSES } from '../compile/pass-names.ts';
import { ADAPTER_CLASSES } from '../graph/adapter-classes.ts';
import { codeOf } from '../node/file-error.ts';
import * as presets from '../train/presets.ts';
import { FIT } from '../train/run.ts';
import { type Call, readSettings } from './context.ts';
import { EXIT, type ExitCode, exitCodeOf, exitCodesText } from './exit.ts';
import { listenForInterrupt, reasonOf } from './interrupt.ts';
import { Output } from './output.ts';
import { OPTIMIZERS } from './plan.ts';
import { DEFAULT_PRESET } from './trainable.ts';
import { thalwegVersion } from './versions.ts';

type Verb = (call: Call) => Promise<ExitCode>;
type Flags = Readonly<Record<string, unknown>>;

/** Errors whose message suffices; any other error is our bug, and its stack is shown. */
const EXPECTED = new Set([
  'ShapeError',
  'ShaderError',
  'DeviceError',
  'DataError',
  'CheckpointError',
  'OptionError',
  'DivergenceError',
  'FileError',
]);

/** Runs a verb from flags to exit code. */
async function perform(load: () => Promise<Verb>, flags: Flags, saves: boolean): Promise<ExitCode> {
  const print = (json: boolean, quiet: boolean) =>
    new Output({
      stdout: process.stdout,
      stderr: process.stderr,
      env: process.env,
      json,
      quiet,
      // Nobody receives the events any more.
      onClosed: (why) => json && interrupt.stop(why),
    });
  let output: Output | undefined;
  const onFirst = () => output?.log('Ending after this step; Ctrl-C again ends at once.');
  const interrupt = listenForInterrupt(onFirst, { saves });
  try {
    const settings = await readSettings(flags);
    output = print(settings.json ?? false, settings.quiet ?? false);
    const verb = await load();
    const code = await verb({ settings, flags, output, signal: interrupt.signal });
    const lost = output.full && (code === EXIT.done || code === EXIT.interrupted);
    return lost ? EXIT.failed : code;
  } catch (error) {
    output ??= print(flags['json'] === true, flags['quiet'] === true);
    return report(error, output, interrupt.signal);
  } finally {
    interrupt.release();
  }
}

function report(error: unknown, output: Output, signal: AbortSignal): ExitCode {
  const code = exitCodeOf(error);
  if (code === EXIT.interrupted) {
    output.log(`${reasonOf(signal)} before anything was done.`);
    return code;
  }
  const expected = error instanceof Error && EXPECTED.has(error.name);
  const message = error instanceof Error ? error.message : String(error);
  const step = error instanceof Error && 'step' in error && typeof error.step === 'number' ? error.step : 0;
  output.error(expected ? message : error instanceof Error ? (error.stack ?? message) : message);
  output.event('error', step, { error: error instanceof Error ? error.name : 'Error', message, exitCode: code });
  return code;
}

/** Verbs that end cleanly on a signal. */
const SAVES = ['train', 'bench', 'tune'];

/** A verb with the common flags. */
function verb(
  program: Command,
  name: string,
  description: string,
  example: string,
  load: () => Promise<Verb>,
): Command {
  return program
    .command(name)
    .description(description)
    .addHelpText('after', `\nExample:\n${example}\n\n${exitCodesText()}`)
    .action(async (...given: unknown[]) => {
      const command = given.at(-1) as Command;
      // Defaults must not override a --config file.
      const { fuse, ...options } = command.opts();
      const flags = { ...options, ...(fuse === false && { fuse }), target: command.args[0], targets: command.args };
      process.exitCode = await perform(load, flags, SAVES.includes(name));
    });
}

function withDevice(command: Command, usual = 'auto'): Command {
  const about = 'auto: a GPU if there is one, else the CPU; gpu: a GPU, else a software adapter';
  return command
    .option('--device <auto|gpu|cpu>', `what to run on; ${about}; default ${usual}`)
    .option('--adapter <hardware|software|NAME>', "which GPU adapter; NAME is part of the adapter's name")
    .option('--require-gpu', 'refuse software adapters and the CPU')
    .option('--deterministic', 'use the default kernels, not those thalweg tune found for this adapter')
    .option('--no-fuse', 'one dispatch per op: slower, to see the effect of fusion')
    .option(
      '--persistent',
      'many steps of a small network in one dispatch whenever possible, not only where it is known to be faster',
    )
    .option('--no-persistent', 'never many steps in one dispatch, even where that is known to be faster');
}

function withOutput(command: Command): Command {
  return command
    .option('--json', 'only JSON on standard output, one object per line')
    .option('--quiet', 'no progress and no explanations, only results and warnings');
}

const PRESET = '--preset <NAME>';
const PRESETS = Object.values(presets)
  .map(({ name, description }) => `${name} (${description})`)
  .join('; ');
/** The names in bench/suites.ts, which is loaded only for measurements. */
const SUITES = ['dispatch', 'bandwidth', 'matmul', 'conv', 'step', 'cpu-vs-gpu', 'plan', 'time-to-99'];

const MODEL = '--model <FILE>';

/** Which data, and how a folder is read; `about` says what it is for. */
function withData(command: Command, about: string): Command {
  return command
    .option('--data <auto|mnist|digits|DIR>', about)
    .option(
      '--classes <N|NAMES>',
      "IDX files: number of classes; default: the largest label + 1. Labels from 1 to N are shifted to begin at 0. Pictures: the classes' folders in order, cat,dog; default: all, by name",
    )
    .option('--transpose', 'images of IDX files are stored transposed, as EMNIST has them')
    .option('--size <N|HxW>', 'resize and crop pictures to this many pixels; default: their size, the same for all')
    .option('--channels <1|3|4>', 'read pictures as grey, RGB or RGBA; default: 1 or 3 as they have, the same for all')
    .option('--skip-bad', 'leave out pictures that cannot be read, naming each, instead of stopping');
}

function addTrain(program: Command): void {
  const example = [
    '  thalweg train --preset mlp --epochs 5 --out runs/mlp',
    '  thalweg train --resume runs/mlp --epochs 10',
    '  thalweg train --preset classic --json --quiet | tail -n 1',
    '  thalweg train --data emnist/emnist-letters --classes 26 --transpose',
    '  thalweg train --data pictures --size 32 --channels 3 --model net.mjs --augment flip,crop=4',
  ].join('\n');
  const load = async () => (await import('./train.ts')).train;
  const command = verb(program, 'train', 'train a network on handwritten digits or pictures of your own', example, load)
    .option(PRESET, `${PRESETS}; default ${DEFAULT_PRESET}`)
    .option(
      MODEL,
      "instead: the model that this JavaScript module exports (default or model), and its loss, optimizer, batchSize, epochs and augment if it exports these; runs the file's code",
    );
  withData(
    command,
    'auto: MNIST if cached or quickly reachable, else synthetic digits; DIR: a folder of IDX files, of CIFAR, or of PNG and JPEG pictures in a sub-folder for each class; DIR/PREFIX for one IDX set of several',
  );
  command
    .option('--epochs <N>', "passes over the training data; default: the preset's")
    .option('--max-steps <N>', 'maximum number of steps; without --epochs, the exact number')
    .option('--batch-size <N>', "examples per step; default: the preset's")
    .option('--lr <RATE>', "a constant learning rate; default: the preset's schedule")
    .option('--optimizer <NAME>', `${Object.keys(OPTIMIZERS).join(', ')}; default: the preset's`)
    .option('--seed <N>', 'seed of the initial weights, the data order and augmentation; default 0')
    .option(
      '--augment [KINDS]',
      'augment training pictures: flip,crop=4,cutout=8,rotate=15,scale=0.9:1.1,brightness=0.2, or some of these; alone: flip,crop=4, unless the network has its own',
    )
    .option('--no-augment', 'do not augment, even if the network is usually trained so')
    .option(
      '--target-accuracy <A>',
      'end at the first epoch with this test accuracy (0.97 or 97%); exit code 4 if none has it',
    )
    .option(
      '--divergence <stop|warn|off>',
      `what to do if the loss diverges; NaN and infinity always stop; default ${FIT.divergence[1]}`,
    )
    .option('--out <DIR>', 'write config.json, metrics.jsonl, checkpoint, weights (safetensors) and plots there')
    .option('--overwrite', 'let --out replace an existing run')
    .option('--save-every <N>', 'steps between checkpoints in --out; one is always written after each epoch')
    .option('--resume <DIR|FILE>', 'continue a run, bit for bit, from its folder or a checkpoint, with its settings')
    .option('--config <FILE>', 'settings from a JSON file such as the config.json of a run; flags override it')
    .option('--profile [FILE]', "time each dispatch of a step first; the trace goes to FILE or --out's profile.json")
    .option('--dry-run', 'check everything, show what would be trained, and stop');
  withOutput(withDevice(command));
}

function addEval(program: Command): void {
  const load = async () => (await import('./eval.ts')).evaluate;
  const command = verb(
    program,
    'eval',
    'test weights: accuracy and confusion matrix',
    '  thalweg eval runs/mlp --data mnist',
    load,
  )
    .argument('<WEIGHTS|DIR>', 'a safetensors file of weights, a checkpoint, or the folder of a run')
    .option(PRESET, 'the network, if the file does not say')
    .option(MODEL, "the module with the model, if the file does not say or it has moved; runs the file's code")
    .option('--target-accuracy <A>', 'exit code 4 if the accuracy is below');
  withData(command, "which test set to use; default: the run's, else auto");
  withOutput(withDevice(command));
}

function addPredict(program: Command): void {
  const example = ['  thalweg predict runs/cats photo.jpg', '  thalweg predict runs/cnn t10k-images-idx3-ubyte --json'];
  const load = async () => (await import('./predict.ts')).predict;
  const about = 'the most probable classes of pictures, prepared as those of the run were';
  const command = verb(program, 'predict', about, example.join('\n'), load)
    .argument('<WEIGHTS|DIR>', 'the folder of a run, a checkpoint, or a safetensors file of weights')
    .argument('<FILES...>', 'PNG or JPEG files, or IDX files of images')
    .option('--top <K>', 'how many classes of each; default 5')
    .option(PRESET, 'the network, if the file does not say')
    .option(MODEL, "the module with the model, if the file does not say or it has moved; runs the file's code")
    .option('--transpose', "IDX images are stored transposed; default: as the run's");
  withOutput(withDevice(command));
}

function addGradcheck(program: Command): void {
  const example = [
    '  thalweg gradcheck --preset classic',
    "  thalweg gradcheck --preset classic --perturb 'hidden1.weight[3,400]'",
  ].join('\n');
  const load = async () => (await import('./gradcheck.ts')).gradcheck;
  const command = verb(program, 'gradcheck', 'prove the gradients of a network on this device', example, load)
    .argument('[WEIGHTS|DIR]', 'trained weights to check; default: untrained ones')
    .option(PRESET, `which network; default ${DEFAULT_PRESET}`)
    .option('--seed <N>', 'seed of the untrained weights; default 0')
    .option('--perturb <PATH[i,j]>', 'instead: does the error go up or down if this weight increases slightly?');
  withData(command, 'examples to check with; default: a few synthetic digits');
  withOutput(withDevice(command));
}

function addExplain(program: Command): void {
  const example = [
    '  thalweg explain --preset mlp --as gpu',
    '  thalweg explain --preset mlp --as software --pass group',
    '  thalweg explain --preset classic --as webgpu-default --kernel 2',
  ].join('\n');
  const load = async () => (await import('./explain.ts')).explain;
  const about = 'show how the compiler plans a training step: graph, groups, dispatches, memory, WGSL';
  const command = verb(program, 'explain', about, example, load)
    .option(PRESET, `the preset whose training step to show; default ${DEFAULT_PRESET}`)
    .option('--config <FILE>', 'settings from a JSON file such as the config.json of a run; flags override it')
    .option('--batch-size <N>', "examples per step; default: the preset's")
    .option('--optimizer <NAME>', `${Object.keys(OPTIMIZERS).join(', ')}; default: the preset's`)
    .option(
      '--as <CLASS>',
      `compiles for ${Object.keys(ADAPTER_CLASSES).join(', ')}, without opening a device; default: for the device`,
    )
    .option('--pass <NAME>', `the result of one pass: ${PASSES.join(', ')}`)
    .option('--kernel <N>', 'one dispatch in full: kernels, accesses, bindings and WGSL')
    .option('--wgsl', 'the WGSL of all dispatches, or with --kernel of one');
  withOutput(withDevice(command, 'gpu'));
}

function addBench(program: Command): void {
  const example = [
    '  thalweg bench matmul step',
    '  thalweg bench --quick --save before.jsonl',
    '  thalweg bench --quick --compare before.jsonl',
    '  thalweg bench plan --adapter null',
  ].join('\n');
  const load = async () => (await import('./bench.ts')).bench;
  const command = verb(program, 'bench', 'measure this device against its peak rates', example, load)
    .argument('[SUITES...]', `some of ${SUITES.join(', ')}; default: all but plan and time-to-99`)
    .option('--data <DIR>', "MNIST's files for time-to-99; default: the cache, else a download")
    .option('--quick', 'fewer sizes and shorter rounds')
    .option('--all', 'also run the slow cases, which are otherwise listed as skipped')
    .option('--rounds <N>', 'rounds in which the cases take turns; default 5, with --quick 3')
    .option('--seed <N>', 'seed of the random data; default 0')
    .option('--markdown', 'tables in Markdown')
    .option('--svg <DIR>', 'write plots there: the speed-up over the CPU, and the roofline')
    .option('--save <FILE>', 'write the output of --json to a file, for --compare')
    .option('--compare <FILE>', 'report what got faster or slower since the run that --save wrote there');
  withOutput(withDevice(command, 'gpu'));
}

function addTune(program: Command): void {
  const example = [
    '  thalweg tune',
    '  thalweg tune --preset mlp --batch-size 64',
    '  thalweg tune --product 512,512,512',
    '  thalweg tune --show',
  ].join('\n');
  const load = async () => (await import('./tune.ts')).tune;
  const about = 'find the fastest kernels for this device and keep them for later runs';
  const command = verb(program, 'tune', about, example, load)
    .option(PRESET, 'tune the products of this training step; default: of all presets')
    .option('--batch-size <N>', "examples per step; default: the preset's")
    .option('--product <M,N,K>', 'tune products of these sizes instead; with --preset, in addition')
    .option('--rounds <N>', 'rounds in which the best candidate and the default take turns; default 7')
    .option('--seed <N>', 'seed of the random data; default 0')
    .option('--show', 'show the stored tuning of this adapter, without measuring')
    .option('--reset', 'remove the stored tuning of this adapter, without measuring');
  withOutput(withDevice(command, 'gpu'));
}

function addInfo(program: Command): void {
  const load = async () => (await import('./info.ts')).info;
  const command = verb(
    program,
    'info',
    'show versions, adapter, driver, features, limits and the data cache',
    '  thalweg info',
    load,
  );
  withOutput(withDevice(command));
}

async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('thalweg')
    .description('Train small neural networks on WebGPU, in Node.')
    .version(thalwegVersion())
    .showHelpAfterError('(add --help for the options)')
    .addHelpText('after', `\nExample:\n  thalweg train --preset classic\n\n${exitCodesText()}`)
    .exitOverride();
  for (const add of [addTrain, addEval, addPredict, addGradcheck, addExplain, addBench, addTune, addInfo]) add(program);
  for (const command of program.commands) command.exitOverride().showHelpAfterError('(add --help for the options)');
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = exitCodeOf(error); // commander has said why
  }
}

// commander prints help and usage. A closed reader is not an error; a full disk is.
process.stdout.on('error', (error) => {
  if (codeOf(error) !== 'EPIPE') process.exitCode ||= EXIT.failed;
});
process.stderr.on('error', () => {});
await main(process.argv);
