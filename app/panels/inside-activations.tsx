// The output of each layer for the drawn digit, one cell per unit.
import type { Inside, LayerInside } from '../protocol.ts';
import { percent } from '../ui/format.ts';
import { HeatPicture } from '../ui/picture.tsx';
import { DivergingScale, largest } from './inside-weights.tsx';

/** Cells in a row. */
const ROW = 16;

export function Activations({ inside, drawn }: { readonly inside: Inside; readonly drawn: boolean }) {
  if (!drawn || inside.layers.length === 0)
    return <p>Draw a digit first; its activations in each layer are then shown here.</p>;
  const hidden = inside.layers.slice(0, -1);
  const out = inside.layers.at(-1)!;
  const scale = Math.max(...hidden.map(({ activations }) => largest(activations)), 1e-9);
  return (
    <>
      <p>After step {inside.step}. Each cell is a unit; all hidden layers share one scale:</p>
      <DivergingScale scale={scale} />
      {hidden.map((layer) => (
        <Layer key={layer.name} layer={layer} scale={scale} />
      ))}
      <h3>Output</h3>
      <ol class="inside-outputs" start={0}>
        {Array.from(out.activations, (share, digit) => (
          <li key={digit}>
            <b>{digit}</b> {percent(share)}
          </li>
        ))}
      </ol>
    </>
  );
}

function Layer({ layer: { name, activations }, scale }: { readonly layer: LayerInside; readonly scale: number }) {
  const width = Math.min(ROW, activations.length);
  const height = Math.ceil(activations.length / width);
  const values = new Float32Array(width * height).fill(Number.NaN);
  values.set(activations);
  const strongest = activations.indexOf(Math.max(...activations));
  const text = `${activations.length} units, the strongest is ${strongest} with ${activations[strongest]!.toPrecision(3)}`;
  return (
    <>
      <h3>{name}</h3>
      <div class="inside-strip">
        <HeatPicture
          label={`${name}: ${text}`}
          values={values}
          width={width}
          height={height}
          scale={scale}
          palette="diverging"
        />
      </div>
      <p class="inside-note">{text}.</p>
    </>
  );
}
