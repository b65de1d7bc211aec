// Every sample of every op: the vjp against central finite differences, in doubles on the CPU; then what graphs do to
// gradients (second use, diamonds, reuse) whatever the op.
import { describe, expect, it, test } from 'vitest';
import { grad, whyNoGradient } from '../src/autodiff/grad.ts';
import { CpuExecutor } from '../src/cpu/executor.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import type { HostArray } from '../src/graph/dtype.ts';
import type { Op } from '../src/graph/op.ts';
import { uniforms } from '../src/graph/random.ts';
import { constant, input, type Node, type Tensor } from '../src/graph/tensor.ts';
import { topologicalOrder } from '../src/graph/walk.ts';
import { add, equal, mul } from '../src/ops/binary.ts';
import { sum } from '../src/ops/broadcast.ts';
import { reshape } from '../src/ops/reshape.ts';
import { ops } from '../src/ops/table.ts';
import { exp, square } from '../src/ops/unary.ts';
import { drawSample, outputsOf, type Sample, wrtOf } from './sample.ts';
import { samples } from './samples.ts';

const TOLERANCE = 1e-6;
/** Elements of an input that are moved one by one; the others are moved together, along random directions. */
const SINGLES = 24;
const STEP = 1e-5;

const table: Record<string, readonly Sample[]> = samples;
const opTable: Record<string, Op<never>> = ops;

describe.each(Object.keys(table))('%s', (name) => {
  it.each(table[name]!.map((sample) => [sample.name, sample] as const))('%s', (_, sample) => {
    const { tensors, values } = drawSample(name, sample);
    const outputs = outputsOf(sample, tensors);
    expectOp(name, outputs, wrtOf(sample).length > 0 ? tensors : undefined);
    expectShapes(outputs, tensors, values);
    const cotangents = outputs.map((y, k) =>
      y.dtype === 'f32' ? Float64Array.from(uniforms(y.size, k, sample.name, -1, 1)) : undefined,
    );
    const loss = weigh(outputs, cotangents);
    for (const k of wrtOf(sample)) checkGradient(k, loss!, outputs, cotangents, tensors, values, sample.tolerance);
  });
});

// A program's arrays are used again at each step: what an op does not write must not be left from the step before.
describe.each(Object.keys(table))('%s on the CPU', (name) => {
  it('has the same bits when it is run again', async () => {
    for (const sample of table[name]!) {
      const { tensors, values } = drawSample(name, sample);
      const ys = outputsOf(sample, tensors);
      const dxs = ys
        .filter((y) => y.dtype === 'f32')
        .flatMap((y) =>
          grad(
            y,
            wrtOf(sample).map((k) => tensors[k]!),
          ),
        );
      const all = [...ys, ...dxs.filter((dx) => dx !== undefined)];
      const names = tensors.map((_, k) => `x${k}`);
      const program = await new CpuExecutor().compile(
        { outputs: Object.fromEntries(all.map((t, k) => [`t${k}`, t])) },
        { inputs: names },
      );
      const given = Object.fromEntries(names.map((key, k) => [key, values[k]!]));
      expect(await program.run(given), sample.name).toEqual(await program.run(given));
    }
  });
});

/** A sample that does not use its op proves nothing. */
function expectOp(name: string, outputs: readonly Tensor[], tensors: readonly Tensor[] | undefined): void {
  const f32 = outputs.filter((y) => y.dtype === 'f32');
  const gradients = tensors ? f32.flatMap((y) => grad(y, tensors)).filter((dx) => dx !== undefined) : [];
  const names = topologicalOrder([...outputs, ...gradients]).map((node) => node.name);
  expect(names).toContain(opTable[name]?.name);
}

function expectShapes(outputs: readonly Tensor[], tensors: readonly Tensor[], values: readonly HostArray[]): void {
  for (const [k, y] of run(outputs, tensors, values).entries()) {
    expect(y.shape).toEqual(outputs[k]!.shape);
    expect(y.data.length).toBe(outputs[k]!.size);
    for (let i = 0; i < y.data.length; i++) if (!Number.isFinite(y.data[i])) throw new Error(`y[${i}] is ${y.data[i]}`);
  }
}

/** Σ y · cotangent over all f32 outputs. */
function weigh(outputs: readonly Tensor[], cotangents: readonly (Float64Array | undefined)[]): Tensor | undefined {
  const terms = outputs.flatMap((y, k) =>
    cotangents[k] ? [sum(mul(y, constant(cotangents[k]!, { shape: y.shape })))] : [],
  );
  return terms.length === 0 ? undefined : terms.reduce((a, b) => add(a, b));
}

function run(outputs: readonly Tensor[], tensors: readonly Tensor[], values: readonly HostArray[]) {
  const feeds = new Map<Node, HostArray>(tensors.map((x, k) => [x.node, values[k]!]));
  return interpret(outputs, (leaf) => feeds.get(leaf), 'float64');
}

