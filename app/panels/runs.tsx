// The runs of this session: which are drawn, their final accuracy, and their differences from the current settings.
import * as store from '../page/store.ts';
import { count, percent } from '../ui/format.ts';
import { lookOf } from './train-charts.tsx';

export function Runs() {
  const runs = store.runs.value;
  if (runs.length === 0) return null;
  return (
    <div class="runs">
      <h3>Earlier runs</h3>
      <ul class="runs-list">
        {runs.map((record) => (
          <Run key={record.id} record={record} />
        ))}
      </ul>
      <p class="field-note">Each says how it differs: the current setting → that run’s.</p>
    </div>
  );
}

function Run({ record }: { readonly record: store.RunRecord }) {
  const differences = store.differencesOf(record);
  const { color, dash } = lookOf(record);
  const toggle = (shown: boolean) => {
    store.runs.value = store.runs.value.map((run) => (run.id === record.id ? { ...run, shown } : run));
  };
  return (
    <li>
      <label class="train-check">
        <input type="checkbox" checked={record.shown} onChange={(event) => toggle(event.currentTarget.checked)} />
        <svg class="chart-key" viewBox="0 0 24 10" aria-hidden="true" style={{ color: `var(--${color})` }}>
          <line x1="0" x2="24" y1="5" y2="5" stroke-width="2" stroke-dasharray={dash.join(' ')} />
        </svg>
        Run {record.id}
      </label>{' '}
      <span class="runs-facts">
        {percent(record.testAccuracy)} on test images after {count(record.curve.step.at(-1) ?? 0)} steps on{' '}
        {record.adapter}. {differences.length > 0 ? `${differences.join(', ')}.` : 'The same settings.'}
        {record.rates.map(({ step, rate }) => ` Rate ${rate} from step ${count(step)} on.`)}
      </span>
    </li>
  );
}
