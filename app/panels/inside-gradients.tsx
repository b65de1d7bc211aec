// The current gradient of the loss: by pixel of the first layer, and by parameter.
import { useSignal } from '@preact/signals';
import type { Inside } from '../protocol.ts';
import { NumberField } from '../ui/kit.tsx';
import { HeatPicture } from '../ui/picture.tsx';
import { largest } from './inside-weights.tsx';

const [PIXELS, SIDE] = [784, 28];

export function Gradients({ inside }: { readonly inside: Inside }) {
  const unit = useSignal(0);
  const { pixelGradients, weightGradients, gradients, step } = inside;
  const units = weightGradients.shape[0]!;
  const at = Math.min(unit.value, units - 1);
  const own = weightGradients.data.subarray(at * PIXELS, (at + 1) * PIXELS);
  const most = Math.max(...gradients.map(({ mean }) => mean), Number.MIN_VALUE);
  return (
    <>
      <p>
        After step {step}, over 256 training pictures. The bluer a pixel, the more its weights change the loss. An empty
        pixel counts as well: its input is −0.42, so that pixels are 0 on average.
      </p>
      <ul class="inside-maps inside-maps-large">
        <li>
          <HeatPicture
            label="Size of the gradient by pixel, all units together"
            values={pixelGradients}
            width={SIDE}
            height={SIDE}
            scale={largest(pixelGradients)}
            palette="sequential"
          />
          <span>all units, up to {largest(pixelGradients).toPrecision(2)}</span>
        </li>
        <li>
          <HeatPicture
            label={`Size of the gradient by pixel, unit ${at}`}
            values={own}
            width={SIDE}
            height={SIDE}
            scale={largest(own)}
            palette="sequential"
          />
          <span>
            unit {at}, up to {largest(own).toPrecision(2)}
          </span>
        </li>
      </ul>
      <NumberField
        label="Unit"
        value={at}
        min={0}
        max={units - 1}
        step={1}
        onChange={(value) => {
          unit.value = value;
        }}
        hint="The unit of the first layer shown in the second picture."
      />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="inside-scroll" tabIndex={0} aria-label="Gradients by parameter">
        <table class="inside-table">
          <caption>Size of the gradient by parameter</caption>
          <thead>
            <tr>
              <th scope="col">parameter</th>
              <th scope="col">mean</th>
              <th scope="col">largest</th>
              <th scope="col">mean, of the greatest mean</th>
            </tr>
          </thead>
          <tbody>
            {gradients.map(({ path, mean, max }) => (
              <tr key={path}>
                <th scope="row">{path}</th>
                <td>{mean.toExponential(2)}</td>
                <td>{max.toExponential(2)}</td>
                <td>
                  <progress value={mean} max={most} aria-label={`${path}: ${((100 * mean) / most).toFixed(0)} %`} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
}
