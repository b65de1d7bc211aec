// The learning-rate range test: the rate grows step by step, and the loss tells which rates teach and which blow up.
import { signal } from '@preact/signals';
import { LineChart } from '../charts/line-chart.tsx';
import * as store from '../page/store.ts';
import type { RangeTest as Found } from '../protocol.ts';
import { Button } from '../ui/kit.tsx';

const found = signal<Found | undefined>(undefined);
const version = signal(0);

async function run(): Promise<void> {
  store.occupied.value = 'the range test';
  const test = await store.attempt(() => store.theEngine().call('rangeTest', {}));
  store.occupied.value = undefined;
  if (!test) return;
  found.value = test;
  version.value++;
}

export function RangeTest() {
  const test = found.value;
  return (
    <div class="range-test">
      <p>
        A hundred steps, each with a larger rate than the one before. Where the loss falls fastest is a good rate; where
        it shoots up, the rate is too large. The weights are put back afterwards.
      </p>
      <Button disabled={!store.ready.value || store.occupied.value !== undefined} onClick={() => void run()}>
        Run the range test
      </Button>
      {test && (
        <LineChart
          label="Loss over learning rate"
          summary={
            test.suggestion === undefined
              ? 'No rate stands out.'
              : `The loss falls fastest near a rate of ${test.suggestion.toPrecision(2)}.`
          }
          height={180}
          series={[
            { name: 'loss', color: 'blue-faint', width: 1 },
            { name: 'smoothed', color: 'blue', width: 2 },
          ]}
          data={() => [[...test.rates], [...test.losses], [...test.smoothed]]}
          version={version.value}
          xLabel="learning rate"
          yLabel="loss"
          logX
        />
      )}
      {test?.suggestion !== undefined && (
        <Button onClick={() => void store.setLearningRate(Number(test.suggestion!.toPrecision(2)))}>
          Use {test.suggestion.toPrecision(2)}
        </Button>
      )}
    </div>
  );
}
