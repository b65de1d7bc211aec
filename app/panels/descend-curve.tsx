// The first lesson: one weight, the curve w²/2, and a step drawn as an arrow.
import { signal, useSignalEffect } from '@preact/signals';
import * as store from '../page/store.ts';
import type { Descent } from '../protocol.ts';
import { regimeOf } from '../teach/regime.ts';
import { Button, Details, LogSlider } from '../ui/kit.tsx';

const START = 4;
const MOST_STEPS = 40;
/** The picture: w from -6 to 6, loss from 0 to 18. */
const [WIDTH, HEIGHT, REACH, TOP] = [480, 280, 6, 18];

const lr = signal(0.3);
const shown = signal(1);
const path = signal<Descent | undefined>(undefined);

const show = (steps: number) => {
  shown.value = steps;
};

const x = (w: number) => ((w + REACH) / (2 * REACH)) * WIDTH;
const y = (loss: number) => HEIGHT - 20 - (loss / TOP) * (HEIGHT - 30);
const CURVE = Array.from({ length: 97 }, (_, k) => {
  const w = -REACH + (k / 96) * 2 * REACH;
  return `${k === 0 ? 'M' : 'L'}${x(w).toFixed(1)} ${y((w * w) / 2).toFixed(1)}`;
}).join('');

async function go(rate: number): Promise<void> {
  const params = { on: 'curve', optimizer: 'sgd', lr: rate, steps: MOST_STEPS, start: [START] } as const;
  const found = await store.attempt(() => store.theEngine().call('descend', params));
  if (found && rate === lr.value) path.value = found;
}

export function CurveLesson() {
  useSignalEffect(() => {
    if (store.ready.value) void go(lr.value);
  });
  const all = path.value;
  const n = all ? Math.min(shown.value, all.losses.length - 1) : 0;
  return (
    <section class="descend-lesson" aria-labelledby="descend-curve">
      <h3 id="descend-curve">One weight</h3>
      <p>
        The loss is w²/2, so its gradient at w is w. The network’s own losses have thousands of weights; the rule is the
        same.
      </p>
      <Picture descent={all} n={n} />
      <LogSlider
        label="Learning rate"
        value={lr.value}
        min={0.001}
        max={4}
        onInput={(value) => {
          lr.value = value;
        }}
        hint="A step takes w to w − rate × gradient. Try 0.01, 0.3, 1, 1.8 and 2.1."
      />
      <p class="descend-buttons">
        <Button disabled={!all} onClick={() => show(Math.min(shown.value + 1, MOST_STEPS))}>
          One step further
        </Button>
        <Button disabled={!all} onClick={() => show(MOST_STEPS)}>
          All the way
        </Button>
        <Button onClick={() => show(1)}>Back to the start</Button>
      </p>
      <p class="descend-says" role="status">
        {all ? regimeOf(lr.value, cut(all, n)) : ''}
      </p>
      {all && <Numbers descent={all} n={n} />}
    </section>
  );
}

/** The first `n` steps of a way. */
function cut(descent: Descent, n: number): Descent {
  const { divergedAt, ...rest } = descent;
  return {
    ...rest,
    positions: { shape: [n + 1, 1], data: descent.positions.data.slice(0, n + 1) },
    losses: descent.losses.slice(0, n + 1),
    ...(divergedAt !== undefined && divergedAt <= n && { divergedAt }),
  };
}

function Picture({ descent, n }: { readonly descent: Descent | undefined; readonly n: number }) {
  const at = (k: number) => ({ w: descent?.positions.data[k] ?? START, loss: descent?.losses[k] ?? START ** 2 / 2 });
  const points = Array.from({ length: n + 1 }, (_, k) => at(k)).filter(({ w }) => Math.abs(w) <= 2 * REACH);
  const line = points
    .map(({ w, loss }, k) => `${k === 0 ? 'M' : 'L'}${x(w).toFixed(1)} ${y(loss).toFixed(1)}`)
    .join('');
  const ball = at(n);
  return (
    <svg
      class="descend-picture"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label="The curve, and the way down it from w = 4; the sentence and the table below say the same in words and numbers."
    >
      <defs>
        <marker id="descend-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
          <path d="M0 0L8 4L0 8z" class="descend-arrowhead" />
        </marker>
      </defs>
      <path class="descend-axis" d={`M0 ${y(0)}H${WIDTH}M${x(0)} 0V${HEIGHT - 20}`} />
      {[-4, -2, 0, 2, 4].map((w) => (
        <text key={w} class="descend-tick" x={x(w)} y={HEIGHT - 5} text-anchor="middle">
          {w}
        </text>
      ))}
      <path class="descend-curve" d={CURVE} />
      <path class="descend-way" d={line} marker-end={points.length > 1 ? 'url(#descend-head)' : undefined} />
      {points.map(({ w, loss }, k) => (
        <circle key={k} class="descend-dot" cx={x(w)} cy={y(loss)} r={3} />
      ))}
      {Math.abs(ball.w) <= REACH && <circle class="descend-ball" cx={x(ball.w)} cy={y(ball.loss)} r={7} />}
    </svg>
  );
}

function Numbers({ descent, n }: { readonly descent: Descent; readonly n: number }) {
  const rows = Array.from({ length: n + 1 }, (_, k) => k);
  return (
    <Details summary="The steps as numbers">
      <table>
        <thead>
          <tr>
            <th scope="col">step</th>
            <th scope="col">w</th>
            <th scope="col">loss</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((k) => (
            <tr key={k}>
              <th scope="row">{k}</th>
              <td>{descent.positions.data[k]!.toPrecision(4)}</td>
              <td>{descent.losses[k]!.toPrecision(4)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Details>
  );
}
