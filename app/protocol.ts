// The protocol between the page and the worker with the engine: calls that are answered once, and events as they occur. Everything is
// plain data for structured cloning. One version number covers all of it.
import type { Config } from './config.ts';

/** Raised when a message changes its meaning: a page and a worker of different builds (an old cache) must not talk. */
export const PROTOCOL_VERSION = 1;

/** An array with its shape, row-major. */
export interface Values {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Why there is no hardware GPU, in the order of the checks. */
export type WebGpuCause = 'insecure-context' | 'no-webgpu' | 'no-adapter' | 'device-refused' | 'software';

/** The device in use. */
export interface DeviceFacts {
  readonly kind: 'gpu' | 'cpu';
  /** The name to quote with every figure; says "software" if it is. */
  readonly name: string;
  readonly software: boolean;
  /** A sentence for each rejected device. */
  readonly notes: readonly string[];
  /** Why there is no hardware GPU, if there is none. */
  readonly cause?: WebGpuCause;
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

/** The data that is trained on. */
export interface DataFacts {
  readonly name: 'mnist' | 'digits';
  /** One sentence on where it came from, and why not from elsewhere. */
  readonly source: string;
  readonly train: number;
  readonly test: number;
}

/** A layer's variables as a sum: `784 x 16 + 16`. */
export interface LayerFacts {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly parameters: number;
}

/** The created network. */
export interface NetworkFacts {
  readonly layers: readonly LayerFacts[];
  readonly parameters: number;
  readonly bytes: number;
}

/**
 * The state of the run. `idle`: created, no step yet; `compiling`: the first step is being compiled; `running`; `paused`; `done`: all
 * epochs complete; `diverged`: ended by a bad step, with the weights before it; `failed`: ended by an error; `lost`: the device was lost
 * and another is being opened.
 */
export type RunState = 'idle' | 'compiling' | 'running' | 'paused' | 'done' | 'diverged' | 'failed' | 'lost';

/** Everything about the run that the page shows as numbers. Posted at most 5 times a second, and at every change of state. */
export interface RunFacts {
  readonly state: RunState;
  /** Steps made, and in total. */
  readonly step: number;
  readonly totalSteps: number;
  readonly epoch: number;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  /** Over the last second or so. */
  readonly stepsPerSecond?: number;
  readonly imagesPerSecond?: number;
  /** Training time in milliseconds, without compilation. */
  readonly elapsedMs: number;
  readonly etaMs?: number;
  readonly compileMs?: number;
  /** Smoothed loss and accuracy of the batches trained on. */
  readonly loss?: number;
  readonly accuracy?: number;
  /** The last evaluation on the test images. */
  readonly validation?: { readonly loss: number; readonly accuracy: number };
  /** Whether its weights are the initial ones of its seed: no step made, no file read. */
  readonly fresh: boolean;
  readonly learningRate: number;
  readonly dispatchesPerStep?: number;
}

/** Points of the curves since the last progress event, in order; the arrays are transferred. */
export interface Curve {
  readonly step: Uint32Array;
  readonly loss: Float32Array;
  readonly accuracy: Float32Array;
}

/** One evaluation on the test images. */
export interface TestPoint {
  readonly step: number;
  /** 0 if it was within an epoch. */
  readonly epoch: number;
  readonly loss: number;
  readonly accuracy: number;
}

/** A message for the user; `code` is its kind. */
export interface Notice {
  readonly code:
    | 'diverged'
    | 'not-learning'
    | 'device-lost'
    | 'out-of-memory'
    | 'data'
    | 'storage'
    | 'other-tab'
    | 'failed'
    | 'info';
  readonly level: 'info' | 'warning' | 'error';
  readonly text: string;
}

/** The network's prediction for one picture: 10 numbers that sum to 1, and the class. */
export interface Prediction {
  readonly probabilities: Float32Array;
  readonly digit: number;
  /** The step of the weights that made it. */
  readonly step: number;
}

/** The values of a layer for one picture. */
export interface LayerInside {
  readonly name: string;
  readonly activations: Float32Array;
}

/** The result of `inside`. */
export interface Inside {
  readonly step: number;
  /** The first layer's weights, (units, 784). */
  readonly weights: Values;
  /** The output of each layer for the drawn digit, in order; the last one is the prediction's ten. */
  readonly layers: readonly LayerInside[];
  /** Gradients of the loss over a batch of training images: mean |g| of each parameter. */
  readonly gradients: readonly { readonly path: string; readonly mean: number; readonly max: number }[];
  /** |gradient| of the first layer summed over its units, (784): which pixels' weights matter most now. */
  readonly pixelGradients: Float32Array;
  /** |gradient| of the first layer, (units, 784). */
  readonly weightGradients: Values;
}

/** The network's predictions on the test images. */
export interface Confusion {
  readonly step: number;
  /** Row: actual digit; column: predicted digit. (10, 10) */
  readonly counts: readonly (readonly number[])[];
  readonly size: number;
}

/** A test image with its prediction. */
export interface Example {
  readonly index: number;
  readonly pixels: Uint8Array;
  readonly label: number;
  readonly probabilities: Float32Array;
  readonly loss: number;
}

/** A path of an optimizer down a curve (1 coordinate) or a valley (2): one row a step, the start first. */
export interface Descent {
  readonly optimizer: string;
  /** (steps + 1, dimensions) */
  readonly positions: Values;
  readonly losses: Float32Array;
  /** The step after which a value was no longer finite or had left the picture, if any. */
  readonly divergedAt?: number;
}

export type DescentOptimizer = 'sgd' | 'momentum' | 'adam';

/** The network's own loss on a plane through its weights. */
export interface Landscape {
  readonly step: number;
  /** Losses (n, n); row i has beta = betas[i], column j has alpha = alphas[j]. */
  readonly losses: Values;
  readonly alphas: Float32Array;
  readonly betas: Float32Array;
  /** The run's weights projected on the plane: (points, 2) of (alpha, beta), and the steps they are from. */
  readonly path: Values;
  readonly pathSteps: readonly number[];
  /** Random directions, or those in which the path spreads furthest. */
  readonly directions: 'random' | 'path';
  /** Images used for each loss. */
  readonly images: number;
  readonly milliseconds: number;
  /** The adapter that evaluated it. */
  readonly name: string;
}

/** A learning-rate range test. */
export interface RangeTest {
  readonly rates: Float32Array;
  readonly losses: Float32Array;
  readonly smoothed: Float32Array;
  readonly suggestion?: number;
}

/** One side of the race, with its progress. */
export interface RaceLane {
  readonly name: string;
  readonly software: boolean;
  readonly imagesPerSecond: number;
  readonly steps: number;
  readonly losses: Float32Array;
  readonly done: boolean;
}

export interface RaceResult {
  readonly cpu: RaceLane;
  readonly gpu: RaceLane;
  /** GPU's images/s over the CPU's. */
  readonly speedup: number;
  /** Largest relative difference between the two loss curves, and of any parameter's gradient at the start. */
  readonly lossDifference: number;
  readonly gradientDifference: number;
  /** The path of that parameter. */
  readonly gradientPath: string;
  readonly batch: number;
}

/** The content of an earlier session's autosave. */
export interface SavedSession {
  readonly savedAt: number;
  readonly config: Config;
  readonly step: number;
  readonly testAccuracy?: number;
}

/** A run that replaces the previous one. */
export interface Made {
  readonly config: Config;
  readonly network: NetworkFacts;
  readonly device: DeviceFacts;
  readonly data: DataFacts;
  readonly step: number;
  /** The points of its curve so far; empty for a new run, or if its file has none. */
  readonly curve: Curve;
  readonly tests: readonly TestPoint[];
}

/** The same, from a file or a session. */
export interface Loaded extends Made {
  readonly kind: 'weights' | 'checkpoint';
}

/** Every call: its parameters and its answer. A failed call is answered with an error whose message is for users. */
export interface Calls {
  /** Opens the device and loads the data; the first call. Progress of both comes as events. */
  open: { params: { config: Config }; result: { device: DeviceFacts; data: DataFacts } };
  /** Recreates the network of `config` (also "reset"). The run, if any, ends. Weights are functions of the seed. */
  configure: { params: { config: Config }; result: Made };
  /** Counts a network's parameters without creating it; rejects, naming the limit, if this device cannot hold it. */
  describe: { params: { config: Config }; result: NetworkFacts };
  train: { params: Record<string, never>; result: unknown };
  pause: { params: Record<string, never>; result: unknown };
  step: { params: Record<string, never>; result: unknown };
  setLearningRate: { params: { rate: number }; result: unknown };
  /** `pixels`: 784 numbers from 0 to 255, as in MNIST. */
  predict: { params: { pixels: Float32Array }; result: Prediction };
  inside: { params: { pixels?: Float32Array }; result: Inside };
  confusion: { params: Record<string, never>; result: Confusion };
  /** Images behind a cell of the confusion matrix, or the most confidently wrong ones if no cell is given. Worst first. */
  examples: { params: { label?: number; taken?: number; count: number }; result: readonly Example[] };
  /** `curve`: w² / 2 from w = 4; `valley`: two coordinates with a local minimum. */
  descend: {
    params: {
      on: 'curve' | 'valley';
      optimizer: DescentOptimizer;
      lr: number;
      steps: number;
      start: readonly number[];
    };
    result: Descent;
  };
  /** The valley's loss on a grid, for its contours: rows from y = from to y = to. */
  valley: { params: { n: number; from: number; to: number }; result: Values };
  landscape: {
    params: { n: number; directions: 'random' | 'path'; extent: number; images: number };
    result: Landscape;
  };
  rangeTest: { params: Record<string, never>; result: RangeTest };
  race: { params: { steps: number }; result: RaceResult };
  /** Ends the current race, range test or landscape; its call rejects with an AbortError. */
  cancel: { params: Record<string, never>; result: unknown };
  saveWeights: { params: Record<string, never>; result: { name: string; bytes: Uint8Array } };
  saveCheckpoint: { params: Record<string, never>; result: { name: string; bytes: Uint8Array } };
  /** Loads a dropped file: weights (of this or of a network it describes) or a checkpoint. */
  load: { params: { name: string; bytes: Uint8Array }; result: Loaded };
  metrics: { params: Record<string, never>; result: { curve: Curve; tests: readonly TestPoint[] } };
  /** The earlier session's save, until it is forgotten or the page is closed. */
  savedSession: { params: Record<string, never>; result: SavedSession | undefined };
  resumeSession: { params: Record<string, never>; result: Loaded };
  /** Forgets the earlier session, or the stored one: the earlier one until this one overwrites it. */
  forgetSession: { params: { which: 'earlier' | 'stored' }; result: unknown };
  /** Bytes in GPU buffers and the like, for the soak. */
  counters: { params: Record<string, never>; result: Readonly<Record<string, number>> };
}

export type CallName = keyof Calls;
export type Params<K extends CallName> = Calls[K]['params'];
export type Result<K extends CallName> = Calls[K]['result'];

/** Events of the worker. */
export type WorkerEvent =
  | {
      readonly type: 'loading';
      readonly what: 'device' | 'data' | 'digits';
      readonly done: number;
      readonly total: number;
      readonly text: string;
    }
  | { readonly type: 'device'; readonly device: DeviceFacts }
  /** Kernels compiled, of those requested so far, if that takes seconds; 0 of 0 when it is complete. */
  | { readonly type: 'compiling'; readonly done: number; readonly total: number }
  | { readonly type: 'progress'; readonly run: RunFacts; readonly curve: Curve; readonly tests: readonly TestPoint[] }
  | { readonly type: 'notice'; readonly notice: Notice }
  | { readonly type: 'race'; readonly cpu: RaceLane | undefined; readonly gpu: RaceLane | undefined }
  /** The curve after a lost device: it replaces the page's. */
  | { readonly type: 'restored'; readonly curve: Curve; readonly tests: readonly TestPoint[] }
  | { readonly type: 'saved'; readonly savedAt: number };

/** A call to the worker. */
export interface CallMessage<K extends CallName = CallName> {
  readonly version: number;
  readonly id: number;
  readonly call: K;
  readonly params: Params<K>;
}

/** The answer to a call, or an event. */
export type WorkerMessage =
  | { readonly version: number; readonly type: 'answer'; readonly id: number; readonly result: unknown }
  | {
      readonly version: number;
      readonly type: 'refusal';
      readonly id: number;
      readonly name: string;
      readonly message: string;
    }
  | { readonly version: number; readonly type: 'event'; readonly event: WorkerEvent };

/** The page's end: `await engine.call('predict', { pixels })`, and a listener for events. */
export interface Engine {
  call<K extends CallName>(call: K, params: Params<K>): Promise<Result<K>>;
  on(listener: (event: WorkerEvent) => void): () => void;
}
