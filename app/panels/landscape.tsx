// The network's own landscape: its loss on a plane through its weights, evaluated where it trains, with the way it came.
import { signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { drawHeatMap } from '../charts/heat-map.ts';
import { onSchemeChange } from '../charts/palette.ts';
import * as store from '../page/store.ts';
import type { Landscape } from '../protocol.ts';
import { contour, levelsOf, pathOf } from '../teach/contours.ts';
import { count, duration, lossText } from '../ui/format.ts';
import { Button, Details, NumberField, Panel, SelectField } from '../ui/kit.tsx';
import '../styles/landscape.css';

const [SIDE, LEVELS] = [420, 12];
const GRIDS = ['9', '17', '25'] as const;
const IMAGES = ['200', '1000', '5000'] as const;

const found = signal<Landscape | undefined>(undefined);
const busy = signal(false);

async function look(n: number, extent: number, images: number): Promise<void> {
  busy.value = true;
  store.occupied.value = 'the landscape';
  const landscape = await store.attempt(() => store.theEngine().call('landscape', { n, extent, images }));
  store.occupied.value = undefined;
  busy.value = false;
  if (landscape) found.value = landscape;
}

export function LandscapePanel() {
  const grid = useSignal<(typeof GRIDS)[number]>('17');
  const images = useSignal<(typeof IMAGES)[number]>('1000');
  const extent = useSignal(1);
  const steps = store.run.value?.step ?? 0;
  return (
    <Panel
      id="landscape"
      title="The network’s own landscape"
      lead="Its loss around its weights, in two random directions of the thousands there are: a slice, not the whole."
    >
      <div class="landscape-controls">
        <SelectField
          label="Grid"
          value={grid.value}
          options={GRIDS.map((value) => ({ value, label: `${value} × ${value}` }))}
          onChange={(value) => {
            grid.value = value;
          }}
          hint="Each point is the loss of a network of its own."
        />
        <SelectField
          label="Test images"
          value={images.value}
          options={IMAGES.map((value) => ({ value, label: count(Number(value)) }))}
          onChange={(value) => {
            images.value = value;
          }}
          hint="More make it truer and slower."
        />
        <NumberField
          label="Reach"
          value={extent.value}
          min={0.01}
          max={10}
          step={0.1}
          onChange={(value) => {
            extent.value = value;
          }}
          hint="1 moves each unit’s weights by as much as they are long."
        />
        <Button
          primary
          disabled={!store.ready.value || busy.value || steps === 0}
          onClick={() => void look(Number(grid.value), extent.value, Number(images.value))}
        >
          Survey it
        </Button>
      </div>
      <p class="landscape-says" role="status">
        {saysOf(steps)}
      </p>
      {found.value && <Picture landscape={found.value} />}
    </Panel>
  );
}

function saysOf(steps: number): string {
  if (busy.value) return 'Surveying; training waits meanwhile.';
  if (!found.value) return steps === 0 ? 'Train first: there is no way to show yet.' : '';
  const { images, milliseconds, name, step, losses } = found.value;
  const n = losses.shape[0]!;
  return `Around the weights of step ${step}: ${n * n} losses over ${count(images)} test images each, in ${duration(milliseconds)} on ${name}.`;
}

function Picture({ landscape }: { readonly landscape: Landscape }) {
  const { losses, alphas, path, pathSteps } = landscape;
  const n = losses.shape[0]!;
  const canvas = useRef<HTMLCanvasElement>(null);
  const finite = Array.from(losses.data).filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const paint = () => {
    if (!canvas.current) return;
    // The first row of the grid has the smallest beta, and pictures begin at the top.
    const values = Float32Array.from(
      { length: n * n },
      (_, i) => losses.data[(n - 1 - Math.floor(i / n)) * n + (i % n)]! - low,
    );
    drawHeatMap(canvas.current, { values, width: n, height: n, scale: high - low, palette: 'sequential' });
  };
  useEffect(() => {
    paint();
    return onSchemeChange(paint);
  }, [landscape]);
  const extent = alphas.at(-1)!;
  const x = (alpha: number) => SIDE * (0.5 + ((n - 1) / n) * (alpha / (2 * extent)));
  const y = (beta: number) => SIDE - x(beta);
  const cell = (k: number) => extent * ((2 * k) / (n - 1) - 1);
  const field = { values: losses.data, n };
  const way = pathSteps.map((_, k) => [path.data[2 * k]!, path.data[2 * k + 1]!] as const);
  const line = way.map(([a, b], k) => `${k === 0 ? 'M' : 'L'}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join('');
  return (
    <div class="landscape-picture">
      <div class="landscape-map">
        <canvas ref={canvas} />
        <svg
          viewBox={`0 0 ${SIDE} ${SIDE}`}
          role="img"
          aria-label="Lines of equal loss, and the way that the weights came, seen from this plane"
        >
          {levelsOf(field, LEVELS).map((level, k) => (
            <path
              key={k}
              class="landscape-level"
              d={pathOf(
                contour(field, level),
                (c) => x(cell(c)),
                (r) => y(cell(r)),
              )}
            />
          ))}
          <path class="landscape-way" d={line} />
          {way.map(([a, b], k) => (
            <circle key={k} class="landscape-dot" cx={x(a)} cy={y(b)} r={2.5} />
          ))}
          <circle class="landscape-here" cx={x(0)} cy={y(0)} r={7} />
        </svg>
      </div>
      <div>
        <p>
          Lowest loss {lossText(low)}, highest {lossText(high)}; darker is higher. The large dot is where the weights
          are, the line is the way from step {pathSteps[0]}, projected on this plane: the run moved in thousands of
          directions, of which two are seen.
        </p>
        <Table landscape={landscape} />
      </div>
    </div>
  );
}

function Table({ landscape: { losses, alphas, betas } }: { readonly landscape: Landscape }) {
  const n = alphas.length;
  const some = Array.from({ length: n }, (_, k) => k).filter((k) => k % Math.max(1, (n - 1) >> 3) === 0);
  return (
    <Details summary="The losses as numbers">
      <div class="landscape-table">
        <table>
          <caption>Rows go along the second direction, columns along the first</caption>
          <thead>
            <tr>
              <td />
              {some.map((c) => (
                <th key={c} scope="col">
                  {alphas[c]!.toFixed(2)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {some.map((r) => (
              <tr key={r}>
                <th scope="row">{betas[r]!.toFixed(2)}</th>
                {some.map((c) => (
                  <td key={c}>{lossText(losses.data[r * n + c]!)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Details>
  );
}
