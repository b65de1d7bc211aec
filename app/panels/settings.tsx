// The settings of a run: its network, training and data. An invalid value gives a message under the field, and the previous value stays.
import { signal, useSignalEffect } from '@preact/signals';
import {
  ACTIVATIONS,
  type Config,
  DATA,
  DEVICES,
  LOSSES,
  OPTIMIZERS,
  PRESET_CONFIGS,
  type PresetName,
  SCHEDULES,
  withEntry,
} from '../config.ts';
import * as store from '../page/store.ts';
import { Button, EntryField, Panel, SelectField } from '../ui/kit.tsx';
import { Parameters } from './parameters.tsx';

/** The engine's error about the last change of an entry. */
const refusal = signal<{ readonly key: keyof Config; readonly text: string } | undefined>(undefined);

/** Recreates the network with one entry changed. */
async function take(key: keyof Config, next: Config): Promise<void> {
  refusal.value = undefined;
  await store.change(next);
  const failed = store.notices.value.find(({ code }) => code === 'failed');
  if (failed && String(store.config.value[key]) !== String(next[key])) refusal.value = { key, text: failed.text };
}

/** Applies an entry given as text, or returns the error message about it. */
function enter(key: keyof Config, text: string): string | undefined {
  const next = withEntry(store.config.value, key, text.trim());
  if (typeof next === 'string') return next;
  if (String(next[key]) !== String(store.config.value[key])) void take(key, next);
  return undefined;
}

const PRESET_LABELS: Record<PresetName, string> = {
  classic: 'classic, 784–16–16–10',
  mlp: 'mlp, 784–128–10',
};

/** Sets everything but the seed, the data and the device. */
export function PresetPicker() {
  const { preset, seed, data, device } = store.config.value;
  return (
    <SelectField<PresetName>
      label="Preset"
      testid="preset"
      value={preset}
      options={(Object.keys(PRESET_CONFIGS) as PresetName[]).map((value) => ({ value, label: PRESET_LABELS[value] }))}
      onChange={(value) => void take('preset', { ...PRESET_CONFIGS[value], seed, data, device })}
      hint={
        refusal.value?.key === 'preset'
          ? refusal.value.text
          : 'Two networks to start from; sets everything but the seed, the data and the device.'
      }
      disabled={!store.ready.value}
    />
  );
}

interface EntryProps {
  readonly name: keyof Config;
  readonly label: string;
  readonly hint: string;
  readonly testid?: string;
  readonly whole?: boolean;
}

function Entry({ name, label, hint, testid, whole }: EntryProps) {
  const value = store.config.value[name];
  return (
    <EntryField
      label={label}
      value={Array.isArray(value) ? value.join('-') || 'none' : String(value)}
      commit={(text) => enter(name, text)}
      hint={hint}
      testid={testid}
      error={refusal.value?.key === name ? refusal.value.text : undefined}
      inputMode={whole ? 'numeric' : 'text'}
      disabled={!store.ready.value}
    />
  );
}

interface ChoiceProps {
  readonly name: keyof Config;
  readonly label: string;
  readonly hint: string;
  readonly of: readonly string[];
  readonly names?: Readonly<Record<string, string>>;
}

function Choice({ name, label, hint, of, names }: ChoiceProps) {
  const said = refusal.value?.key === name ? refusal.value.text : hint;
  return (
    <SelectField
      label={label}
      value={String(store.config.value[name])}
      options={of.map((value) => ({ value, label: names?.[value] ?? value }))}
      onChange={(value) => enter(name, value)}
      hint={said}
      disabled={!store.ready.value}
    />
  );
}

const ACTIVATION_NAMES = { relu: 'ReLU', sigmoid: 'sigmoid', tanh: 'tanh', gelu: 'GELU', silu: 'SiLU' };
const LOSS_NAMES = { 'cross-entropy': 'cross-entropy', 'squared-error': 'squared error' };
const OPTIMIZER_NAMES = { sgd: 'SGD', momentum: 'SGD with momentum', adam: 'Adam', adamw: 'AdamW', rmsprop: 'RMSProp' };
const SCHEDULE_NAMES = { cosine: 'cosine, down to zero', constant: 'constant' };
const DATA_NAMES = { auto: 'MNIST if available', mnist: 'MNIST', digits: 'synthetic digits, built in' };
const DEVICE_NAMES = { auto: 'a GPU, else the CPU', gpu: 'a GPU, else a software adapter', cpu: 'CPU' };

/** The classic lesson's units and loss, and modern ones, each with a rate suited to plain gradient descent. */
const LESSONS = {
  modern: { label: 'With ReLU and cross-entropy', activation: 'relu', loss: 'cross-entropy', lr: 0.1 },
  classic: { label: 'With sigmoid and squared error', activation: 'sigmoid', loss: 'squared-error', lr: 1 },
} as const;

/** A button that switches between the two. */
function Lesson() {
  const { config, ready } = store;
  const { label, ...lesson } = config.value.activation === 'sigmoid' ? LESSONS.modern : LESSONS.classic;
  const { lr } = config.value.optimizer === 'sgd' ? lesson : config.value;
  return (
    <Button disabled={!ready.value} onClick={() => void store.change({ ...config.value, ...lesson, lr })}>
      {label}
    </Button>
  );
}

export function SettingsPanel() {
  useSignalEffect(() => {
    if (store.network.value) refusal.value = undefined;
  });
  const begun = store.run.value?.fresh === false;
  return (
    <Panel id="settings" title="Settings" lead="What the network is, how it learns, and on what.">
      <p class="settings-when">
        {begun
          ? 'A change here starts a new run from step 0; the one so far stays in the list of earlier runs.'
          : 'Nothing is trained yet: a change here recreates the network.'}
      </p>
      <Lesson />
      <div class="settings">
        <Entry
          name="hidden"
          label="Hidden layers"
          testid="hidden"
          hint="Widths from the input to the output, such as 16-16; none connects the pixels to the digits directly."
        />
        <Choice
          name="activation"
          label="Activation"
          of={ACTIVATIONS}
          names={ACTIVATION_NAMES}
          hint="What each hidden unit applies to its sum; sigmoids saturate, ReLU does not."
        />
        <Choice
          name="loss"
          label="Loss"
          of={LOSSES}
          names={LOSS_NAMES}
          hint="What training minimizes: squared error is the classic lesson, cross-entropy learns faster."
        />
        <Choice
          name="optimizer"
          label="Optimizer"
          of={OPTIMIZERS}
          names={OPTIMIZER_NAMES}
          hint="How a gradient becomes a step; Adam gives each weight its own step size."
        />
        <Choice
          name="schedule"
          label="Schedule"
          of={SCHEDULES}
          names={SCHEDULE_NAMES}
          hint="How the learning rate changes over the run; a rate set by hand replaces it."
        />
        <Entry
          name="batch"
          label="Batch size"
          testid="batch-size"
          whole
          hint="Images per step: few make noisy steps, many make slow ones."
        />
        <Entry name="epochs" label="Epochs" testid="epochs" whole hint="How often all training images are seen." />
        <Entry
          name="seed"
          label="Seed"
          testid="seed"
          whole
          hint="The same seed gives the same curve on this device, bit for bit."
        />
        <Choice
          name="data"
          label="Data"
          of={DATA}
          names={DATA_NAMES}
          hint="MNIST’s scanned digits, or similar ones generated in the page."
        />
        <Choice
          name="device"
          label="Device"
          of={DEVICES}
          names={DEVICE_NAMES}
          hint="The device to use; requesting a missing GPU is an error."
        />
      </div>
      <Parameters />
    </Panel>
  );
}
