// The network's own landscape: its loss on a plane through its weights, evaluated on the training device, with the run's path.
import { signal, useSignal, useSignalEffect } from '@preact/signals';
import * as store from '../page/store.ts';
import type { Landscape, Params } from '../protocol.ts';
import { count, duration } from '../ui/format.ts';
import { Button, NumberField, Panel, SelectField } from '../ui/kit.tsx';
import { LandscapePicture } from './landscape-picture.tsx';
import '../styles/landscape.css';

const GRIDS = ['9', '17', '25'] as const;
const IMAGES = ['200', '1000', '5000'] as const;

const found = signal<Landscape | undefined>(undefined);
const busy = signal(false);

async function look(params: Params<'landscape'>): Promise<void> {
  busy.value = true;
  const landscape = await store.occupy('the landscape', (engine) => engine.call('landscape', params));
  busy.value = false;
  if (landscape) found.value = landscape;
}

function isFast(): boolean {
  const device = store.device.value;
  return device?.kind === 'gpu' && !device.software;
}

export function LandscapePanel() {
  const chosen = useSignal<(typeof GRIDS)[number] | undefined>(undefined);
  // A GPU takes a moment for the finer grid, a software adapter half a minute.
  const grid = chosen.value ?? (isFast() ? '25' : '17');
  const directions = useSignal<Landscape['directions']>('random');
  const images = useSignal<(typeof IMAGES)[number]>('1000');
  const extent = useSignal(1);
  const steps = store.run.value?.step ?? 0;
  useSignalEffect(() => {
    // A new network has a different landscape.
    if (store.network.value) found.value = undefined;
  });
  return (
    <Panel
      id="landscape"
      title="The network’s own landscape"
      lead="Its loss around its weights, in two of thousands of directions: a slice, not the whole."
    >
      <div class="landscape-controls">
        <SelectField
          label="Directions"
          value={directions.value}
          options={[
            { value: 'random', label: 'at random' },
            { value: 'path', label: 'along the way' },
          ]}
          onChange={(value) => {
            directions.value = value;
            extent.value = value === 'path' ? 1.25 : 1;
          }}
          hint="Any two, or those in which the run moved furthest."
        />
        <SelectField
          label="Grid"
          value={grid}
          options={GRIDS.map((value) => ({ value, label: `${value} × ${value}` }))}
          onChange={(value) => {
            chosen.value = value;
          }}
          hint="Each point is the loss of another network."
        />
        <SelectField
          label="Test images"
          value={images.value}
          options={IMAGES.map((value) => ({ value, label: count(Number(value)) }))}
          onChange={(value) => {
            images.value = value;
          }}
          hint="More are more accurate and slower."
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
          hint={
            directions.value === 'path'
              ? '1 is as far as the run has moved.'
              : '1 moves each unit’s weights by their own norm.'
          }
        />
        <div class="row landscape-buttons">
          <Button
            primary
            disabled={!store.ready.value || store.occupied.value !== undefined || steps === 0}
            onClick={() =>
              void look({
                n: Number(grid),
                directions: directions.value,
                extent: extent.value,
                images: Number(images.value),
              })
            }
          >
            Survey it
          </Button>
          <Button disabled={!busy.value} onClick={() => void store.cancel()}>
            Cancel
          </Button>
        </div>
      </div>
      <p class="landscape-says" role="status">
        {saysOf(steps)}
      </p>
      {found.value && <LandscapePicture landscape={found.value} />}
    </Panel>
  );
}

function saysOf(steps: number): string {
  if (busy.value) return 'Surveying; training waits meanwhile. A large grid can take a minute without a GPU.';
  if (!found.value) return steps === 0 ? 'Train first: there is no path to show yet.' : 'Not surveyed yet.';
  const { images, milliseconds, name, step, losses } = found.value;
  const n = losses.shape[0]!;
  return `Around the weights of step ${step}: ${n * n} losses over ${count(images)} test images each, in ${duration(milliseconds)} on ${name}.`;
}
