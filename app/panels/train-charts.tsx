// The run's curves: the loss of each step, its running mean and the test images' loss on one axis; the accuracy below. Earlier
// runs are overlaid, dashed.
import { signal } from '@preact/signals';
import { align, type Line, lineOf, smooth, thin } from '../charts/curves.ts';
import { type ChartSeries, LineChart } from '../charts/line-chart.tsx';
import * as store from '../page/store.ts';
import { count, lossText, percent } from '../ui/format.ts';

const logLoss = signal(false);

/** The maximum points of the current run and of all earlier ones: about 2,000 together. */
const MOST = 900;
const MOST_EARLIER = 120;

const [COLORS, DASHES] = [
  ['violet', 'teal', 'grey', 'ink-soft'],
  [
    [6, 4],
    [2, 3],
  ],
] as const;

/** Colour and dashes of an earlier run: the dashes tell it from the current one, both from as many others as are kept. */
export function lookOf({ id }: store.RunRecord): { color: string; dash: readonly number[] } {
  const at = id - 1;
  return { color: COLORS[at % 4]!, dash: DASHES[Math.floor(at / 4) % 2]! };
}

function shownRuns(): readonly store.RunRecord[] {
  return store.runs.value.filter(({ shown }) => shown);
}

/** An earlier run as a thin dashed line. */
function earlier(record: store.RunRecord): ChartSeries {
  return { name: `Run ${record.id}`, ...lookOf(record), width: 1.5 };
}

function smoothLine(curve: store.CurvePoints, values: readonly number[], most: number): Line {
  const mean = smooth(values);
  return lineOf(curve.step, mean, thin(mean, most));
}

export function LossChart() {
  const version = store.curveVersion.value;
  const runs = shownRuns();
  const { curve } = store;
  const data = () => {
    const chosen = thin(curve.loss, MOST);
    return align([
      lineOf(curve.step, curve.loss, chosen),
      lineOf(curve.step, smooth(curve.loss), chosen),
      { x: curve.tests.map(({ step }) => step), y: curve.tests.map(({ loss }) => loss) },
      ...runs.map((run) => smoothLine(run.curve, run.curve.loss, MOST_EARLIER)),
    ]);
  };
  return (
    <div class="train-chart">
      <div class="train-chart-head">
        <h3>Loss</h3>
        <label class="train-check">
          <input
            type="checkbox"
            checked={logLoss.value}
            onChange={(event) => {
              logLoss.value = event.currentTarget.checked;
            }}
          />
          Logarithmic
        </label>
      </div>
      <LineChart
        label="Loss over steps"
        summary={lossSummary()}
        height={220}
        series={[
          { name: 'Each batch', color: 'blue-faint', width: 1 },
          { name: 'Running mean', color: 'blue', width: 2 },
          { name: 'Test images', color: 'orange', points: true },
          ...runs.map(earlier),
        ]}
        data={data}
        version={version + runs.length}
        xLabel="Step"
        yLabel="Loss"
        logY={logLoss.value}
        table={() => table('loss')}
      />
    </div>
  );
}

export function AccuracyChart() {
  const version = store.curveVersion.value;
  const runs = shownRuns();
  const { curve } = store;
  const data = () =>
    align([
      smoothLine(curve, curve.accuracy, MOST),
      { x: curve.tests.map(({ step }) => step), y: curve.tests.map(({ accuracy }) => accuracy) },
      ...runs.map((run) => smoothLine(run.curve, run.curve.accuracy, MOST_EARLIER)),
    ]);
  return (
    <div class="train-chart">
      <div class="train-chart-head">
        <h3>Accuracy</h3>
      </div>
      <LineChart
        label="Accuracy over steps, from 0 to 1"
        summary={accuracySummary()}
        height={170}
        series={[
          { name: 'Batches, running mean', color: 'blue', width: 2 },
          { name: 'Test images', color: 'orange', points: true },
          ...runs.map(earlier),
        ]}
        data={data}
        version={version + runs.length}
        xLabel="Step"
        yLabel="Fraction correct"
        table={() => table('accuracy')}
      />
    </div>
  );
}

function lossSummary(): string {
  const { curve } = store;
  const at = curve.step.length - 1;
  if (at < 0) return 'No step has been made yet.';
  const test = curve.tests.at(-1);
  const tested = test ? ` On the test images it is ${lossText(test.loss)}.` : '';
  return `The loss began at ${lossText(curve.loss[0])} and its running mean is ${lossText(smooth(curve.loss)[at])} at step ${count(curve.step[at]!)}.${tested}`;
}

function accuracySummary(): string {
  const { curve } = store;
  const at = curve.step.length - 1;
  if (at < 0) return 'No step has been made yet.';
  const test = curve.tests.at(-1);
  const tested = test ? ` Of the test images it had ${percent(test.accuracy)} at step ${count(test.step)}.` : '';
  return `Of the batches it has ${percent(smooth(curve.accuracy)[at])} right at step ${count(curve.step[at]!)}.${tested}`;
}

/** The numbers at every evaluation on the test images, and at about twenty steps in between. */
function table(what: 'loss' | 'accuracy'): { head: string[]; rows: string[][] } {
  const { curve } = store;
  const show = what === 'loss' ? lossText : percent;
  const mean = smooth(curve[what]);
  const tests = new Map(curve.tests.map((test) => [test.step, test[what]]));
  const every = Math.max(1, Math.ceil(curve.step.length / 20));
  const means = new Map(
    curve.step.map((step, i) => [step, mean[i]] as const).filter((_, i) => i % every === 0 || i === mean.length - 1),
  );
  for (const step of tests.keys()) if (!means.has(step)) means.set(step, mean[curve.step.indexOf(step)]);
  const rows = [...means.keys()]
    .sort((a, b) => a - b)
    .map((step) => [count(step), show(means.get(step)), tests.has(step) ? show(tests.get(step)) : '']);
  return { head: ['Step', 'Running mean', 'Test images'], rows };
}
