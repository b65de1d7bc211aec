// The loss on a plane through the weights: against evaluations of weights that were moved by hand, on the CPU and on the GPU.
import { describe, expect, it } from 'vitest';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { type Landscape, type LandscapeOptions, landscape } from '../src/explain/landscape.ts';
import { substitute } from '../src/graph/rewrite.ts';
import { input, type Tensor, Variable } from '../src/graph/tensor.ts';
import { softmaxCrossEntropy } from '../src/loss/index.ts';
import { Embedding, parameter } from '../src/nn/index.ts';
import { zeros } from '../src/nn/init.ts';
import { add, mul } from '../src/ops/index.ts';
import { sgd } from '../src/optim/sgd.ts';
import { Trainer } from '../src/train/trainer.ts';
import { blobs, Net, netTrainer, weightsOf } from './blobs.ts';
import { testExecutor } from './gpu.ts';

const data = blobs(96);

/** The weights of a place on the plane. */
function weightsAt({ center, directions }: Landscape, alpha: number, beta: number): Map<string, Float32Array> {
  const [d1, d2] = directions;
  const moved = (path: string, w: Float32Array) =>
    w.map((v, i) => v + alpha * (d1.get(path)?.[i] ?? 0) + beta * (d2.get(path)?.[i] ?? 0));
  return new Map([...center].map(([path, w]) => [path, moved(path, w)]));
}

/** The loss there, evaluated as anybody would. */
async function lossAt(other: Trainer, plane: Landscape, alpha: number, beta: number): Promise<number> {
  for (const [path, w] of weightsAt(plane, alpha, beta)) other.state.write(path, w);
  return (await other.evaluate(data.slice(0, plane.images))).loss;
}

const closeTo = (got: number, wanted: number) => expect(Math.abs(got - wanted)).toBeLessThan(1e-4 * (1 + wanted));

describe.each(['cpu', 'gpu'])('landscape on the %s', (kind) => {
  const backend = async () =>
    kind === 'cpu' ? createCpuBackend() : new Backend(await testExecutor(), { name: 'test', software: true });
  const make = async (model = new Net()) => {
    const optimizer = sgd({ lr: 0.1 });
    return new Trainer(await backend(), { model, loss: softmaxCrossEntropy, optimizer, seed: 3 });
  };

  it('has the loss of the moved weights at every point, and that of the weights in the middle', async () => {
    const trainer = await make();
    const other = await make();
    await trainer.fit(data, { epochs: 2, batchSize: 16 });
    const before = await weightsOf(trainer);
    const plane = await landscape(trainer, data, { n: 5, extent: 0.8, seed: 2 });
    expect([...plane.alphas].map((a) => +a.toFixed(6))).toEqual([-0.8, -0.4, 0, 0.4, 0.8]);
    expect([plane.losses.shape, plane.images]).toEqual([[5, 5], 96]);
    closeTo(plane.losses.data[12]!, (await trainer.evaluate(data)).loss);
    for (const [i, j] of [
      [0, 0],
      [0, 4],
      [1, 3],
      [4, 0],
      [2, 1],
    ] as const)
      closeTo(plane.losses.data[i * 5 + j]!, await lossAt(other, plane, plane.alphas[j]!, plane.betas[i]!));
    expect(await weightsOf(trainer)).toEqual(before);
    trainer.dispose();
    other.dispose();
  });

  it('reports what is not finite as it is', async () => {
    const trainer = await make();
    const plane = await landscape(trainer, data, { n: 3, extent: 1e30 });
    const finite = Array.from(plane.losses.data, (loss) => Number.isFinite(loss));
    expect(finite[4]).toBe(true);
    expect(finite.filter((ok) => !ok).length).toBeGreaterThan(0);
    trainer.dispose();
  });

  it('leaves nothing behind', async () => {
    const trainer = await make();
    await landscape(trainer, data, { n: 3 });
    const { counters } = trainer.backend.executor;
    const bytes = counters.bytes;
    for (let k = 0; k < 3; k++) await landscape(trainer, data, { n: 3 });
    // Read-back buffers are kept; how many there are depends on how many submits were under way at once.
    expect(counters.bytes).toBeLessThanOrEqual(bytes + 2 * 256);
    trainer.dispose();
  });

  it('does not change a run that is under way', async () => {
    const alone = await make();
    const { steps } = await alone.fit(data, { epochs: 20, batchSize: 16 });
    const looked = await make();
    const run = looked.fit(data, { epochs: 20, batchSize: 16 });
    const planes = await Promise.all([landscape(looked, data, { n: 3 }), landscape(looked, data, { n: 3, seed: 1 })]);
    await run;
    expect(looked.history.steps.loss).toEqual(steps.loss);
    expect(planes.every(({ losses }) => losses.data.every((loss) => loss > 0))).toBe(true);
    alone.dispose();
    looked.dispose();
  });
});

