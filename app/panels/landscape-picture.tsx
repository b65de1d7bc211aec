// A landscape as a map: colours and contour lines of the loss, the path of the weights, and the same as numbers.
import { useEffect, useRef } from 'preact/hooks';
import { drawHeatMap } from '../charts/heat-map.ts';
import { onSchemeChange } from '../charts/palette.ts';
import type { Landscape } from '../protocol.ts';
import { contour, levelsOf, pathOf } from '../teach/contours.ts';
import { lossText } from '../ui/format.ts';
import { Details } from '../ui/kit.tsx';

const [SIDE, LEVELS, LENS] = [420, 12, 200];
/** A path smaller than this fraction of the map is also shown magnified. */
const SPECK = 0.1;

type Place = readonly [alpha: number, beta: number];

export function LandscapePicture({ landscape }: { readonly landscape: Landscape }) {
  const { losses, alphas, path, pathSteps } = landscape;
  const n = alphas.length;
  const finite = losses.data.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const extent = alphas.at(-1)!;
  const x = (alpha: number) => SIDE * (0.5 + ((n - 1) / n) * (alpha / (2 * extent)));
  const y = (beta: number) => SIDE - x(beta);
  const cell = (k: number) => extent * ((2 * k) / (n - 1) - 1);
  const field = { values: losses.data, n };
  const way = pathSteps.map((_, k): Place => [path.data[2 * k]!, path.data[2 * k + 1]!]);
  const reach = Math.max(...way.flat().map(Math.abs));
  return (
    <div class="landscape-picture">
      <div class="landscape-map">
        <Colours landscape={landscape} low={low} high={high} />
        <svg
          viewBox={`0 0 ${SIDE} ${SIDE}`}
          role="img"
          aria-label="Lines of equal loss, and the path of the weights, projected on this plane"
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
          <Way way={way} x={x} y={y} />
        </svg>
      </div>
      <div>
        <p>
          Lowest loss {lossText(low)}, highest {lossText(high)}; the bluer, the higher. Both directions go from −
          {extent} to {extent}. The large dot is where the weights are, the line is their way from the ring at step{' '}
          {pathSteps[0]}, projected on this plane: the run moved in thousands of directions, of which two are seen.
        </p>
        {reach > 0 && reach < SPECK * extent && (
          <Lens way={way} width={(2 * extent * n) / (n - 1)} from={pathSteps[0]!} />
        )}
        <Losses landscape={landscape} />
      </div>
    </div>
  );
}

interface ColoursProps {
  readonly landscape: Landscape;
  readonly low: number;
  readonly high: number;
}

function Colours({ landscape, low, high }: ColoursProps) {
  const { losses, alphas } = landscape;
  const n = alphas.length;
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const paint = () => {
      if (!canvas.current) return;
      // The first row of the grid has the smallest beta, but pictures begin at the top.
      const values = Float32Array.from(
        { length: n * n },
        (_, i) => losses.data[(n - 1 - Math.floor(i / n)) * n + (i % n)]! - low,
      );
      drawHeatMap(canvas.current, { values, width: n, height: n, scale: high - low, palette: 'sequential' });
    };
    paint();
    return onSchemeChange(paint);
  }, [landscape]);
  return <canvas ref={canvas} />;
}

interface WayProps {
  readonly way: readonly Place[];
  readonly x: (alpha: number) => number;
  readonly y: (beta: number) => number;
}

function Way({ way, x, y }: WayProps) {
  const line = way.map(([a, b], k) => `${k === 0 ? 'M' : 'L'}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join('');
  return (
    <>
      <path class="landscape-way" d={line} />
      {way.map(([a, b], k) => (
        <circle
          key={k}
          class={k === 0 ? 'landscape-start' : 'landscape-dot'}
          cx={x(a)}
          cy={y(b)}
          r={k === 0 ? 6 : 2.5}
        />
      ))}
      <circle class="landscape-here" cx={x(0)} cy={y(0)} r={7} />
    </>
  );
}

interface LensProps {
  readonly way: readonly Place[];
  /** The width of the map. */
  readonly width: number;
  readonly from: number;
}

/** The path alone, as large as possible. */
function Lens({ way, width, from }: LensProps) {
  const [left, right] = reachOf(way.map(([a]) => a));
  const [bottom, top] = reachOf(way.map(([, b]) => b));
  const across = 1.25 * Math.max(right - left, top - bottom);
  const x = (alpha: number) => LENS * (0.5 + (alpha - (left + right) / 2) / across);
  const y = (beta: number) => LENS * (0.5 - (beta - (bottom + top) / 2) / across);
  return (
    <figure class="landscape-lens">
      <svg viewBox={`0 0 ${LENS} ${LENS}`} role="img" aria-label={`The way from step ${from}, magnified`}>
        <Way way={way} x={x} y={y} />
      </svg>
      <figcaption>
        On the map the way is a speck, for two random directions see little of any way; survey along the way to see it
        whole. Here it is magnified, from the ring at step {from} to the dot: the map is about{' '}
        {Number((width / across).toPrecision(1))} times as wide as this square.
      </figcaption>
    </figure>
  );
}

function reachOf(values: readonly number[]): [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

function Losses({ landscape: { losses, alphas, betas } }: { readonly landscape: Landscape }) {
  const n = alphas.length;
  const some = Array.from({ length: n }, (_, k) => k).filter((k) => k % Math.max(1, (n - 1) >> 3) === 0);
  return (
    <Details summary="The losses as numbers">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reached by keyboard. */}
      <section class="landscape-table" tabIndex={0} aria-label="The losses as numbers">
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
      </section>
    </Details>
  );
}
