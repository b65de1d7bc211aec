// The page: its header, the navigation, and the panels in reading order.
import { useEffect } from 'preact/hooks';
import * as store from './page/store.ts';
import { DescendPanel } from './panels/descend.tsx';
import { DeviceNote, DevicePanel } from './panels/device.tsx';
import { DrawPanel } from './panels/draw.tsx';
import { InsidePanel } from './panels/inside.tsx';
import { KeepPanel, lookForSession, ResumeOffer } from './panels/keep.tsx';
import { LandscapePanel } from './panels/landscape.tsx';
import { Notices } from './panels/notices.tsx';
import { RacePanel } from './panels/race.tsx';
import { SettingsPanel } from './panels/settings.tsx';
import { StoryPanel } from './panels/story.tsx';
import { TrainPanel } from './panels/train.tsx';
import { Progress } from './ui/kit.tsx';

export function App() {
  useEffect(
    () =>
      store.ready.subscribe((ready) => {
        if (ready) void lookForSession();
      }),
    [],
  );
  useEffect(refuseStrayDrops, []);
  return (
    <div class="page">
      <Head />
      <Nav />
      <main>
        <ResumeOffer />
        <div class="columns">
          <TrainPanel />
          <DrawPanel />
        </div>
        <SettingsPanel />
        <InsidePanel />
        <DescendPanel />
        <LandscapePanel />
        <RacePanel />
        <StoryPanel />
        <KeepPanel />
        <DevicePanel />
      </main>
      <footer class="page-foot">
        <p>Everything runs in this page: no digit, weight or figure leaves your machine.</p>
      </footer>
      <Notices />
    </div>
  );
}

/** A file dropped outside the drop area must not navigate away from the page. */
function refuseStrayDrops(): () => void {
  const refuse = (event: Event) => event.preventDefault();
  addEventListener('dragover', refuse);
  addEventListener('drop', refuse);
  return () => {
    removeEventListener('dragover', refuse);
    removeEventListener('drop', refuse);
  };
}

function Head() {
  const device = store.device.value;
  const data = store.data.value;
  const loading = store.loading.value;
  return (
    <header class="page-head">
      <h1>Thalweg</h1>
      <p>Watch a neural network learn handwritten digits on your own GPU, look inside it, and check its arithmetic.</p>
      <div class="page-facts">
        {loading && <Progress label={loading.text} value={loading.done} max={loading.total} />}
        <p>
          {!loading && 'Computes on: '}
          <b data-testid="adapter">{device?.name ?? (loading ? '' : 'no device yet')}</b>
        </p>
        {!loading && <p>{data?.source ?? ''}</p>}
      </div>
      <DeviceNote />
    </header>
  );
}

const PLACES: readonly (readonly [id: string, name: string])[] = [
  ['train', 'Train'],
  ['draw', 'Draw'],
  ['settings', 'Settings'],
  ['inside', 'Look inside'],
  ['descend', 'Descend'],
  ['landscape', 'Landscape'],
  ['race', 'Race'],
  ['story', 'Story'],
  ['keep', 'Keep'],
  ['device', 'Device'],
];

/** Buttons, not links: the URL hash holds the settings. */
function Nav() {
  const go = (id: string) => {
    const heading = document.getElementById(`${id}-title`);
    heading?.scrollIntoView();
    heading?.focus({ preventScroll: true });
  };
  return (
    <nav class="page-nav" aria-label="Panels">
      <ul>
        {PLACES.map(([id, name]) => (
          <li key={id}>
            <button type="button" onClick={() => go(id)}>
              {name}
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}
