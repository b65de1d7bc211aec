// The first lesson: one weight, the curve w²/2, and a step drawn as an arrow.
import { signal, useSignalEffect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import * as store from '../page/store.ts';
import type { Descent } from '../protocol.ts';
import { newest } from '../teach/newest.ts';
import { regimeOf } from '../teach/regime.ts';
import { Button, Details, LogSlider } from '../ui/kit.tsx';

const START = 4;
const MOST_STEPS = 40;
/** Milliseconds between steps of the animation. */
const PACE = 250;
/** The picture: w from -6 to 6, loss from 0 to 18. */
const [WIDTH, HEIGHT, REACH, TOP] = [480, 280, 6, 18];

const lr = signal(0.3);
const shown = signal(1);
const playing = signal(false);
/** A path with its learning rate: the slider may have moved since. */
const path = signal<{ readonly rate: number; readonly descent: Descent } | undefined>(undefined);

const x = (w: number) => ((w + REACH) / (2 * REACH)) * WIDTH;
const y = (loss: number) => HEIGHT - 24 - (loss / TOP) * (HEIGHT - 34);
const CURVE = Array.from({ length: 97 }, (_, k) => {
  const w = -REACH + (k / 96) * 2 * REACH;
  return `${k === 0 ? 'M' : 'L'}${x(w).toFixed(1)} ${y((w * w) / 2).toFixed(1)}`;
}).join('');

const go = newest(async (rate: number) => {
  const params = { on: 'curve', optimizer: 'sgd', lr: rate, steps: MOST_STEPS, start: [START] } as const;
  const descent = await store.attempt(() => store.theEngine().call('descend', params));
  if (descent) path.value = { rate, descent };
});

/** The number of steps of the path: fewer if it has left the picture. */
const most = () => (path.value ? path.value.descent.losses.length - 1 : 0);

function show(steps: number): void {
  playing.value = false;
  shown.value = Math.min(steps, most());
}

/** Plays the path step by step, from the start if it is at its end; shows it all at once if reduced motion is preferred. */
function play(): void {
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
    show(MOST_STEPS);
    return;
  }
  if (shown.value >= most()) shown.value = 1;
  playing.value = !playing.value;
}

/** Advances step by step while it plays. */
function useSteps(): void {
  const { value } = playing;
  useEffect(() => {
    if (!value) return;
    const timer = setInterval(() => {
      if (shown.value >= most()) playing.value = false;
      else shown.value++;
    }, PACE);
    return () => clearInterval(timer);
  }, [value]);
}

export function CurveLesson() {
  useSignalEffect(() => {
    if (store.ready.value) go(lr.value);
  });
  useSteps();
  const way = path.value;
  const n = Math.min(shown.value, most());
  return (
    <section class="descend-lesson" aria-labelledby="descend-curve">
      <h3 id="descend-curve">One weight</h3>
      <p>
        The loss is w²/2, so its gradient at w is w. The network’s loss depends on thousands of weights; the rule is the
        same.
      </p>
      <Picture descent={way?.descent} n={n} />
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
        <Button disabled={!way} onClick={() => show(n + 1)}>
          One step further
        </Button>
        <Button disabled={!way} onClick={play}>
          {playing.value ? 'Stop' : 'Run'}
        </Button>
        <Button disabled={!way} onClick={() => show(1)}>
          Back to the start
        </Button>
      </p>
      <p class="descend-says" role="status" aria-busy={playing.value}>
        {way ? regimeOf(way.rate, cut(way.descent, n)) : ''}
      </p>
      {way && <Numbers descent={way.descent} n={n} />}
    </section>
  );
}

/** The first `n` steps of a path. */
function cut(descent: Descent, n: number): Descent {
  return {
    ...descent,
    positions: { shape: [n + 1, 1], data: descent.positions.data.slice(0, n + 1) },
    losses: descent.losses.slice(0, n + 1),
  };
}

interface Place {
  readonly cx: number;
  readonly cy: number;
}

function Picture({ descent, n }: { readonly descent: Descent | undefined; readonly n: number }) {
  const places = Array.from({ length: n + 1 }, (_, k): Place => {
    const w = descent?.positions.data[k] ?? START;
    return { cx: x(w), cy: y(descent?.losses[k] ?? START ** 2 / 2) };
  });
  // Points far outside are not drawn: a diverging path leaves any picture.
  const near = places.filter(({ cx }) => Math.abs(cx - WIDTH / 2) <= 2 * WIDTH);
  const line = near.map(({ cx, cy }, k) => `${k === 0 ? 'M' : 'L'}${cx.toFixed(1)} ${cy.toFixed(1)}`).join('');
  const [before, ball] = [places.at(-2), places.at(-1)!];
  return (
    <svg
      class="descend-picture"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label="The curve, and the path down it from w = 4; the sentence and the table below say the same in words and numbers."
    >
      <defs>
        <marker id="descend-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="5" markerHeight="5" orient="auto">
          <path d="M0 0L8 4L0 8z" class="descend-arrowhead" />
        </marker>
      </defs>
      <path class="descend-axis" d={`M0 ${y(0)}H${WIDTH}M${x(0)} 0V${y(0)}`} />
      {['−4', '−2', '0', '2', '4'].map((text, k) => (
        <text key={text} class="descend-tick" x={x(2 * k - 4)} y={HEIGHT - 6} text-anchor="middle">
          {text}
        </text>
      ))}
      <text class="descend-tick" x={WIDTH - 8} y={HEIGHT - 6} text-anchor="end">
        w
      </text>
      <text class="descend-tick" x={x(0) + 8} y={18}>
        loss
      </text>
      <path class="descend-curve" d={CURVE} />
      <path class="descend-way" d={line} />
      {near.map((place, k) => (
        <circle key={k} class="descend-dot" {...place} r={3} />
      ))}
      {before && <Arrow from={before} to={ball} />}
      <circle class="descend-ball" {...(near.includes(ball) ? ball : { cx: -WIDTH, cy: 0 })} r={7} />
    </svg>
  );
}

/** The last step, up to the ball's edge; nothing if it is too short for an arrow. */
function Arrow({ from, to }: { readonly from: Place; readonly to: Place }) {
  const [dx, dy] = [to.cx - from.cx, to.cy - from.cy];
  const length = Math.hypot(dx, dy);
  if (!(length > 20 && length < 4 * WIDTH)) return null;
  const part = (length - 9) / length;
  return (
    <path
      class="descend-step"
      d={`M${from.cx.toFixed(1)} ${from.cy.toFixed(1)}l${(dx * part).toFixed(1)} ${(dy * part).toFixed(1)}`}
      marker-end="url(#descend-head)"
    />
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
