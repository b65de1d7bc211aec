// Training: the buttons, the state in words, the figures, the learning rate, and the curves.
import { useEffect } from 'preact/hooks';
import { hashOf } from '../config.ts';
import * as store from '../page/store.ts';
import type { RunFacts, RunState } from '../protocol.ts';
import { count, duration, lossText, percent, rateText, widthsText } from '../ui/format.ts';
import { Button, Panel, Stat } from '../ui/kit.tsx';
import '../styles/train.css';
import { RatePicker } from './rate.tsx';
import { Runs } from './runs.tsx';
import { PresetPicker } from './settings.tsx';
import { AccuracyChart, LossChart } from './train-charts.tsx';

export function TrainPanel() {
  return (
    <Panel
      id="train"
      title="Train"
      lead="The network sees a handful of digits at each step, and every weight moves a little against the gradient of the loss."
    >
      <div class="train-top">
        <PresetPicker />
        <RatePicker />
      </div>
      <Buttons />
      <StateLine />
      <Figures />
      <EpochLine />
      <LossChart />
      <AccuracyChart />
      <Runs />
    </Panel>
  );
}

/** Starts or pauses training. */
function toggle(): void {
  if (store.training.value) void store.pause();
  else if (canTrain()) void store.train();
}

function canTrain(): boolean {
  const state = store.run.value?.state ?? 'idle';
  return store.ready.value && store.occupied.value === undefined && !['done', 'lost', 'failed'].includes(state);
}

const PRIMARY: Partial<Record<RunState, string>> = {
  running: 'Pause',
  compiling: 'Pause',
  paused: 'Resume',
  diverged: 'Go on',
};

/** Elements that use the space bar themselves while focused. */
const CONTROLS = 'input, select, textarea, button, summary, a, canvas, [tabindex="0"], [contenteditable]';

function Buttons() {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.code !== 'Space' || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.target instanceof Element && event.target.closest(CONTROLS)) return;
      event.preventDefault();
      toggle();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  const running = store.training.value;
  const state = store.run.value?.state ?? 'idle';
  return (
    <div class="row train-buttons">
      <Button primary testid="train" onClick={toggle} disabled={!running && !canTrain()} title="Space bar">
        {PRIMARY[state] ?? 'Train'}
      </Button>
      <Button
        testid="pause"
        onClick={() => void store.pause()}
        disabled={!running}
        title="Stops after the current step"
      >
        <svg class="train-icon" viewBox="0 0 12 12" aria-hidden="true">
          <path d="M2 1h3v10H2zM7 1h3v10H7z" />
        </svg>
        <span class="visually-hidden">Pause the run</span>
      </Button>
      <Button
        testid="step"
        onClick={() => void store.step()}
        disabled={running || !canTrain()}
        title="Trains on one batch, and pauses"
      >
        One step
      </Button>
      <Button
        testid="reset"
        onClick={() => void store.reset()}
        disabled={!store.ready.value}
        title="Same seed, same start"
      >
        Reset
      </Button>
      <span class="train-key">
        The space bar trains and pauses. Reset keeps the seed, so the same curve comes again.
      </span>
    </div>
  );
}

/** Reloads the page with the current settings, on any available device and data. */
function openAgain(): void {
  history.replaceState(null, '', hashOf({ ...store.config.value, device: 'auto', data: 'auto' }));
  location.reload();
}

/** The state in words. */
function sentence(run: RunFacts | undefined): string {
  if (store.stuck.value) return 'Nothing can be trained yet: the message below says why.';
  if (!store.ready.value) return store.loading.value?.text ?? 'Opening the device.';
  const compiling = store.compiling.value;
  if (compiling) return `Compiling kernels: ${count(compiling.done)} of about ${count(compiling.total)}.`;
  if (store.occupied.value !== undefined) return `Waiting: ${store.occupied.value}.`;
  const step = count(run?.step ?? 0);
  switch (run?.state ?? 'idle') {
    case 'idle':
      return `Ready: ${widthsText(store.config.value.hidden)}, ${run?.fresh === false ? 'weights from a file' : 'random weights'}, no step made yet.`;
    case 'compiling':
      return 'Compiling the shaders of the first step.';
    case 'running':
      return 'Training.';
    case 'paused':
      return `Paused after step ${step}.`;
    case 'done':
      return `Done: all ${run?.epochs} epochs are complete. Reset to start over.`;
    case 'diverged':
      return `Diverged. These are the weights of step ${step}: lower the learning rate and continue from there.`;
    case 'failed':
      return `Stopped by an error after step ${step}. Reset to start over.`;
    case 'lost':
      return 'The device was lost; another is being opened.';
  }
}

function StateLine() {
  const run = store.run.value;
  const state = store.ready.value ? (run?.state ?? 'idle') : store.stuck.value ? 'failed' : 'loading';
  return (
    <div class="train-state">
      <span data-testid="state" data-state={state}>
        {sentence(run)}
      </span>{' '}
      <span class="visually-hidden" role="status">
        {store.compiling.value ? 'Compiling kernels. This takes a while.' : ''}
      </span>
      {store.stuck.value && <Button onClick={openAgain}>Try again with any device and data</Button>}
    </div>
  );
}

function Figures() {
  const run = store.run.value;
  const data = store.data.value;
  return (
    <div class="train-figures">
      <Stat label="Test accuracy" value={percent(run?.validation?.accuracy)} testid="test-accuracy" />
      <Stat label="Train loss" value={lossText(run?.loss)} testid="train-loss" />
      <Stat
        label="Steps"
        value={String(run?.step ?? 0)}
        unit={run ? `of ${count(run.totalSteps)}` : ''}
        testid="steps"
      />
      <Stat label="Steps per second" value={rateText(run?.stepsPerSecond)} testid="steps-per-second" />
      <Stat label="Images per second" value={run?.imagesPerSecond ? count(Math.round(run.imagesPerSecond)) : '–'} />
      <Stat label="Training time" value={duration(run?.elapsedMs)} />
      <Stat label="Time left" value={duration(run && run.step > 0 ? run.etaMs : undefined)} />
      <Stat label="Compiling, apart" value={duration(run?.compileMs)} />
      <p class="train-data">
        {data ? `Trained on ${count(data.train)} images, tested on ${count(data.test)} unseen ones.` : ''}
      </p>
    </div>
  );
}

/** The progress of the epoch; and once per epoch a sentence for screen readers. */
function EpochLine() {
  const run = store.run.value;
  store.curveVersion.value;
  const last = store.curve.tests.filter(({ epoch }) => epoch > 0).at(-1);
  const within = run && run.stepsPerEpoch > 0 ? run.step % run.stepsPerEpoch : 0;
  const full = run !== undefined && within === 0 && run.step > 0;
  return (
    <div class="train-epoch">
      <label>
        <span>
          Epoch {full ? run.step / run.stepsPerEpoch : (run?.epoch ?? 1)} of {run?.epochs ?? store.config.value.epochs}
        </span>
        <progress value={full ? 1 : within} max={full ? 1 : run?.stepsPerEpoch || 1} />
      </label>
      <p class="visually-hidden" role="status">
        {last && run
          ? `Epoch ${last.epoch} of ${run.epochs}: ${Math.round(100 * last.accuracy)} % of the test digits right.`
          : ''}
      </p>
    </div>
  );
}
