// `thalweg train`: a network on a data set, from flags to a test accuracy. Everything that can be wrong is found out before the
// first step; afterwards nothing that was learned is lost.
import type { Backend } from '../backend.ts';
import type { DataSet } from '../data/dataset.ts';
import { DivergenceError, OptionError } from '../graph/errors.ts';
import { prepareFile } from '../node/files.ts';
import type { Evaluation } from '../train/evaluation.ts';
import type { EpochEvent, FitEvent, StepEvent } from '../train/events.ts';
import { loadCheckpoint } from '../train/files.ts';
import { Trainer } from '../train/trainer.ts';
import { RunFolder } from './artifacts.ts';
import { chosenBy, moduleOf } from './chosen.ts';
import { showCompiling } from './compiling.ts';
import { type Call, commandName, quoted } from './context.ts';
import { augmented, beginLoading, checkFits, type LoadedData, loadData } from './data.ts';
import type { DataFacts, Wanted } from './data-folder.ts';
import { deviceFields, deviceLine, tuningFields } from './device.ts';
import { withBackends } from './device-loss.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { reasonOf } from './interrupt.ts';
import type { EventFields } from './output.ts';
import {
  augmentationFor,
  lengthIn,
  optimizerOf,
  type Plan,
  planOf,
  planSettings,
  readingOf,
  recordOf,
  resumedPlan,
} from './plan.ts';
import { formatDuration, formatMetric } from './progress.ts';
import { differenceText, type GoneOn, goOn } from './resumed.ts';
import { FILES } from './run-files.ts';
import { confusionText, formatInteger } from './table.ts';
import { explanation, percent, planText, plural, rateText, TrainingClock } from './train-report.ts';
import { seesPictures, sizesOf, type Trainable } from './trainable.ts';
import { thalwegVersion } from './versions.ts';

export async function train(call: Call): Promise<ExitCode> {
  const { settings, flags, output } = call;
  let before = settings.resume === undefined ? undefined : await goOn(settings.resume);
  const net = await networkOf(call, before);
  const plan = before ? resumedPlan(before.settings, settings, before.file, net) : planOf(settings, net);
  const out = settings.out ?? before?.folder;
  if (settings.saveEvery !== undefined && out === undefined)
    throw new OptionError('--save-every: no folder to save to. Add --out DIR.');
  const open = {
    metadata: { [plan.net.module ? 'model' : 'preset']: plan.net.name },
    overwrite: flags['overwrite'] === true,
    resuming: before?.folder,
    onWait: (text: string) => output.log(text),
    signal: call.signal,
  };
  const folder = out === undefined || settings.dryRun ? undefined : await RunFolder.open(out, open);
  const ended = new AbortController();
  const surroundings = { output, signal: AbortSignal.any([call.signal, ended.signal]) };
  const data = beginLoading(wantedFor(plan, before), surroundings); // while the device is opened
  try {
    // Another run may have written there before the folder was locked.
    if (folder && before?.folder !== undefined) before = await goOn(before.folder);
    return await withBackends(
      call,
      (backend) => new TrainCall(call, backend, plan, folder, before).run(data),
      async (reason) => {
        if (folder?.saved) before = await goOn(folder.path);
        const from = before ? `step ${formatInteger(before.step)}, the last one saved` : 'the beginning';
        output.warn(`${reason} Opening another; training continues from ${from}.`);
      },
      // Timing needs dispatches: a software adapter will do.
      flags['profile'] === undefined ? 'auto' : 'gpu',
    );
  } finally {
    ended.abort();
    folder?.close();
  }
}

/** The network of a new run, or of one to continue. */
function networkOf({ settings, output }: Call, before: GoneOn | undefined): Promise<Trainable> {
  if (!before) return chosenBy(settings);
  const { settings: saved, file, modelDigest } = before;
  if (saved.model === undefined && settings.model === undefined) return chosenBy(saved);
  return moduleOf(saved, settings, { file, modelDigest, output });
}

