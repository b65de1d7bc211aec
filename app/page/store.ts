// What the page knows, as signals, and what people can do with it. Panels read signals and call these functions; nothing else
// talks to the engine except panels asking for a picture of their own (`engine.call`).
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

/** A curve that grows; `version` of the store's signal tells that it did. */
export interface CurvePoints {
  readonly step: number[];
  readonly loss: number[];
  readonly accuracy: number[];
  readonly tests: TestPoint[];
}

/** A run that was made in this session, for the overlay. */
export interface RunRecord {
  readonly id: number;
  /** The settings it began with, and the learning rates that were set while it ran. */
  readonly config: Config;
  readonly rates: readonly RateChange[];
  readonly curve: CurvePoints;
  readonly shown: boolean;
  readonly testAccuracy?: number;
  readonly adapter: string;
}

/** A learning rate set by hand: that of the steps after `step`. */
export interface RateChange {
  readonly step: number;
  readonly rate: number;
}

/** The engine, once `connect` has given it. */
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
/** Kernels being compiled, where that takes seconds. */
export const compiling = signal<{ done: number; total: number } | undefined>(undefined);
/** The newest sentence of each kind, in the order of their arrival. */
export const notices = signal<readonly Notice[]>([]);
/** The current run's curve; read it after reading `curveVersion`. */
export let curve: CurvePoints = emptyCurve();
export const curveVersion = signal(0);
export const runs = signal<readonly RunRecord[]>([]);
/** The drawn digit, 784 numbers 0 to 255, normalised as MNIST is; undefined while nothing is drawn. */
export const drawing = signal<Float32Array | undefined>(undefined);
/** False until the engine and the data are there. */
export const ready = signal(false);
/** True where they could not be had at all. */
export const stuck = signal(false);
/** The rates set by hand since the run began. */
export const rates = signal<readonly RateChange[]>([]);
/** The race, the range test or the landscape that has the device to itself. */
export const occupied = signal<string | undefined>(undefined);
export const savedAt = signal<number | undefined>(undefined);

export const training = computed(() => run.value?.state === 'running' || run.value?.state === 'compiling');

let lastRunId = 0;
/** The settings that the run began with. */
let began: Config = config.value;

function emptyCurve(): CurvePoints {
  return { step: [], loss: [], accuracy: [], tests: [] };
}

/** Says something in place; a notice of the same code takes the place of the one before. */
export function notify(notice: Notice): void {
  notices.value = [...notices.value.filter(({ code }) => code !== notice.code), notice];
}

export function dismiss(code: Notice['code']): void {
  notices.value = notices.value.filter((notice) => notice.code !== code);
}

/** Runs something that may be refused; what it says then goes to the notices, and undefined comes back. */
export async function attempt<T>(work: () => Promise<T>, code: Notice['code'] = 'failed'): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    notify({ code, level: 'error', text: error instanceof Error ? error.message : String(error) });
    return undefined;
  }
}

/** Has the device to itself for `work`. Resolves with undefined if that is refused or cancelled. */
export async function occupy<T>(what: string, work: (engine: Engine) => Promise<T>): Promise<T | undefined> {
  occupied.value = what;
  const ending = (error: Error) => (error.name === 'AbortError' ? undefined : Promise.reject(error));
  const result = await attempt(() => work(theEngine()).catch(ending));
  occupied.value = undefined;
  return result;
}

/** Ends what has the device to itself. */
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

/** The address names a network that cannot be had here: its preset is taken, and what was refused stays said. */
async function takePreset(): Promise<void> {
  const refused = notices.value.find(({ code }) => code === 'failed')?.text;
  const { preset, seed, data, device } = config.value;
  await configure({ ...PRESET_CONFIGS[preset], seed, data, device });
  if (refused) notify({ code: 'info', level: 'warning', text: `The address: ${refused} Took the preset ${preset}.` });
}

function readHash(): Config {
  const { config: read, problems } = parseHash(location.hash);
  if (problems.length > 0) notify({ code: 'info', level: 'warning', text: `The address: ${problems.join(' ')}` });
  return read;
}

let changing: Promise<unknown> = Promise.resolve();

/** Changes of the settings are made one after the other, for each goes on from what the one before left. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const result = changing.then(work);
  changing = result.catch(() => {});
  return result;
}

/** Changes the settings to `next` where it differs from them, and makes the network afresh; the run before it stays in the list. */
export async function change(next: Config): Promise<void> {
  const changes = changesOf(config.value, next);
  await inTurn(() => configure({ ...config.value, ...changes }));
}

/** The same settings from the beginning: the same seed gives the same curve. */
export async function reset(): Promise<void> {
  await inTurn(() => configure(config.value));
}

/** False where it is refused; the settings then stay as they were. */
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

/** Shows another run in place of the one before, which goes into the list. */
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

/** Puts the run that ends into the list. */
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

/** Acts at once on a run under way, and is the rate of the next one. */
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

/** The largest file that is worth reading. */
const LARGEST_FILE = 256 * 2 ** 20;

/** Takes a dropped file: weights or a checkpoint. What is not ours is refused in place, and nothing is lost. */
export function loadFile(file: File): Promise<boolean> {
  return adopt('failed', async (engine) => {
    if (file.size > LARGEST_FILE) {
      const size = Math.round(file.size / 2 ** 20);
      throw new Error(`${file.name}: ${size} MiB exceed the limit for weight files (256 MiB). Choose another.`);
    }
    return engine.call('load', { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) });
  });
}

/** Goes on with what the last session saved by itself. */
export function resumeSession(): Promise<boolean> {
  return adopt('storage', (engine) => engine.call('resumeSession', {}));
}

/** Shows a run that comes from elsewhere in place of the current one, which goes into the list. False where it is refused. */
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
      if (ready.value) loading.value = undefined; // A lost device has another in its place.
    } else if (event.type === 'restored') {
      clearCurve();
      append(event.curve, event.tests);
    } else if (event.type === 'saved') {
      savedAt.value = event.savedAt;
    }
  });
}

/** What a run of the list has that the current settings have not. */
export function differencesOf(record: RunRecord): string[] {
  return differences(config.value, record.config);
}