function checkGradient(
  k: number,
  loss: Tensor,
  outputs: readonly Tensor[],
  cotangents: readonly (Float64Array | undefined)[],
  tensors: readonly Tensor[],
  values: readonly HostArray[],
  tolerance = TOLERANCE,
): void {
  const dx = grad(loss, [tensors[k]!])[0];
  if (!dx) throw new Error(`no gradient for input ${k}: ${whyNoGradient(loss, tensors[k]!)}`);
  expect(dx.shape).toEqual(tensors[k]!.shape);
  const got = run([dx], tensors, values)[0]!.data;
  const along = (direction: HostArray) => slope(outputs, cotangents, tensors, values, k, direction);
  const size = got.length;
  const pairs: [string, number, number][] = [];
  for (let n = 0; n < Math.min(size, SINGLES); n++) {
    const i = size <= SINGLES ? n : Math.floor((n * (size - 1)) / (SINGLES - 1));
    const direction = new Float64Array(size);
    direction[i] = 1;
    pairs.push([`element ${i}`, got[i]!, along(direction)]);
  }
  for (let n = 0; n < 3; n++) {
    const direction = Float64Array.from(uniforms(size, n, `direction ${k}`, -1, 1));
    pairs.push([`direction ${n}`, direction.reduce((total, d, i) => total + d * got[i]!, 0), along(direction)]);
  }
  const norm = Math.max(Math.hypot(...pairs.map(([, , wanted]) => wanted)) / Math.sqrt(pairs.length), 1e-3);
  const wrong = pairs.filter(([, g, wanted]) => !(Math.abs(g - wanted) <= tolerance * norm));
  if (wrong.length > 0) {
    const lines = wrong.slice(0, 6).map(([what, g, wanted]) => `  ${what}: got ${g}, finite difference ${wanted}`);
    throw new Error(`gradient of input ${k} is off at ${wrong.length} of ${pairs.length}:\n${lines.join('\n')}`);
  }
}

/** d/dt of the weighed outputs with input k moved by t · direction: differences first, then the sum, to keep the digits. */
function slope(
  outputs: readonly Tensor[],
  cotangents: readonly (Float64Array | undefined)[],
  tensors: readonly Tensor[],
  values: readonly HostArray[],
  k: number,
  direction: HostArray,
): number {
  const moved = (t: number) =>
    values.map((v, j) => (j === k ? Float64Array.from(v as Float64Array, (x, i) => x + t * direction[i]!) : v));
  const [up, down] = [run(outputs, tensors, moved(STEP)), run(outputs, tensors, moved(-STEP))];
  let total = 0;
  for (const [j, w] of cotangents.entries())
    if (w) for (let i = 0; i < w.length; i++) total += w[i]! * (up[j]!.data[i]! - down[j]!.data[i]!);
  return total / (2 * STEP);
}

test('every op with a gradient has a sample that checks it', () => {
  const unchecked = Object.keys(table).filter(
    (name) => opTable[name]?.vjp && !table[name]!.some((sample) => wrtOf(sample).length > 0),
  );
  expect(unchecked).toEqual([]);
});

describe('graphs', () => {
  const x = input('x', { shape: [3], dtype: 'f32' });
  const at = [0.5, -1, 2];
  const gradientAt = (y: Tensor, wrt: Tensor = x) =>
    Array.from(run([grad(y, [wrt])[0]!], [x], [Float64Array.from(at)])[0]!.data);

  test('a tensor used twice by one op', () => {
    expect(gradientAt(mul(x, x))).toEqual(at.map((v) => 2 * v));
    expect(gradientAt(add(x, x))).toEqual([2, 2, 2]);
  });

  test('a diamond: both ways add up', () => {
    const y = mul(square(x), exp(x));
    for (const [i, v] of at.entries()) expect(gradientAt(y)[i]).toBeCloseTo((2 * v + v * v) * Math.exp(v), 12);
  });

  test('a chain of diamonds is not walked exponentially', () => {
    let y: Tensor = x;
    for (let k = 0; k < 60; k++) y = mul(add(y, y), 0.5);
    expect(gradientAt(y)).toEqual([1, 1, 1]);
  });

  test('one tensor under two shapes', () => {
    const column = reshape(x, [3, 1]);
    const total = at.reduce((a, b) => a + b);
    expect(gradientAt(mul(column, x))).toEqual([2 * total, 2 * total, 2 * total]);
  });

  test('an inner tensor has a gradient of its own', () => {
    const inner = square(x);
    expect(gradientAt(mul(inner, 3), inner)).toEqual([3, 3, 3]);
  });

  test('a gradient that one branch blocks flows through the other', () => {
    expect(gradientAt(mul(equal(x, 2), x))).toEqual([0, 0, 1]);
  });

  test('the gradient of a gradient', () => {
    const dx = grad(exp(mul(x, 2)), [x])[0]!;
    for (const [i, v] of at.entries()) expect(gradientAt(dx)[i]).toBeCloseTo(4 * Math.exp(2 * v), 9);
  });

  test('what blocks a gradient is named', () => {
    expect(grad(sum(equal(x, 1)), [x])).toEqual([undefined]);
    expect(whyNoGradient(sum(equal(x, 1)), x)).toBe('no gradient flows through equal');
  });

  it('says how to differentiate a function', () => {
    const f = (x: Tensor) => sum(x);
    expect(() => grad(f as unknown as Tensor, [constant([1])])).toThrow(
      'grad: y is a function. Call it: grad(f(x), [x]).',
    );
  });
});
