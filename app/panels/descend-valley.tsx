// The second lesson: a valley with two minima, and three optimizers that start at the same point.
import { signal, useComputed, useSignalEffect } from '@preact/signals';
import * as store from '../page/store.ts';
import type { Descent, DescentOptimizer, Values } from '../protocol.ts';
import { contour, levelsOf, pathOf } from '../teach/contours.ts';
import { newest } from '../teach/newest.ts';
import { LogSlider, NumberField } from '../ui/kit.tsx';

const [REACH, GRID, SIDE, STEPS, LEVELS] = [3, 41, 420, 150, 14];

interface Kind {
  readonly optimizer: DescentOptimizer;
  readonly name: string;
  readonly look: string;
}

/** Distinguished by colour, by dash and by the mark at the end. */
const KINDS: readonly Kind[] = [
  { optimizer: 'sgd', name: 'Gradient descent', look: 'descend-sgd' },
  { optimizer: 'momentum', name: 'Momentum', look: 'descend-momentum' },
  { optimizer: 'adam', name: 'Adam', look: 'descend-adam' },
];

const start = signal<readonly [number, number]>([-2.4, 2]);
const lr = signal(0.1);
const grid = signal<Values | undefined>(undefined);
const ways = signal<readonly Descent[]>([]);

const x = (v: number) => ((v + REACH) / (2 * REACH)) * SIDE;
const y = (v: number) => SIDE - x(v);
const cell = (k: number) => -REACH + (2 * REACH * k) / (GRID - 1);

interface Wanted {
  readonly from: readonly [number, number];
  readonly rate: number;
}

const go = newest(async ({ from, rate }: Wanted) => {
  const engine = store.theEngine();
  grid.value ??= await store.attempt(() => engine.call('valley', { n: GRID, from: -REACH, to: REACH }));
  const found = await store.attempt(() =>
    Promise.all(
      KINDS.map(({ optimizer }) =>
        engine.call('descend', { on: 'valley', optimizer, lr: rate, steps: STEPS, start: from }),
      ),
    ),
  );
  if (found) ways.value = found;
});

export function ValleyLesson() {
  useSignalEffect(() => {
    if (store.ready.value) go({ from: start.value, rate: lr.value });
  });
  const set = (axis: 0 | 1) => (value: number) => {
    const [a, b] = start.value;
    start.value = axis === 0 ? [value, b] : [a, value];
  };
  return (
    <section class="descend-lesson" aria-labelledby="descend-valley">
      <h3 id="descend-valley">Two weights</h3>
      <p>
        A valley with two minima. The upper left one is only a local minimum: from some starts, plain descent stays in
        it.
      </p>
      <Terrain />
      <LogSlider
        label="Learning rate"
        value={lr.value}
        min={0.003}
        max={3}
        onInput={(value) => {
          lr.value = value;
        }}
        hint="The same rate for all three. Adam’s steps are about as long as the rate, however steep it is."
      />
      <div class="descend-start">
        <NumberField
          label="Start, across"
          value={start.value[0]}
          min={-REACH}
          max={REACH}
          step={0.1}
          onChange={set(0)}
          hint="Or click in the picture."
        />
        <NumberField
          label="Start, up"
          value={start.value[1]}
          min={-REACH}
          max={REACH}
          step={0.1}
          onChange={set(1)}
          hint="From −3 to 3."
        />
      </div>
      <Ends />
    </section>
  );
}

function Terrain() {
  const lines = useComputed(() => {
    const heights = grid.value;
    if (!heights) return [];
    const field = { values: heights.data, n: GRID };
    return levelsOf(field, LEVELS).map((level) =>
      pathOf(
        contour(field, level),
        (c) => x(cell(c)),
        (r) => y(cell(r)),
      ),
    );
  });
  const click = (event: MouseEvent) => {
    const { left, top, width, height } = (event.currentTarget as Element).getBoundingClientRect();
    const across = (2 * (event.clientX - left)) / width - 1;
    const up = 1 - (2 * (event.clientY - top)) / height;
    start.value = [Number((REACH * across).toFixed(2)), Number((REACH * up).toFixed(2))];
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the number fields below do the same by keyboard
    <svg
      class="descend-picture descend-map"
      viewBox={`0 0 ${SIDE} ${SIDE}`}
      role="img"
      onClick={click}
      aria-label="The valley as lines of equal loss, and three paths down from the same start; the table below says where each ends."
    >
      {lines.value.map((d, k) => (
        <path key={k} class="descend-level" d={d} style={{ opacity: 0.35 + (0.6 * (LEVELS - k)) / LEVELS }} />
      ))}
      {ways.value.map((way, k) => (
        <Way key={way.optimizer} way={way} look={KINDS[k]!.look} />
      ))}
      <circle class="descend-ball" cx={x(start.value[0])} cy={y(start.value[1])} r={7} />
    </svg>
  );
}

function Way({ way, look }: { readonly way: Descent; readonly look: string }) {
  const { data } = way.positions;
  const points = Array.from({ length: data.length / 2 }, (_, k) => [data[2 * k]!, data[2 * k + 1]!] as const).filter(
    ([a, b]) => Math.abs(a) < 4 * REACH && Math.abs(b) < 4 * REACH,
  );
  const d = points.map(([a, b], k) => `${k === 0 ? 'M' : 'L'}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join('');
  const [endX, endY] = points.at(-1) ?? [0, 0];
  const [cx, cy] = [x(endX), y(endY)];
  const mark = {
    'descend-sgd': `M${cx - 5} ${cy - 5}h10v10h-10z`,
    'descend-momentum': `M${cx} ${cy - 7}l7 12h-14z`,
    'descend-adam': `M${cx} ${cy - 7}l7 7l-7 7l-7 -7z`,
  }[look];
  return (
    <g class={look}>
      <path class="descend-path" d={d} />
      <path class="descend-end" d={mark} />
    </g>
  );
}

function Ends() {
  return (
    <table class="descend-ends">
      <caption>After {STEPS} steps</caption>
      <thead>
        <tr>
          <th scope="col">optimizer</th>
          <th scope="col">ends at</th>
          <th scope="col">loss</th>
        </tr>
      </thead>
      <tbody>
        {KINDS.map(({ optimizer, name, look }) => {
          const way = ways.value.find((found) => found.optimizer === optimizer);
          const [a = Number.NaN, b = Number.NaN] = way ? way.positions.data.slice(-2) : [];
          const gone = way?.divergedAt !== undefined;
          return (
            <tr key={optimizer}>
              <th scope="row">
                <svg class={`descend-key ${look}`} viewBox="0 0 40 10" aria-hidden="true">
                  <path class="descend-path" d="M0 5H40" />
                </svg>
                {name}
              </th>
              <td>{way ? (gone ? `left at step ${way.divergedAt}` : `${a.toFixed(2)}, ${b.toFixed(2)}`) : '–'}</td>
              <td>{way && !gone ? way.losses.at(-1)!.toFixed(3) : '–'}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
