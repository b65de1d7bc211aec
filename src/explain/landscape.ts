// The loss on a plane through the weights: w + α d₁ + β d₂ over a grid, for two random, filter-normalized directions or two along a
// run's path (Li et al. 2018, "Visualizing the Loss Landscape of Neural Nets", arXiv:1712.09913). It is a slice, which shows nothing
// outside the plane. The device walks the grid by itself, on a copy of the weights, so a run may continue meanwhile.
import { weightOf } from '../data/sample-weights.ts';
import type { HostArray } from '../graph/dtype.ts';
import type { Executor, Program, Storage } from '../graph/executor.ts';
import { mapParts, type Nested, partAt, partsOf } from '../graph/nested.ts';
import type { NdArray } from '../graph/op.ts';
import {
  ARRAY,
  COUNT,
  checkOptions,
  type Kind,
  oneOf,
  POSITIVE,
  type Schema,
  SEED,
  SIGNAL,
  type WithDefaults,
} from '../graph/options.ts';
import type { NamedVariable } from '../graph/paths.ts';
import { substitute } from '../graph/rewrite.ts';
import { constant, type Tensor, type Variable } from '../graph/tensor.ts';
import { type Assignment, traceWith } from '../graph/trace.ts';
import type { Loss } from '../loss/loss.ts';
import { add, equal, mul } from '../ops/binary.ts';
import { copy, iota, remainder } from '../ops/counter.ts';
import { gatherRows } from '../ops/gather.ts';
import { reshape } from '../ops/reshape.ts';
import { where } from '../ops/select.ts';
import { checkExamples, type Examples, rowsAt } from '../train/batch.ts';
import { evaluationBatch } from '../train/evaluation.ts';
import { insideOf } from '../train/inside.ts';
import { type Judgement, judge } from '../train/judge.ts';
import { drive } from '../train/pacer.ts';
import { type State, zeros } from '../train/state.ts';
import { allCounts, allLabels } from '../train/targets.ts';
import { metricOf, outputsOf, type Task } from '../train/task.ts';
import type { AnyTrainer } from '../train/trainer.ts';
import { floatsOf, readAll, type Weights } from '../train/weights.ts';
import { checkPath, type PlanePoint, pathDirections, projector, randomDirections } from './plane.ts';

