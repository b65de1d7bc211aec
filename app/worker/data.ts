// The training pictures: MNIST from the page's own origin, else from a mirror, else generated digits, with a sentence on which and why.
import type { DataPair, datasets } from '../../src/index.ts';
import type { Config } from '../config.ts';
import type { DataFacts, WorkerEvent } from '../protocol.ts';

export interface LoadedData extends DataPair {
  readonly facts: DataFacts;
}

/** The dependencies of loading; tests bring their own. */
export interface DataSource {
  mnist: typeof datasets.mnist;
  digits: typeof datasets.digits;
  /** The page's URL: its own data are in `data/` below. */
  readonly base: string;
  readonly online: boolean;
}

type Tell = (event: WorkerEvent) => void;

/** The longest wait for a mirror in milliseconds: users do not wait longer for a first result. */
const PATIENCE = 4000;

/** The pictures of `choice`. @throws DataError if MNIST is required but not available. */
export async function loadData(choice: Config['data'], source: DataSource, tell: Tell): Promise<LoadedData> {
  if (choice === 'digits') return makeDigits('', source, tell);
  try {
    return await loadMnist(source, tell);
  } catch (error) {
    if (choice === 'mnist') throw error;
    return makeDigits(`MNIST could not be loaded: ${(error as Error).message} `, source, tell);
  }
}

async function loadMnist({ mnist, base, online }: DataSource, tell: Tell): Promise<LoadedData> {
  const own = await hasOwn(base);
  const onProgress = (done: number, total: number) =>
    tell({ type: 'loading', what: 'data', done, total, text: 'Loading MNIST' });
  const pair = await mnist({
    onProgress,
    timeoutMs: PATIENCE,
    ...(own && { base: new URL('data/mnist/', base).href }),
    ...(!online && !own && { mirrors: [] }),
  });
  return { ...pair, facts: factsOf('mnist', pair, '') };
}

/** Whether the page's own origin serves MNIST: according to `data/index.json`, so that no missing file is requested. */
async function hasOwn(base: string): Promise<boolean> {
  try {
    const response = await fetch(new URL('data/index.json', base));
    if (!response.ok) return false;
    const { mnist } = (await response.json()) as { mnist?: unknown };
    return Array.isArray(mnist) && mnist.length >= 4;
  } catch {
    return false;
  }
}

async function makeDigits(why: string, { digits }: DataSource, tell: Tell): Promise<LoadedData> {
  const pair = await digits({
    onProgress: (done, total) => tell({ type: 'loading', what: 'digits', done, total, text: 'Generating digits' }),
  });
  return { ...pair, facts: factsOf('digits', pair, why) };
}

function factsOf(name: DataFacts['name'], { train, test, source }: DataPair, why: string): DataFacts {
  return { name, source: `${why}${source}`, train: train.size, test: test.size };
}
