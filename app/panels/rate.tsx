// The learning rate: a slider and a number field. Both take effect at once, even during a run.
import { useEffect, useRef, useState } from 'preact/hooks';
import { withEntry } from '../config.ts';
import * as store from '../page/store.ts';
import { Details, EntryField, LogSlider, numberText } from '../ui/kit.tsx';
import { RangeTest } from './range-test.tsx';

/** Milliseconds without movement after which the slider's rate is applied. */
const REST = 120;

/** The current rate, if a schedule makes it differ from the one that was set. */
function now(): string {
  const { run, config, rates } = store;
  const falls = run.value && config.value.schedule === 'cosine' && rates.value.length === 0;
  return falls
    ? `The cosine schedule is at ${Number(run.value!.learningRate.toPrecision(2))} now; a rate set by hand replaces it.`
    : '';
}

export function RatePicker() {
  const rate = store.config.value.lr;
  const [sliding, setSliding] = useState<number>();
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const slide = (value: number) => {
    setSliding(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      setSliding(undefined);
      void store.setLearningRate(value);
    }, REST);
  };
  const commit = (text: string) => {
    const next = withEntry(store.config.value, 'lr', text);
    if (typeof next === 'string') return next;
    if (next.lr !== store.config.value.lr) void store.setLearningRate(next.lr);
    return undefined;
  };
  return (
    <div class="rate">
      <div class="rate-pair">
        <EntryField
          label="Learning rate"
          value={numberText(sliding ?? rate)}
          commit={commit}
          testid="learning-rate"
          inputMode="decimal"
        />
        <LogSlider
          label="Learning rate, slider"
          hint="Far too small at the left, diverging at the right."
          value={sliding ?? rate}
          min={1e-5}
          max={1000}
          onInput={slide}
        />
      </div>
      <p class="field-note">How far each step goes against the gradient; changes apply during the run. {now()}</p>
      <Details summary="Find a good rate">
        <RangeTest />
      </Details>
    </div>
  );
}