/** Options of {@link landscape}. */
export interface LandscapeOptions {
  /** Points along each side of the grid. An odd number has the weights themselves in the middle. Default 25. */
  readonly n?: number | undefined;
  /**
   * 'random': each unit's weights move by their norm in random directions, and biases stay. 'path': the two directions in which `path`
   * spreads furthest from the weights, scaled to its extent. Default 'random'.
   */
  readonly directions?: 'random' | 'path' | undefined;
  /** The grid spans -extent to extent, in lengths of the directions. Default 1. */
  readonly extent?: number | undefined;
  /** Examples for each loss, the first ones of the data; rounded down to whole batches beyond 1000. Default 1000. */
  readonly images?: number | undefined;
  /** The seed of random directions. Default 0. */
  readonly seed?: number | undefined;
  /** Weights from a run (`trainer.snapshotWeights()`) to project on the plane. */
  readonly path?: readonly Weights[] | undefined;
  /** Aborts the computation; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The loss on a grid in a plane of weight space, as {@link landscape} evaluates it. */
export interface Landscape {
  /** The grid's coordinates, (n) each. */
  readonly alphas: Float32Array;
  /** The coordinates along the second direction, (n). */
  readonly betas: Float32Array;
  /** (n, n): row i is at betas[i], column j at alphas[j]. Not finite where the loss is not. */
  readonly losses: NdArray;
  /** Examples used for each loss. */
  readonly images: number;
  /** The weights at the center, and the two directions (of the weights that move), by path. */
  readonly center: Weights;
  /** The first direction, which `alphas` scale, and the second, which `betas` scale; by path. */
  readonly directions: readonly [Weights, Weights];
  /** The orthogonal projections of the weights of `path` on the plane. */
  readonly path: readonly PlanePoint[];
  /** The projection of other weights. */
  project(weights: Weights): PlanePoint;
}

const SIDE: Kind = {
  advice: 'Give a whole number from 1 to 1000, such as 25.',
  fits: (v) => COUNT.fits(v) && (v as number) <= 1000,
};
const SCHEMA = {
  n: [SIDE, 25],
  directions: [oneOf('random', 'path'), 'random'],
  extent: [POSITIVE, 1],
  images: [COUNT, 1000],
  seed: [SEED, 0],
  path: ARRAY,
  signal: SIGNAL,
} satisfies Schema<LandscapeOptions>;

/**
 * The loss of the first examples of `data` on a grid in the plane of two directions through the trainer's current weights: by default two
 * random, filter-normalized ones. The trainer is unchanged; a run may continue meanwhile, sharing the device. @throws OptionError for
 * invalid options and for weights of another model in `path`; the signal's reason.
 */
export async function landscape(
  trainer: AnyTrainer,
  data: Examples,
  options: LandscapeOptions = {},
  ...extra: never[]
): Promise<Landscape> {
  const how = checkOptions('landscape', options, SCHEMA, extra);
  const { running, asJudged } = insideOf('landscape', trainer);
  const { life } = running;
  return life.during(async () => evaluated(running, asJudged(data), how, () => life.check()));
}

/** Evaluates the grid. `check` may throw before each submit. */
async function evaluated(
  { executor, state, task }: { executor: Executor; state: State; task: Task },
  data: Examples,
  { n, directions: kind, extent, images: most, seed, path = [], signal }: WithDefaults<LandscapeOptions, typeof SCHEMA>,
  check: () => void,
): Promise<Landscape> {
  checkExamples(data);
  signal?.throwIfAborted();
  const images = Math.min(most, data.size);
  const values = await readAll(state);
  const center = floatsOf(state.variables, values);
  checkPath(center, path); // Weights of another model are rejected before anything is computed.
  const [d1, d2] =
    kind === 'path' ? pathDirections(state.trained, center, path) : randomDirections(state.trained, center, seed);
  const project = projector(center, [d1, d2]);
  const rows = evaluationBatch(images);
  const batches = Math.floor(images / rows);
  const side = Float32Array.from({ length: n }, (_, k) => (n === 1 ? 0 : extent * ((2 * k) / (n - 1) - 1)));
  const grid = new Grid(executor, state.variables, side, d1);
  try {
    grid.write(values, d1, d2);
    const program = await grid.compile(task, data, rows, batches);
    const beforeEach = () => {
      check();
      signal?.throwIfAborted();
    };
    const [sums] = await drive(program, n * n * batches, [grid.losses], { check: beforeEach });
    const count = task.heads ? 1 : divisorsOf(task, data, rows, batches)[0]!;
    const losses: NdArray = { shape: [n, n], dtype: 'f32', data: Float32Array.from(sums!, (sum) => sum / count) };
    const directions = [d1, d2] as const;
    return {
      alphas: side,
      betas: side.slice(),
      losses,
      images: rows * batches,
      center,
      directions,
      path: path.map(project),
      project,
    };
  } finally {
    grid.dispose();
  }
}

/** The divisor of the sum of each output's losses over the batches. */
function divisorsOf(task: Task, data: Examples, rows: number, batches: number): number[] {
  const counts = allCounts(task, data);
  return outputsOf(task).map(({ name, loss }) => {
    const { weights } = counts.get(name)!;
    if (loss.reduction === 'sum') return 1;
    return weights ? weightOf({ data: Array.from(weights).slice(0, rows * batches) }) || 1 : batches;
  });
}

/** The contribution of a batch to the loss at a point: weighted by its counts and, with several outputs, divided for each separately. */
function shareOf(task: Task, { loss, metrics, counts }: Judgement, divisors: readonly number[]): Tensor {
  const share = (name: string, of: Tensor, { reduction }: Loss) => {
    const count = counts.get(name);
    return count && reduction !== 'sum' ? mul(of, count) : of;
  };
  if (!task.heads) return share('loss', loss, task.loss);
  return task.heads
    .map((head, k) => {
      const name = metricOf(head, 'loss');
      return mul(share(name, metrics[name]!, head.loss), head.weight / divisors[k]!);
    })
    .reduce((sum, term) => add(sum, term));
}

/** The state of the grid on the device: the weights and both directions, the current point, and the losses so far. */
class Grid {
  readonly losses: Variable;
  readonly #executor: Executor;
  readonly #side: Float32Array;
  readonly #parts: readonly Part[];
  /** The current point of the grid and the current batch there, u32 [1]. */
  readonly #point = zeros([1], 'u32');
  readonly #batch = zeros([1], 'u32');
  readonly #storage: Storage;
  readonly #kept: Storage[] = [];
  #program: Program | undefined;

