// The learning-rate range test: the rate grows step by step, and the loss shows which rates train and which diverge.
import { computed, signal, useSignalEffect } from '@preact/signals';
import { LineChart } from '../charts/line-chart.tsx';
import * as store from '../page/store.ts';
import type { RangeTest as Found } from '../protocol.ts';
import { lossText } from '../ui/format.ts';
import { Button, numberText } from '../ui/kit.tsx';

const found = signal<Found | undefined>(undefined);
const version = signal(0);
const busy = signal(false);

/** The settings that the test depends on; the rate is not one of them. */
const subject = computed(() => JSON.stringify({ ...store.config.value, lr: 0, schedule: '' }));

async function run(): Promise<void> {
  busy.value = true;
  const test = await store.occupy('the range test', (engine) => engine.call('rangeTest', {}));
  busy.value = false;
  if (!test) return;
  found.value = test;
  version.value++;
}

export function RangeTest() {
  useSignalEffect(() => {
    if (subject.value) found.value = undefined;
  });
  const test = found.value;
  return (
    <div class="range-test">
      <p>
        A hundred steps, or a thousand if those are inconclusive, each with a larger rate than the one before. A good
        rate is where the loss falls fastest below that of a constant guess; where it shoots up, the rate is too large.
        It works on a copy: your run does not change.
      </p>
      <Button disabled={!store.ready.value || store.occupied.value !== undefined} onClick={() => void run()}>
        {busy.value ? 'Testing…' : 'Run the range test'}
      </Button>
      {test && <Curve test={test} />}
    </div>
  );
}

function Curve({ test }: { readonly test: Found }) {
  const rates = [...test.rates];
  const smoothed = [...test.smoothed];
  const suggestion = test.suggestion === undefined ? undefined : Number(test.suggestion.toPrecision(2));
  const off = (rate: number) => Math.abs(Math.log(rate / (test.suggestion ?? 1)));
  const nearest = rates.reduce((best, rate, k) => (off(rate) < off(rates[best]!) ? k : best), 0);
  const summary =
    suggestion === undefined
      ? 'No rate stands out: the loss does not fall below that of a constant guess.'
      : `A good rate is near ${numberText(suggestion)}.`;
  return (
    <>
      <LineChart
        label="Loss over learning rate"
        summary={summary}
        height={180}
        series={[
          { name: 'loss', color: 'blue-faint', width: 1 },
          { name: 'smoothed', color: 'blue', width: 2 },
          { name: 'suggested', color: 'orange', points: true },
        ]}
        data={() => [
          rates,
          [...test.losses],
          smoothed,
          smoothed.map((loss, k) => (k === nearest && suggestion !== undefined ? loss : null)),
        ]}
        version={version.value}
        xLabel="learning rate"
        yLabel="loss"
        logX
        logY
        table={() => ({
          head: ['rate', 'loss', 'smoothed'],
          rows: rates
            .map((rate, k) => [
              numberText(Number(rate.toPrecision(3))),
              lossText(test.losses[k]),
              lossText(smoothed[k]),
            ])
            .filter((_, k) => k % Math.ceil(rates.length / 25) === 0),
        })}
      />
      <p role="status">{summary}</p>
      {suggestion !== undefined && (
        <Button onClick={() => void store.setLearningRate(suggestion)}>Use {numberText(suggestion)}</Button>
      )}
    </>
  );
}
