// The race: the same network, weights and batches on the CPU and on the GPU. Two bars, and two loss curves that must coincide.
import { signal, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { LineChart } from '../charts/line-chart.tsx';
import * as store from '../page/store.ts';
import type { RaceLane, RaceResult } from '../protocol.ts';
import { count } from '../ui/format.ts';
import { Bars, Button, Note, NumberField, Panel } from '../ui/kit.tsx';
import '../styles/race.css';

const cpu = signal<RaceLane | undefined>(undefined);
const gpu = signal<RaceLane | undefined>(undefined);
const result = signal<RaceResult | undefined>(undefined);
const version = signal(0);
/** The message shown instead of a result. */
const said = signal('');
const running = signal(false);

function forget(): void {
  cpu.value = undefined;
  gpu.value = undefined;
  result.value = undefined;
  said.value = '';
  version.value = version.peek() + 1; // `peek`, since an effect that calls this must not depend on it.
}

async function run(steps: number): Promise<void> {
  forget();
  running.value = true;
  said.value = 'Racing; training waits meanwhile.';
  result.value = await store.occupy('the race', (engine) => engine.call('race', { steps }));
  said.value = result.value ? '' : `Ended after ${gpu.value?.steps ?? 0} of ${steps} steps.`;
  running.value = false;
}

function cancel(): void {
  said.value = 'Cancelling.';
  void store.cancel();
}

function listen(): () => void {
  return store.theEngine().on((event) => {
    if (event.type !== 'race') return;
    cpu.value = event.cpu;
    gpu.value = event.gpu;
    version.value++;
  });
}

export function RacePanel() {
  const steps = useSignal(100);
  const ready = store.ready.value;
  useEffect(() => (ready ? listen() : undefined), [ready]);
  useSignalEffect(() => {
    // A new network needs a new race.
    if (store.network.value) forget();
  });
  const device = store.device.value;
  return (
    <Panel
      id="race"
      title="Race"
      lead="CPU against GPU on the same weights, batches and seed: which is faster, and do they compute the same?"
    >
      {device?.kind === 'cpu' && (
        <Note level="info">
          There is no GPU to race against: this page computes on the CPU. {device.notes.join(' ')}
        </Note>
      )}
      <div class="race-controls">
        <NumberField
          label="Steps"
          value={steps.value}
          min={2}
          max={10000}
          step={1}
          onChange={(value) => {
            steps.value = value;
          }}
          hint="Each side makes this many steps, half a second at a time; its first step, which compiles, is not timed."
        />
        <Button
          primary
          testid="race-run"
          disabled={!ready || store.occupied.value !== undefined || device?.kind !== 'gpu'}
          onClick={() => void run(steps.value)}
        >
          Race
        </Button>
        <Button disabled={!running.value} onClick={cancel}>
          Cancel
        </Button>
      </div>
      <Lanes />
      <Losses />
      <Result />
    </Panel>
  );
}

function Lanes() {
  const lanes = [
    { kind: 'CPU', lane: cpu.value },
    { kind: 'GPU', lane: gpu.value },
  ];
  const most = Math.max(1, ...lanes.map(({ lane }) => lane?.imagesPerSecond ?? 0));
  const items = lanes.map(({ kind, lane }) => ({
    label: kind,
    value: (lane?.imagesPerSecond ?? 0) / most,
    text: lane ? `${count(Math.round(lane.imagesPerSecond))} images/s` : '–',
    strong: kind === 'GPU',
  }));
  return (
    <div class="race-lanes">
      <Bars items={items} label="Images per second" />
      <p class="race-names">
        {gpu.value ? `GPU: ${gpu.value.name}. CPU: WebAssembly on one thread.` : 'No race has been run yet.'}
      </p>
    </div>
  );
}

function Losses() {
  const [a, b] = [cpu.value, gpu.value];
  const n = Math.max(a?.losses.length ?? 0, b?.losses.length ?? 0);
  const at = (lane: RaceLane | undefined) => Array.from({ length: n }, (_, k) => lane?.losses[k] ?? null);
  return (
    <LineChart
      label="Loss of both sides, step by step"
      summary={
        n > 0
          ? `CPU after ${a?.steps ?? 0} steps, GPU after ${b?.steps ?? 0} steps; the lines should coincide.`
          : 'No race has been run yet.'
      }
      height={180}
      series={[
        { name: 'CPU', color: 'race-cpu', width: 5 },
        { name: 'GPU', color: 'orange', width: 2, dash: [6, 4] },
      ]}
      data={() => [Array.from({ length: n }, (_, k) => k + 1), at(a), at(b)]}
      version={version.value}
      xLabel="step"
      yLabel="loss"
      table={() => tableOf(a, b, n)}
    />
  );
}

/** A table of about twenty evenly spaced steps. */
function tableOf(a: RaceLane | undefined, b: RaceLane | undefined, n: number): { head: string[]; rows: string[][] } {
  const some = Array.from({ length: n }, (_, k) => k).filter((k) => k % Math.ceil(n / 20) === 0 || k === n - 1);
  const text = (lane: RaceLane | undefined, k: number) => lane?.losses[k]?.toPrecision(7) ?? '–';
  return { head: ['step', 'CPU', 'GPU'], rows: some.map((k) => [String(k + 1), text(a, k), text(b, k)]) };
}

function Result() {
  const found = result.value;
  return (
    <p class="race-result" data-testid="race-result" role="status">
      {found ? sentenceOf(found) : said.value}
    </p>
  );
}

function sentenceOf({ cpu: a, gpu: b, speedup, batch, ...apart }: RaceResult): string {
  const speed = (lane: RaceLane) => `${count(Math.round(lane.imagesPerSecond))} images/s`;
  const ratio =
    speedup >= 1 ? `${speedup.toFixed(2)} times as fast as` : `${(1 / speedup).toFixed(2)} times slower than`;
  const software = b.software
    ? ' This is a software adapter: it computes on the CPU, so this is not a GPU’s speed.'
    : '';
  const same = `Their losses differ by ${apart.lossDifference.toExponential(1)} at most, their gradients by ${apart.gradientDifference.toExponential(1)} (${apart.gradientPath}), relative.`;
  return `GPU (${b.name}) ${speed(b)}, ${ratio} the CPU with ${speed(a)}, at batches of ${batch}. ${same}${software}`;
}