  /** The variables named in `moving` move; the others are constant. */
  constructor(executor: Executor, variables: readonly NamedVariable[], side: Float32Array, moving: Weights) {
    this.#executor = executor;
    this.#side = side;
    this.losses = zeros([side.length ** 2]);
    this.#parts = variables.map(({ path, variable }) => {
      const like = () => zeros(variable.shape, variable.dtype);
      return { path, variable, base: like(), ...(moving.has(path) && { moved: [like(), like()] as const }) };
    });
    const own = this.#parts.flatMap(({ base, moved = [] }) => [base, ...moved]);
    const all = [...own, this.losses, this.#point, this.#batch];
    this.#storage = executor.allocate(all.map((variable) => ({ variable })));
  }

  /** Writes the weights and directions, and starts at the first point. */
  write(values: readonly HostArray[], d1: Weights, d2: Weights): void {
    for (const [k, { path, base, moved }] of this.#parts.entries()) {
      this.#storage.write(base, values[k]!);
      if (!moved) continue;
      this.#storage.write(moved[0], d1.get(path)!);
      this.#storage.write(moved[1], d2.get(path)!);
    }
    for (const counter of [this.#point, this.#batch]) this.#storage.write(counter, new Uint32Array(1));
    this.#storage.write(this.losses, new Float32Array(this.losses.size));
  }

  /** One step adds one batch's loss (times its weight, if it has one) at one point, and moves on to the next. */
  async compile(task: Task, data: Examples, rows: number, batches: number): Promise<Program> {
    const [point, batch] = [this.#point, this.#batch];
    const { x, y, weights } = rowsAt(data, add(iota(rows), mul(batch, rows)), this.#executor.maxBindingBytes);
    const inputs = batches === 1 ? await this.#keep(x) : x;
    const loss = traceWith({ model: task.model }, () => {
      const judged = judge(task, inputs, y, allLabels(task, data), weights);
      return shareOf(task, judged, divisorsOf(task, data, rows, batches));
    });
    const [here] = substitute([loss], this.#weightsAt(point));
    const hit = equal(iota(this.losses.size), point);
    const assignments: Assignment[] = [
      [this.losses, where(hit, add(this.losses, reshape(here!, [1])), this.losses)],
      [point, where(equal(batch, batches - 1), add(point, 1), point)],
      [batch, remainder(add(batch, 1), constant([batches], { dtype: 'u32' }))],
    ];
    const options = { storages: [this.#storage, ...this.#kept], label: 'landscape' };
    this.#program = await this.#executor.compile({ assignments }, options);
    return this.#program;
  }

  /** The inputs, which are the same at every point, computed once. */
  async #keep(x: Nested<Tensor>): Promise<Nested<Tensor>> {
    const kept = mapParts(x, (part) => zeros(part.shape, part.dtype));
    const variables = partsOf<Variable>(kept);
    const storage = this.#executor.allocate(variables.map(([, variable]) => ({ variable })));
    this.#kept.push(storage);
    const options = { storages: [this.#storage, storage], label: 'landscape inputs' };
    const assignments = variables.map(([name, variable]): Assignment => [variable, partAt(x, name)!]);
    const program = await this.#executor.compile({ assignments }, options);
    try {
      await program.submit(1).values();
    } finally {
      program.dispose();
    }
    return kept;
  }

  /** The value of each variable of the model at point `k` of the grid, materialized. */
  #weightsAt(k: Tensor): Map<Tensor, Tensor> {
    const n = this.#side.length;
    const along = (coordinate: (k: number) => number) =>
      gatherRows(constant(Float32Array.from({ length: n * n }, (_, p) => this.#side[coordinate(p)]!)), k);
    const [alpha, beta] = [along((p) => p % n), along((p) => Math.floor(p / n))];
    return new Map(
      this.#parts.map(({ variable, base, moved }) => {
        if (!moved) return [variable, base];
        return [variable, copy(add(base, add(mul(moved[0], alpha), mul(moved[1], beta))))];
      }),
    );
  }

  dispose(): void {
    this.#program?.dispose();
    for (const storage of [this.#storage, ...this.#kept]) storage.dispose();
  }
}

/** A variable of the model, and its replacements on the plane. */
interface Part {
  readonly path: string;
  readonly variable: Variable;
  readonly base: Variable;
  readonly moved?: readonly [Variable, Variable];
}
