// The first layer's weights, a picture of 28 x 28 for each unit: positive weights blue, negative ones orange.
import { useSignal } from '@preact/signals';
import type { Inside } from '../protocol.ts';
import { SelectField } from '../ui/kit.tsx';
import { HeatPicture } from '../ui/picture.tsx';

const [PIXELS, SIDE, PAGE] = [784, 28, 16];

/** The largest magnitude. */
export function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** The scale from minus to plus, with the values at its ends. */
export function DivergingScale({ scale }: { readonly scale: number }) {
  return (
    <p class="inside-scale">
      <span>−{scale.toPrecision(2)}</span>
      <span class="inside-scale-bar" aria-hidden="true" />
      <span>+{scale.toPrecision(2)}</span>
    </p>
  );
}

export function Weights({ inside: { weights, step } }: { readonly inside: Inside }) {
  const page = useSignal('0');
  const units = weights.shape[0]!;
  const pages = Math.ceil(units / PAGE);
  const first = Math.min(Number(page.value), pages - 1) * PAGE;
  const shown = Array.from({ length: Math.min(PAGE, units - first) }, (_, k) => first + k);
  const scale = largest(weights.data);
  return (
    <>
      <p>
        After step {step}. A unit adds up the picture’s pixels times these weights: blue weights count for it, orange
        ones against. All on one scale:
      </p>
      <DivergingScale scale={scale} />
      {pages > 1 && (
        <SelectField
          label="Units"
          value={page.value}
          options={Array.from({ length: pages }, (_, k) => ({
            value: String(k),
            label: `${k * PAGE} to ${Math.min(units, (k + 1) * PAGE) - 1}`,
          }))}
          onChange={(value) => {
            page.value = value;
          }}
          hint="Sixteen at a time."
        />
      )}
      <ul class="inside-maps">
        {shown.map((unit) => {
          const values = weights.data.subarray(unit * PIXELS, (unit + 1) * PIXELS);
          return (
            <li key={unit}>
              <HeatPicture
                label={`Weights of unit ${unit}, the largest ${largest(values).toPrecision(2)}`}
                values={values}
                width={SIDE}
                height={SIDE}
                scale={scale}
                palette="diverging"
              />
              <span>unit {unit}</span>
            </li>
          );
        })}
      </ul>
    </>
  );
}
