// The run's own loss on a plane through its weights, with its path, and the learning-rate range test: the library's results in the
// page's types.
import { landscape, lrFind } from '../../src/index.ts';
import type { Landscape, Params, RangeTest } from '../protocol.ts';
import type { Run } from './run.ts';

export async function landscapeOf(
  run: Run,
  { n, directions, extent, images }: Params<'landscape'>,
  signal: AbortSignal,
): Promise<Landscape> {
  const { trainer, data, path } = run;
  const step = trainer.stepsMade;
  const here = await path.take(step);
  const snapshots = [...path.snapshots.filter((snapshot) => snapshot.step < step), here];
  const start = performance.now();
  const found = await landscape(trainer, data.test, {
    n,
    directions,
    extent,
    images,
    path: snapshots.map(({ weights }) => weights),
    signal,
  });
  return {
    step,
    losses: { shape: [n, n], data: Float32Array.from(found.losses.data) },
    alphas: found.alphas,
    betas: found.betas,
    path: {
      shape: [snapshots.length, 2],
      data: Float32Array.from(found.path.flatMap(({ alpha, beta }) => [alpha, beta])),
    },
    directions,
    pathSteps: snapshots.map((snapshot) => snapshot.step),
    images: found.images,
    milliseconds: performance.now() - start,
    name: trainer.backend.adapter.name,
  };
}

export async function rangeTestOf({ trainer, data, config }: Run, signal: AbortSignal): Promise<RangeTest> {
  const { rates, losses, smoothed, suggestion } = await lrFind(trainer, data.train, {
    batchSize: config.batch,
    signal,
  });
  return {
    rates: Float32Array.from(rates),
    losses: Float32Array.from(losses),
    smoothed: Float32Array.from(smoothed),
    ...(suggestion !== undefined && { suggestion }),
  };
}
