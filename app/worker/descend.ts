// The lessons of the page: an optimizer of the library descends a curve of one weight or a valley of two, step by step, on the CPU, with
// the library's gradients.
import {
  assign,
  type Backend,
  constant,
  createCpuBackend,
  nn,
  optim,
  type Tensor,
  Variable,
  valueAndGrad,
} from '../../src/index.ts';
import { add, exp, mul, reshape, square, sub, sum } from '../../src/ops/index.ts';
import type { Descent, DescentOptimizer, Params, Values } from '../protocol.ts';

let backend: Backend | undefined;
const cpu = (): Backend => {
  backend ??= createCpuBackend();
  return backend;
};

/** w² / 2: its gradient is w itself, so a step is lr · w. x (rows, 1) to (rows). */
function curve(x: Tensor): Tensor {
  return mul(sum(square(x), { axis: 1 }), 0.5);
}

/** The position and depth of the two minima; the second one is deeper. */
const HOLLOWS = [
  { x: -1.6, y: 0.8, depth: 1.1, width: 0.7 },
  { x: 1.3, y: -0.5, depth: 2.2, width: 1.1 },
] as const;

/** A wide bowl with two minima, of which the upper left one is only local. x (rows, 2) to (rows). */
function valley(x: Tensor): Tensor {
  const bowl = mul(sum(square(x), { axis: 1 }), 0.12);
  return HOLLOWS.reduce((height, hollow) => {
    const away = sub(x, constant(Float32Array.of(hollow.x, hollow.y), { shape: [1, 2] }));
    const fall = exp(mul(sum(square(away), { axis: 1 }), -1 / hollow.width ** 2));
    return sub(height, mul(fall, hollow.depth));
  }, bowl);
}

const LOSSES = { curve, valley } as const;

function optimizerOf(name: DescentOptimizer, lr: number) {
  if (name === 'adam') return optim.adam({ lr });
  return optim.sgd({ lr, momentum: name === 'momentum' ? 0.9 : 0 });
}

/** Outside of this, a position has left every picture. */
const GONE = 1e6;

/** The path down from `start`: `steps` steps, or until it leaves the picture. */
export async function descend({ on, optimizer: name, lr, steps, start }: Params<'descend'>): Promise<Descent> {
  const point = { w: nn.parameter([1, start.length], () => Float32Array.from(start)) };
  const optimizer = optimizerOf(name, lr);
  const slots = optimizer.slots.map(() => new Variable([1, start.length], { initial: nn.init.zeros }));
  const step = new Variable([1], { dtype: 'u32', initial: nn.init.zeros });
  const lossAndGradient = valueAndGrad(point, () => reshape(LOSSES[on](point.w), []));
  const storage = cpu().allocate({ point, slots, step });
  const program = await cpu().compile(
    () => {
      const { value, gradients } = lossAndGradient();
      const next = optimizer.update(point.w, gradients['w']!, slots, { lr: constant(lr), step });
      assign(point.w, next.p);
      for (const [k, slot] of slots.entries()) assign(slot, next.slots[k]!);
      assign(step, add(step, 1));
      return { loss: value, at: point.w };
    },
    {},
    { training: true, storages: [storage] },
  );
  const positions: number[] = [];
  const losses: number[] = [];
  let divergedAt: number | undefined;
  try {
    for (let k = 0; k <= steps; k++) {
      const { loss, at } = await program.run();
      const here = Array.from(at!.data);
      if (!here.every((v) => Math.abs(v) < GONE)) {
        divergedAt = k;
        break;
      }
      positions.push(...here);
      losses.push(loss!.data[0]!);
    }
  } finally {
    program.dispose();
    storage.dispose();
  }
  const shape = [losses.length, start.length];
  return {
    optimizer: name,
    positions: { shape, data: Float32Array.from(positions) },
    losses: Float32Array.from(losses),
    ...(divergedAt !== undefined && { divergedAt }),
  };
}

/** The valley's heights on an n by n grid, rows from y = from to y = to. */
export async function valleyGrid({ n, from, to }: Params<'valley'>): Promise<Values> {
  const at = (k: number) => from + ((to - from) * k) / (n - 1);
  const points = new Float32Array(2 * n * n);
  for (let i = 0; i < n * n; i++) points.set([at(i % n), at(Math.floor(i / n))], 2 * i);
  const { y } = await cpu().run(({ x }) => valley(x), { x: { shape: [n * n, 2], dtype: 'f32', data: points } });
  return { shape: [n, n], data: Float32Array.from(y!.data) };
}