describe('landscape', () => {
  it('has directions as long as the weights, unit by unit, and none for biases', async () => {
    const trainer = netTrainer();
    const { center, directions } = await landscape(trainer, data, { n: 1 });
    const norm = (x: Float32Array) => Math.hypot(...x);
    for (const d of directions) {
      expect([...d.keys()]).toEqual(['hidden.weight', 'out.weight']);
      for (let unit = 0; unit < 8; unit++) {
        const row = (x: Float32Array) => x.subarray(unit * 4, unit * 4 + 4);
        expect(norm(row(d.get('hidden.weight')!))).toBeCloseTo(norm(row(center.get('hidden.weight')!)), 5);
      }
    }
    const [d1, d2] = directions.map((d) => d.get('hidden.weight')!);
    expect(d1).not.toEqual(d2);
    const again = (await landscape(trainer, data, { n: 1 })).directions[0].get('hidden.weight');
    const otherSeed = (await landscape(trainer, data, { n: 1, seed: 1 })).directions[0].get('hidden.weight');
    expect(again).toEqual(d1);
    expect(otherSeed).not.toEqual(d1);
    trainer.dispose();
  });

  it('projects weights on the plane', async () => {
    const trainer = netTrainer();
    const start = await trainer.snapshotWeights();
    await trainer.fit(data, { epochs: 1, batchSize: 16 });
    const plane = await landscape(trainer, data, { n: 1, path: [start, await trainer.snapshotWeights()] });
    const { alpha, beta } = plane.project(weightsAt(plane, 0.3, -0.2));
    expect([alpha, beta]).toEqual([expect.closeTo(0.3, 5), expect.closeTo(-0.2, 5)]);
    expect(plane.path[1]).toEqual({ alpha: 0, beta: 0 });
    expect(plane.path[0]).toEqual(plane.project(start));
    expect(Math.hypot(plane.path[0]!.alpha, plane.path[0]!.beta)).toBeGreaterThan(0);
    // What is at right angles to both directions is not seen.
    const shifted = new Map(
      [...plane.center].map(([path, w]) => [path, path.endsWith('bias') ? w.map((v) => v + 1) : w]),
    );
    expect(plane.project(shifted)).toEqual({ alpha: 0, beta: 0 });
    trainer.dispose();
  });

  it('goes along a path: all of what moved is seen, the furthest at 1, the beginning at the left', async () => {
    const trainer = netTrainer();
    const center = await trainer.snapshotWeights();
    // A path in a plane of its own, biases and all: distances on it are distances between weights.
    const [u, v] = [1, 2].map(
      (k) => new Map([...center].map(([path, w]) => [path, w.map((_, i) => Math.sin(k * (i + 2)))])),
    );
    const places = [
      [-3, 1],
      [-2, -0.5],
      [-1, 0.7],
      [0.5, 0.1],
    ] as const;
    const path = places.map(
      ([a, b]) =>
        new Map(
          [...center].map(([name, w]) => [name, w.map((c, i) => c + a * u!.get(name)![i]! + b * v!.get(name)![i]!)]),
        ),
    );
    const plane = await landscape(trainer, data, { n: 3, directions: 'path', path });
    closeTo(plane.losses.data[4]!, (await trainer.evaluate(data)).loss);
    expect(plane.directions.map((d) => [...d.keys()].sort())).toEqual([
      [...center.keys()].sort(),
      [...center.keys()].sort(),
    ]);
    const length = (w: Iterable<Float32Array>) => Math.hypot(...[...w].flatMap((x) => [...x]));
    const [d1, d2] = plane.directions.map((d) => length(d.values())) as [number, number];
    const apart = (a: (typeof path)[number], b: (typeof path)[number]) =>
      length([...a].map(([name, w]) => w.map((x, i) => x - b.get(name)![i]!)));
    for (const [j, to] of path.entries())
      for (const [i, from] of path.entries()) {
        const [p, q] = [plane.path[i]!, plane.path[j]!];
        expect(Math.hypot(d1 * (p.alpha - q.alpha), d2 * (p.beta - q.beta))).toBeCloseTo(apart(from, to), 3);
      }
    expect(d1).toBeGreaterThan(d2);
    const furthest = (pick: 'alpha' | 'beta') => Math.max(...plane.path.map((p) => Math.abs(p[pick])));
    expect([furthest('alpha'), furthest('beta')]).toEqual([expect.closeTo(1, 4), expect.closeTo(1, 4)]);
    expect(plane.path[0]!.alpha).toBeCloseTo(-1, 4);
    // Weights on one line span no plane.
    const line = landscape(trainer, data, { directions: 'path', path: [center, path[0]!] });
    await expect(line).rejects.toThrow(/the path's 2 weights are on one line with the current ones/);
    trainer.dispose();
  });

  it('goes through more images than fit a batch', async () => {
    const many = blobs(2400);
    const trainer = netTrainer();
    const plane = await landscape(trainer, many, { n: 1, images: 2200 });
    expect(plane.images).toBe(2200);
    closeTo(plane.losses.data[0]!, (await trainer.evaluate(many.slice(0, 2200))).loss);
    expect((await landscape(trainer, many, { n: 1, images: 1501 })).images).toBe(1500);
    trainer.dispose();
  });

  it.each([
    [{ n: 0 }, /landscape: n is 0\. Give a whole number from 1 to 1000/],
    [{ n: 2.5 }, /landscape: n is 2\.5/],
    [{ extent: 0 }, /landscape: extent is 0\./],
    [{ extent: Number.NaN }, /landscape: extent is NaN/],
    [{ images: 0 }, /landscape: images is 0/],
    [{ directions: 'down' }, /landscape: directions is "down"\. Use 'random' or 'path'/],
    [{ directions: 'path' }, /the path's 0 weights are on one line/],
    [{ seed: -1 }, /seed/],
    [{ size: 3 }, /landscape: there is no option size/],
    [{ path: [new Map()] }, /landscape: the values of hidden\.weight are missing/],
    [{ path: [new Map([['hidden.weight', new Float32Array(3)]])] }, /hidden\.weight are 3 numbers instead of 32/],
  ] as [LandscapeOptions, RegExp][])('refuses %j', async (options, message) => {
    const trainer = netTrainer();
    await expect(landscape(trainer, data, options)).rejects.toThrow(message);
    trainer.dispose();
  });

  it('ends when its signal says so, or its trainer ends', async () => {
    const trainer = netTrainer();
    const reason = new Error('enough');
    await expect(landscape(trainer, data, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const stop = new AbortController();
    const long = landscape(trainer, data, { n: 1000, signal: stop.signal });
    setTimeout(() => stop.abort(reason), 50);
    await expect(long).rejects.toBe(reason);
    const cut = landscape(trainer, data, { n: 1000 });
    setTimeout(() => trainer.dispose(), 50);
    await expect(cut).rejects.toThrow(/disposed/);
  });

  it('takes models with whole numbers and private parts in them', async () => {
    class Words {
      readonly #scale = 2;
      table = new Embedding(5, 3);
      seen = new Variable([2], { dtype: 'u32', initial: () => Uint32Array.of(7, 4_000_000_001) });
      factor = parameter([1], zeros);
      forward(x: Tensor): Tensor {
        return mul(add(this.table.forward(x), this.factor), this.#scale);
      }
    }
    const x = { shape: [6], data: Uint32Array.of(0, 1, 2, 3, 4, 0) };
    const words = { size: 6, x, y: { shape: [6], data: Uint32Array.of(0, 1, 2, 0, 1, 2) }, classes: 3 };
    const trainer = netTrainer({ model: new Words() });
    const plane = await landscape(trainer, words, { n: 3 });
    expect(plane.losses.data[4]).toBeCloseTo((await trainer.evaluate(words)).loss, 5);
    expect([...plane.center.keys()]).toEqual(['table.weight', 'factor']);
    trainer.dispose();
  });
});

describe('substitute', () => {
  const x = input('x', { shape: [2], dtype: 'f32' });

  it('makes anew what depends on a leaf, and shares the rest', () => {
    const [w, v] = [zerosOf([2]), zerosOf([2])];
    const kept = mul(x, 2);
    const [y, same] = substitute([add(mul(w, kept), w), kept], new Map([[w, v]]));
    expect(same).toBe(kept);
    expect(y!.node.inputs[1]).toBe(v);
    expect(y!.node.inputs[0]!.node.inputs[1]).toBe(kept);
  });

  it('refuses another shape', () => {
    expect(() => substitute([x], new Map([[x, zerosOf([3])]]))).toThrow(/internal/);
  });
});

function zerosOf(shape: number[]): Variable {
  return new Variable(shape, { initial: ({ shape: [n] }) => new Float32Array(n!) });
}
