// The page's state, as signals, and the user's actions. Panels read signals and call these functions; nothing else talks to the engine
// except panels that request data for their own pictures (`engine.call`).
import { batch, computed, signal } from '@preact/signals';
import { type Config, changesOf, differences, hashOf, PRESET_CONFIGS, parseHash } from '../config.ts';
import type {
  Curve,
  DataFacts,
  DeviceFacts,
  Engine,
  Loaded,
  Made,
  NetworkFacts,
  Notice,
  RunFacts,
  TestPoint,
  WorkerEvent,
} from '../protocol.ts';
import { thinOut } from '../thin-out.ts';

/** A growing curve; the signal `curveVersion` changes when it grows. */
export interface CurvePoints {
  readonly step: number[];
  readonly loss: number[];
  readonly accuracy: number[];
  readonly tests: TestPoint[];
}

/** An earlier run of this session, for the overlay. */
export interface RunRecord {
  readonly id: number;
  /** Its initial settings, and the learning rates set while it ran. */
  readonly config: Config;
  readonly rates: readonly RateChange[];
  readonly curve: CurvePoints;
  readonly shown: boolean;
  readonly testAccuracy?: number;
  readonly adapter: string;
}

/** A learning rate set by hand, for the steps after `step`. */
export interface RateChange {
  readonly step: number;
  readonly rate: number;
}

/** The engine, set by `connect`. */
let engine: Engine | undefined;
/** The engine. @throws Error before `connect`. */
export function theEngine(): Engine {
  if (!engine) throw new Error('internal: the page has no engine yet');
  return engine;
}

export const config = signal<Config>(PRESET_CONFIGS.classic);
export const device = signal<DeviceFacts | undefined>(undefined);
export const data = signal<DataFacts | undefined>(undefined);
export const network = signal<NetworkFacts | undefined>(undefined);
export const run = signal<RunFacts | undefined>(undefined);
export const loading = signal<{ text: string; done: number; total: number } | undefined>(undefined);
/** Progress of compiling kernels, if that takes seconds. */
export const compiling = signal<{ done: number; total: number } | undefined>(undefined);
/** The newest sentence of each kind, in the order of their arrival. */
export const notices = signal<readonly Notice[]>([]);
/** The current run's curve; read it after reading `curveVersion`. */
export let curve: CurvePoints = emptyCurve();
export const curveVersion = signal(0);
export const runs = signal<readonly RunRecord[]>([]);
/** The drawn digit, 784 numbers 0 to 255, normalised as MNIST is; undefined while nothing is drawn. */
export const drawing = signal<Float32Array | undefined>(undefined);
/** False until the engine and the data are available. */
export const ready = signal(false);
/** True if they are not available at all. */
export const stuck = signal(false);
/** The rates set by hand since the run began. */
export const rates = signal<readonly RateChange[]>([]);
/** The race, the range test or the landscape that has exclusive use of the device. */
export const occupied = signal<string | undefined>(undefined);
export const savedAt = signal<number | undefined>(undefined);

export const training = computed(() => run.value?.state === 'running' || run.value?.state === 'compiling');

let lastRunId = 0;
/** The settings that the run began with. */
let began: Config = config.value;

function emptyCurve(): CurvePoints {
  return { step: [], loss: [], accuracy: [], tests: [] };
}

/** Shows a notice, replacing an earlier one of the same code. */
export function notify(notice: Notice): void {
  notices.value = [...notices.value.filter(({ code }) => code !== notice.code), notice];
}

export function dismiss(code: Notice['code']): void {
  notices.value = notices.value.filter((notice) => notice.code !== code);
}

/** Runs something that may fail; its error becomes a notice, and the result is undefined. */
export async function attempt<T>(work: () => Promise<T>, code: Notice['code'] = 'failed'): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    notify({ code, level: 'error', text: error instanceof Error ? error.message : String(error) });
    return undefined;
  }
}

/** Runs `work` with exclusive use of the device. Resolves with undefined if that fails or is cancelled. */
export async function occupy<T>(what: string, work: (engine: Engine) => Promise<T>): Promise<T | undefined> {
  occupied.value = what;
  const ending = (error: Error) => (error.name === 'AbortError' ? undefined : Promise.reject(error));
  const result = await attempt(() => work(theEngine()).catch(ending));
  occupied.value = undefined;
  return result;
}

/** Cancels the exclusive use of the device. */
export async function cancel(): Promise<void> {
  await attempt(() => theEngine().call('cancel', {}));
}

/** Takes the engine, reads the hash, opens device and data, and makes the network. */
export async function connect(connected: Engine): Promise<void> {
  engine = connected;
  engine.on(onEvent);
  config.value = readHash();
  addEventListener('hashchange', () => {
    if (location.hash !== hashOf(config.value)) void inTurn(() => configure(readHash()));
  });
  const opened = await attempt(() => connected.call('open', { config: config.value }));
  loading.value = undefined;
  stuck.value = !opened;
  if (!opened) return;
  batch(() => {
    device.value = opened.device;
    data.value = opened.data;
  });
  await inTurn(async () => {
    if (!(await configure(readHash()))) await takePreset();
  });
  ready.value = true;
}

/** Uses the preset of a network in the URL that is not possible here, and keeps the message about it. */
async function takePreset(): Promise<void> {
  const refused = notices.value.find(({ code }) => code === 'failed')?.text;
  const { preset, seed, data, device } = config.value;
  await configure({ ...PRESET_CONFIGS[preset], seed, data, device });
  if (refused)
    notify({ code: 'info', level: 'warning', text: `The address: ${refused} The preset ${preset} is used instead.` });
}