/** The data of a run, as its network takes them. */
function wantedFor(plan: Plan, before: GoneOn | undefined): Wanted {
  const { net } = plan;
  const pictures = seesPictures(net);
  const { facts, sizes } = before ?? {};
  return {
    ...readingOf(plan),
    data: plan.data,
    pictures,
    sizes: net.network ? undefined : net.sizes,
    outputs: sizes?.classes,
    facts,
  };
}

/** One call of the verb, with device and folder ready. */
class TrainCall {
  readonly #call: Call;
  readonly #backend: Backend;
  readonly #folder: RunFolder | undefined;
  readonly #before: GoneOn | undefined;
  #plan: Plan;
  #facts: DataFacts | undefined;
  #length = { perEpoch: 0, total: 0, epochs: 0 };
  /** Sums of the losses and accuracies of the epoch's steps so far, for the progress line. */
  #epoch = { number: 0, steps: 0, loss: 0, accuracy: 0 };
  /** Milliseconds of compilation before this run began. */
  #compiledBefore = 0;
  #lastSave = 0;
  /** Whether the run had made its last step before it was ended; only the rest of its output is missing. */
  #unfinished = false;
  /** The accuracy of the epoch that reached the target. */
  #reached: number | undefined;
  readonly #clock = new TrainingClock();

  constructor(call: Call, backend: Backend, plan: Plan, folder: RunFolder | undefined, before: GoneOn | undefined) {
    this.#call = call;
    this.#backend = backend;
    this.#plan = plan;
    this.#folder = folder;
    this.#before = before;
  }

