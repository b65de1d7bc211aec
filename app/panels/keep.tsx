// Saving and restoring: weights, checkpoints and metrics as files, loading files, the URL with the settings, and the session that the
// worker saves automatically.
import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import * as store from '../page/store.ts';
import type { SavedSession } from '../protocol.ts';
import { count, percent } from '../ui/format.ts';
import { Button, Note, Panel } from '../ui/kit.tsx';
import { copied, csvOf, download } from './keep-files.ts';
import '../styles/keep.css';

/** The earlier session, until it is resumed or forgotten. */
const left = signal<SavedSession | undefined>(undefined);

/** Looks for an earlier session to resume. */
export async function lookForSession(): Promise<void> {
  left.value = await store.attempt(() => store.theEngine().call('savedSession', {}), 'storage');
}

async function resume(): Promise<void> {
  if (await store.resumeSession()) left.value = undefined;
}

async function forget(which: 'earlier' | 'stored'): Promise<void> {
  await store.attempt(async () => {
    await store.theEngine().call('forgetSession', { which });
    if (which === 'earlier') left.value = undefined;
    else store.savedAt.value = undefined;
  }, 'storage');
}

/** The offer to resume the last session. */
export function ResumeOffer() {
  const session = left.value;
  if (!session) return null;
  const { config, step, testAccuracy, savedAt } = session;
  const accuracy = testAccuracy === undefined ? '' : `, ${percent(testAccuracy)} of the test digits right`;
  return (
    <Note level="info">
      <div class="note-offer">
        <p>
          Your last session ({new Date(savedAt).toLocaleString()}) is still here: {config.preset}, step {count(step)}
          {accuracy}.
        </p>
        <Button onClick={() => void resume()}>Resume last session</Button>
        <Button onClick={() => void forget('earlier')}>Forget it</Button>
      </div>
    </Note>
  );
}

async function saveFile(call: 'saveWeights' | 'saveCheckpoint'): Promise<void> {
  const file = await store.attempt(() => store.theEngine().call(call, {}));
  if (file) download(file.name, file.bytes, 'application/octet-stream');
}

async function saveMetrics(): Promise<void> {
  const metrics = await store.attempt(() => store.theEngine().call('metrics', {}));
  if (!metrics) return;
  const { preset, seed } = store.config.value;
  download(`thalweg-${preset}-seed-${seed}.csv`, csvOf(metrics.curve, metrics.tests), 'text/csv');
}

export function KeepPanel() {
  const off = !store.ready.value;
  return (
    <Panel id="keep" title="Keep" lead="Take the run with you, bring one back, or share its settings.">
      <div class="keep">
        <div>
          <h3>Take</h3>
          <div class="row">
            <Button onClick={() => void saveFile('saveWeights')} disabled={off}>
              Save weights
            </Button>
            <Button onClick={() => void saveFile('saveCheckpoint')} disabled={off}>
              Save checkpoint
            </Button>
            <Button onClick={() => void saveMetrics()} disabled={off}>
              Save metrics as CSV
            </Button>
          </div>
          <p class="field-note">
            Weights are a safetensors file that other programs read; a checkpoint also holds the optimizer and the
            position in the data, so that a run resumes bit for bit; metrics are the loss and the accuracy of each step,
            or of some steps beyond 40,000.
          </p>
          <Link />
        </div>
        <div>
          <h3>Bring back</h3>
          <DropZone />
          <Session />
        </div>
      </div>
    </Panel>
  );
}

function Link() {
  const [said, setSaid] = useState('');
  store.config.value;
  const copy = async () => setSaid(await copied(location.href));
  return (
    <>
      <h3>Share</h3>
      <div class="row">
        <Button onClick={() => void copy()}>Copy link</Button>
        <span role="status">{said}</span>
      </div>
      <p class="field-note">The URL of this page holds every setting; on the same device it gives the same run.</p>
    </>
  );
}

/** Loads the first of the chosen or dropped files. */
async function take(files: FileList | null | undefined): Promise<void> {
  const file = files?.[0];
  if (!file) return;
  if (await store.loadFile(file)) {
    store.notify({
      code: 'info',
      level: 'info',
      text: `${file.name} was read; the network is now the one in the file.`,
    });
  }
}

function DropZone() {
  const [over, setOver] = useState(false);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is a second way; the file input inside is the first.
    <div
      class={over ? 'keep-drop keep-drop-over' : 'keep-drop'}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void take(event.dataTransfer?.files);
      }}
    >
      <label for="keep-file">Drop a file of weights or a checkpoint here, or choose one</label>
      <input
        id="keep-file"
        type="file"
        accept=".safetensors"
        data-testid="file"
        disabled={!store.ready.value}
        onChange={(event) => {
          const input = event.currentTarget;
          void take(input.files).finally(() => {
            input.value = '';
          });
        }}
      />
      <p class="field-note">Files from the command line work too. Foreign files are refused, and nothing is lost.</p>
    </div>
  );
}

function Session() {
  const at = store.savedAt.value;
  return (
    <>
      <h3>By itself</h3>
      <p class="keep-session">
        {at === undefined
          ? 'While it trains, the run is saved in this browser every few seconds, so that it can be resumed after a reload.'
          : `Saved in this browser at ${new Date(at).toLocaleTimeString()}; after a reload it can be resumed.`}
      </p>
      {at !== undefined && <Button onClick={() => void forget('stored')}>Forget this session</Button>}
      <ResumeOffer />
    </>
  );
}