function readHash(): Config {
  const { config: read, problems } = parseHash(location.hash);
  if (problems.length > 0) notify({ code: 'info', level: 'warning', text: `The address: ${problems.join(' ')}` });
  return read;
}

let changing: Promise<unknown> = Promise.resolve();

/** Runs changes of the settings one after another, since each builds on the previous one. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const result = changing.then(work);
  changing = result.catch(() => {});
  return result;
}

/** Changes the settings to `next` if it differs, and recreates the network; the previous run stays in the list. */
export async function change(next: Config): Promise<void> {
  const changes = changesOf(config.value, next);
  await inTurn(() => configure({ ...config.value, ...changes }));
}

/** Restarts with the same settings: the same seed gives the same curve. */
export async function reset(): Promise<void> {
  await inTurn(() => configure(config.value));
}

/** Returns false if it fails; the settings are then unchanged. */
async function configure(next: Config): Promise<boolean> {
  const made = await attempt(() => theEngine().call('configure', { config: next }));
  loading.value = undefined;
  if (!made) {
    writeHash();
    return false;
  }
  take(made);
  return true;
}

/** Replaces the current run by another; the old one goes into the list. */
function take(made: Made): void {
  keepRun();
  batch(() => {
    clearCurve();
    append(made.curve, made.tests);
    began = made.config;
    rates.value = [];
    config.value = made.config;
    network.value = made.network;
    device.value = made.device;
    data.value = made.data;
    notices.value = notices.value.filter(({ code }) => !['failed', 'diverged', 'not-learning'].includes(code));
  });
  writeHash();
}

/** Adds the ending run to the list. */
function keepRun(): void {
  if (curve.step.length === 0) return;
  const record: RunRecord = {
    id: ++lastRunId,
    config: began,
    rates: rates.value.filter(({ step }) => step < curve.step.at(-1)!),
    curve,
    shown: true,
    testAccuracy: curve.tests.at(-1)?.accuracy,
    adapter: device.value?.name ?? '',
  };
  runs.value = [...runs.value, record].slice(-8);
}

/** Empties the current curve. */
export function clearCurve(): void {
  curve = emptyCurve();
  curveVersion.value++;
}

function writeHash(): void {
  const hash = hashOf(config.value);
  if (location.hash !== hash) history.replaceState(null, '', hash);
}

export async function train(): Promise<void> {
  dismiss('diverged');
  await attempt(() => theEngine().call('train', {}));
}

export async function pause(): Promise<void> {
  await attempt(() => theEngine().call('pause', {}));
}

export async function step(): Promise<void> {
  await attempt(() => theEngine().call('step', {}));
}

/** Takes effect at once in a current run, and is the rate of the next one. */
export async function setLearningRate(rate: number): Promise<void> {
  await inTurn(async () => {
    const next = { ...config.value, lr: rate };
    if (run.value?.fresh && !training.value) return configure(next);
    if (run.value?.state === 'done') return show();
    const set = () => theEngine().call('setLearningRate', { rate });
    const done = await attempt(async () => {
      await set();
      return true;
    });
    if (!done) return;
    rates.value = [...rates.value, { step: run.value?.step ?? 0, rate }];
    show();

    function show(): void {
      config.value = next;
      writeHash();
    }
  });
}

/** The largest file to read. */
const LARGEST_FILE = 256 * 2 ** 20;

/** Loads a dropped file: weights or a checkpoint. An invalid file gives a notice and changes nothing. */
export function loadFile(file: File): Promise<boolean> {
  return adopt('failed', async (engine) => {
    if (file.size > LARGEST_FILE) {
      const size = Math.round(file.size / 2 ** 20);
      throw new Error(`${file.name}: ${size} MiB exceed the limit for weight files (256 MiB). Choose a smaller file.`);
    }
    return engine.call('load', { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) });
  });
}

/** Resumes the last session's automatic save. */
export function resumeSession(): Promise<boolean> {
  return adopt('storage', (engine) => engine.call('resumeSession', {}));
}

/** Replaces the current run by a loaded one; the old one goes into the list. Returns false if loading fails. */
function adopt(code: Notice['code'], load: (engine: Engine) => Promise<Loaded>): Promise<boolean> {
  return inTurn(async () => {
    const loaded = await attempt(() => load(theEngine()), code);
    loading.value = undefined;
    if (loaded) take(loaded);
    return loaded !== undefined;
  });
}

function append(points: Curve, tests: readonly TestPoint[]): void {
  for (let i = 0; i < points.step.length; i++) {
    curve.step.push(points.step[i]!);
    curve.loss.push(points.loss[i]!);
    curve.accuracy.push(points.accuracy[i]!);
  }
  thinOut(curve.step, curve.loss, curve.accuracy);
  curve.tests.push(...tests);
  if (points.step.length + tests.length > 0) curveVersion.value++;
}

function onEvent(event: WorkerEvent): void {
  batch(() => {
    if (event.type === 'progress') {
      append(event.curve, event.tests);
      run.value = event.run;
    } else if (event.type === 'notice') {
      notify(event.notice);
    } else if (event.type === 'loading') {
      loading.value = { text: event.text, done: event.done, total: event.total };
    } else if (event.type === 'compiling') {
      compiling.value = event.total > 0 ? { done: event.done, total: event.total } : undefined;
    } else if (event.type === 'device') {
      device.value = event.device;
      if (ready.value) loading.value = undefined; // a lost device was replaced
    } else if (event.type === 'restored') {
      clearCurve();
      append(event.curve, event.tests);
    } else if (event.type === 'saved') {
      savedAt.value = event.savedAt;
    }
  });
}

/** The differences of a listed run from the current settings. */
export function differencesOf(record: RunRecord): string[] {
  return differences(config.value, record.config);
}