  async run(loading: Promise<LoadedData>): Promise<ExitCode> {
    const { output, signal, flags, settings } = this.#call;
    output.log(deviceLine(this.#backend));
    // Profiling code is loaded on demand.
    const profiling = flags['profile'] === undefined ? undefined : await import('./profile.ts');
    const trace = profiling?.profileFile(flags['profile'], this.#folder?.path);
    profiling?.checkProfile(this.#backend, settings.device);
    if (trace !== undefined && !settings.dryRun) await prepareFile(trace);
    const data = await this.#load(loading);
    const net = this.#plan.net.fittedTo(this.#before?.sizes ?? sizesOf(data.train));
    for (const set of [data.train, data.test]) checkFits(set, net);
    this.#plan = { ...this.#plan, net, data: data.choice };
    this.#facts = { ...sizesOf(data.train), classNames: data.train.classNames };
    this.#length = lengthIn(this.#plan, data.train.size, data.train.name);
    const trainer = await this.#trainer();
    try {
      this.#describe(trainer, data);
      if (settings.dryRun) return this.#endDry();
      if (profiling && trace !== undefined)
        await profiling.profile(this.#backend, this.#plan, data.train, {
          output,
          file: trace,
          total: this.#length.total,
          signal,
        });
      return await this.#train(trainer, data);
    } finally {
      trainer.dispose();
    }
  }

  /** The data, augmented as the plan says. */
  async #load(loading: Promise<LoadedData>): Promise<LoadedData> {
    const { output, signal } = this.#call;
    const data = await loadData(wantedFor(this.#plan, this.#before), { output, signal }, loading);
    const augmentation = augmentationFor(this.#plan);
    return augmentation ? { ...data, train: augmented(data.train, augmentation, this.#plan.net) } : data;
  }

  async #trainer(): Promise<Trainer> {
    const { net, seed } = this.#plan;
    const { loss, sizes } = net;
    const optimizer = optimizerOf(this.#plan);
    const options = { model: net.model(), loss, optimizer, seed, inputShape: sizes!.inputShape };
    const trainer = new Trainer(this.#backend, options);
    if (!this.#before) return trainer;
    try {
      const { bytes, file } = this.#before;
      await loadCheckpoint(trainer, bytes, file);
      this.#checkLength(trainer, file);
    } catch (error) {
      trainer.dispose();
      throw error;
    }
    return trainer;
  }

  /** Refuses to resume a complete run, and warns if the run's length changes. */
  #checkLength({ run, stepsMade, state }: Trainer, file: string): void {
    const { total } = this.#length;
    const made = stepsMade - (run?.start ?? 0);
    const { reached, folder: from, bytes } = this.#before!;
    // This call's own if the device was lost.
    const folder = this.#folder?.resumed || this.#folder?.path === from ? this.#folder : undefined;
    const { targetAccuracy = 0 } = this.#call.settings;
    const atTarget = reached !== undefined && reached >= targetAccuracy && run?.total === total;
    this.#unfinished = (made === total || atTarget) && folder !== undefined && !folder.isFinished(bytes);
    if (this.#unfinished) this.#reached = reached;
    if (made >= total && !this.#unfinished) {
      throw new OptionError(
        `--resume: the run in ${file} is complete: ${made} of ${total} steps. Give a larger --epochs or --max-steps to continue.`,
      );
    }
    if (run?.total !== undefined && run.total !== total && typeof state.optimizer.lr === 'function') {
      this.#call.output.warn(
        `the run now has ${total} steps instead of ${run.total}, so its learning rates differ from the original schedule.`,
      );
    }
  }

  #describe(trainer: Trainer, data: LoadedData): void {
    const { output } = this.#call;
    const { total, perEpoch } = this.#length;
    output.log(planText(trainer, this.#plan, this.#length));
    if (this.#before) output.log(`Resuming ${this.#before.file} at step ${formatInteger(this.#before.step)}`);
    const what = this.#reached === undefined ? 'All steps are done' : 'The target accuracy was reached';
    if (this.#unfinished) output.log(`${what}; the missing output is written now.`);
    const difference = differenceText(this.#before?.ranOn, this.#backend);
    if (difference) output.warn(difference);
    output.event('start', trainer.stepsMade, {
      ...deviceFields(this.#backend),
      ...planSettings(this.#plan),
      source: data.source,
      examples: data.train.size,
      testExamples: data.test.size,
      parameters: trainer.summary().parameters,
      stepsPerEpoch: perEpoch,
      totalSteps: total,
      ...(this.#before && { resumed: this.#before.file }),
    });
  }

  #endDry(): ExitCode {
    this.#call.output.log('Nothing was trained or written (--dry-run).');
    return EXIT.done;
  }

  async #train(trainer: Trainer, data: LoadedData): Promise<ExitCode> {
    const { output } = this.#call;
    const first = trainer.stepsMade;
    if (this.#backend.kind === 'gpu' && !this.#unfinished) output.log('Compiling the kernels ...');
    const options = this.#fitOptions(data);
    await this.#begin(trainer);
    this.#lastSave = first;
    this.#compiledBefore = this.#backend.executor.counters.compileMs;
    const compiled = showCompiling(this.#backend, output);
    try {
      if (!this.#unfinished)
        for await (const event of trainer.fit(data.train, options)) {
          compiled();
          await this.#tell(event, trainer);
        }
    } catch (error) {
      if (!(error instanceof DivergenceError)) throw error;
      await this.#finish(trainer);
      // The library's advice, in terms of flags.
      const message = error.message.replace("pass divergence: 'warn'", 'use --divergence warn');
      const kept = this.#folder ? ` The weights from before are in ${this.#folder.path}.` : '';
      throw new DivergenceError(`${message}${kept}`, error.step);
    } finally {
      compiled();
    }
    if (trainer.history.stopped === 'aborted') return this.#interrupted(trainer);
    // A run interrupted from here on is complete anyway: it is reported and saved.
    const result = await trainer.evaluate(data.test, {
      confusion: this.#plan.data.kind === 'folder' && data.test.classes !== undefined,
    });
    await this.#finish(trainer, result);
    output.progress.stop();
    return this.#report(trainer, result, { steps: trainer.stepsMade - first, test: data.test });
  }

  #fitOptions(data: LoadedData) {
    const { batchSize, epochs, maxSteps } = this.#plan;
    const { targetAccuracy, divergence } = this.#call.settings;
    return {
      events: 'step',
      batchSize,
      epochs,
      maxSteps,
      targetAccuracy,
      divergence,
      validation: data.test,
      signal: this.#call.signal,
      resume: this.#before !== undefined,
    } as const;
  }

  async #begin(trainer: Trainer): Promise<void> {
    const source = this.#before?.folder;
    const from = this.#before && { folder: source ?? this.#folder?.path ?? '', step: this.#before.step };
    await this.#folder?.begin(this.#config(trainer), from);
  }

  /** The content of config.json. The tuned kernels in use are known once compiled. */
  #config(trainer: Trainer) {
    const { name, software } = this.#backend.adapter;
    const { parameters } = trainer.summary();
    const extras = { thalweg: thalwegVersion(), adapterName: name, software, parameters };
    return {
      ...planSettings(this.#plan),
      ...recordOf(this.#plan, this.#facts!),
      ...extras,
      ...tuningFields(this.#backend),
    };
  }

  async #tell(event: FitEvent, trainer: Trainer): Promise<void> {
    const { output, settings } = this.#call;
    const { type, step, ...fields } = event;
    const line = output.event(type, step, fields as EventFields);
    this.#folder?.line(line, { ...event });
    if (event.type === 'warning') output.warn(event.message);
    else if (event.type === 'step') this.#showStep(event);
    else this.#showEpoch(event);
    const begun = this.#clock.firstStepMs !== undefined;
    this.#clock.see(event);
    if (!begun) this.#tellStart();
    const { perEpoch, total } = this.#length;
    const accuracy = event.type === 'epoch' ? event.validation?.accuracy : undefined;
    if (accuracy !== undefined && accuracy >= (settings.targetAccuracy ?? Number.POSITIVE_INFINITY))
      this.#reached = accuracy;
    // The event of the epoch follows, and with it a checkpoint.
    const ends = event.type !== 'epoch' && (step % perEpoch === 0 || step === total);
    const due = settings.saveEvery !== undefined && trainer.stepsMade - this.#lastSave >= settings.saveEvery;
    if (event.type === 'epoch' || (due && !ends)) await this.#save(trainer);
    await this.#folder?.writeDue(ends ? step - 1 : step);
  }

  #tellStart(): void {
    const { firstStepMs } = this.#clock;
    if (firstStepMs === undefined) return;
    const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
    const compiled = this.#backend.executor.counters.compileMs - this.#compiledBefore;
    const compiling = this.#backend.kind === 'gpu' ? `, ${seconds(compiled)} of it compiling` : '';
    this.#call.output.log(`The first step finished ${seconds(firstStepMs)} after the start${compiling}.`);
  }

  #showStep({ epoch, loss, accuracy = 0, step }: StepEvent): void {
    if (this.#epoch.number !== epoch) this.#epoch = { number: epoch, steps: 0, loss: 0, accuracy: 0 };
    const sums = this.#epoch;
    sums.steps++;
    sums.loss += loss;
    sums.accuracy += accuracy;
    const metrics = [
      ['loss', sums.loss / sums.steps],
      ['accuracy', sums.accuracy / sums.steps],
    ] as const;
    this.#call.output.progress.update(this.#place(epoch, step, metrics));
  }

  #showEpoch({ epoch, step, loss, accuracy, validation }: EpochEvent): void {
    const all = { loss, accuracy, test_loss: validation?.loss, test_accuracy: validation?.accuracy };
    const metrics = Object.entries(all).filter((entry): entry is [string, number] => entry[1] !== undefined);
    this.#call.output.progress.endEpoch(this.#place(epoch, step, metrics));
  }

  #place(epoch: number, step: number, metrics: readonly (readonly [string, number])[]) {
    const { perEpoch, total, epochs } = this.#length;
    const made = (epoch - 1) * perEpoch;
    const steps = Math.min(perEpoch, total - made);
    return { epoch, epochs, step: step - made, steps, metrics, batchSize: this.#plan.batchSize };
  }

  /** The settings stored in checkpoints. */
  #configuration() {
    const reached = this.#reached !== undefined && { reachedAccuracy: this.#reached };
    return { ...planSettings(this.#plan), ...recordOf(this.#plan, this.#facts!), ...reached };
  }

  async #save(trainer: Trainer): Promise<void> {
    if (!this.#folder) return;
    this.#lastSave = trainer.stepsMade;
    await this.#folder.describe(this.#config(trainer));
    await this.#folder.checkpoint(trainer, this.#configuration());
  }

  async #finish(trainer: Trainer, result?: Evaluation): Promise<void> {
    const { net, optimizer, seed, batchSize } = this.#plan;
    const accuracy = result?.accuracy === undefined ? '' : `, test accuracy ${percent(result.accuracy)}`;
    const caption = `${net.name}, ${optimizer}, batch ${batchSize}, seed ${seed}${accuracy}; ${this.#backend.adapter.name}`;
    await this.#folder?.describe(this.#config(trainer));
    await this.#folder?.finish(trainer, this.#configuration(), caption);
  }

  async #interrupted(trainer: Trainer): Promise<ExitCode> {
    const { output } = this.#call;
    await this.#finish(trainer);
    const reason = reasonOf(this.#call.signal);
    const at = `${reason} at step ${formatInteger(trainer.stepsMade)}`;
    const resume = this.#folder && `${commandName()} train --resume ${quoted(this.#folder.path)}`;
    output.progress.stop();
    output.event('interrupted', trainer.stepsMade, { ...(resume && { resume }) });
    if (resume) output.log(`${at}. A checkpoint was written. To continue:\n  ${resume}`);
    else if (reason !== 'Interrupted') output.log(`${at}, so the run ended.`);
    else output.log(`${at}. Nothing was saved: no --out DIR was given.`);
    return EXIT.interrupted;
  }

  #report(
    trainer: Trainer,
    { loss, accuracy, confusion }: Evaluation,
    { steps, test: { size: testSize, classNames } }: { steps: number; test: DataSet },
  ): ExitCode {
    const { output, settings } = this.#call;
    const { counters } = this.#backend.executor;
    const { seconds, stepsPerSecond } = this.#clock;
    output.result(
      `Test accuracy ${accuracy === undefined ? '-' : percent(accuracy)}, loss ${formatMetric(loss)}, on ${formatInteger(testSize)} examples; ${plural(steps, 'step')} in ${formatDuration(1000 * seconds)}, ${rateText(stepsPerSecond)} steps/s, on ${this.#backend.adapter.name}`,
    );
    if (confusion) output.result(`\n${confusionText(confusion, classNames)}`);
    if (this.#folder) output.log(`Written to ${this.#folder.path}: ${Object.values(FILES).join(', ')}`);
    output.event('end', trainer.stepsMade, {
      ...deviceFields(this.#backend),
      ...tuningFields(this.#backend),
      validation: { loss, accuracy },
      ...(confusion && { confusion, classNames }),
      steps,
      stepsPerSecond,
      dispatchesPerStep: trainer.dispatchesPerStep,
      submits: counters.submits,
      firstStepMs: this.#clock.firstStepMs,
      compileMs: counters.compileMs,
      peakGpuBytes: counters.peakBytes,
      parameters: trainer.summary().parameters,
    });
    const target = settings.targetAccuracy;
    if (target !== undefined && !((accuracy ?? 0) >= target)) {
      output.warn(`the test accuracy is ${percent(accuracy ?? 0)}, below the --target-accuracy of ${percent(target)}.`);
      return EXIT.missedTarget;
    }
    output.log(explanation({ trainer, plan: this.#plan, steps, out: this.#folder?.path, accuracy, testSize }));
    return EXIT.done;
  }
}
