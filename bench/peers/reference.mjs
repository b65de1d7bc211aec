// The truth that no library has a part in: the same training in doubles by plain loops, and products row by row.
import { ADAM } from './cases.mjs';
import { KERNEL, POOL, rowsToCheck } from './problem.mjs';

/** Two losses are compared: before any step, which shows other weights or batches, and after 20, which shows other training. */
export const STEPS = 20;
/** Losses of floats lie within 1e-5. Ten times as much, and in 20 steps the classic network on other weights would pass. */
const LOSS_TOLERANCE = 5e-5;
/** In units of √N: floats come to 1e-6, f16 and TF32 to 1e-4. */
const PRODUCT_TOLERANCE = 1e-5;

/**
 * The losses before any step and after 20.
 * @param {import('./cases.mjs').Training} kase
 * @param {readonly import('./problem.mjs').Batch[]} batches
 * @param {readonly import('./problem.mjs').Layer[]} layers
 */
export function lossesInDoubles(kase, batches, layers) {
  const net = layers.map((layer) => ({
    ...layer,
    ...parameter(layer.w),
    bias: parameter(layer.b),
    windows: windowsOf(layer),
  }));
  let first = Number.NaN;
  for (let step = 0; ; step++) {
    const { x, y } = batches[step];
    const { loss, outputs, maxima, dz } = forward(kase, net, Float64Array.from(x), y);
    if (step === 0) first = loss;
    if (step === STEPS) return [first, loss];
    backward(kase, net, { outputs, maxima, dz });
    for (const layer of net) for (const p of [layer, layer.bias]) update(kase.optimizer, p, step + 1);
  }
}

/** Values with gradient and Adam's moments. */
function parameter(values) {
  const zeros = () => new Float64Array(values.length);
  return { p: Float64Array.from(values), dp: zeros(), m: zeros(), v: zeros() };
}

/**
 * The elements of the image that each place of a convolution's output is made of, in the order of the weights. A dense layer is a
 * convolution whose one window is all of its input.
 */
function windowsOf({ inputs, channels, side }) {
  if (side === undefined) return [Int32Array.from({ length: inputs }, (_, n) => n)];
  const along = side - KERNEL + 1;
  return Array.from({ length: along * along }, (_, place) => {
    const corner = Math.floor(place / along) * side + (place % along);
    return Int32Array.from({ length: inputs }, (_, n) => {
      const element = Math.floor(n / channels);
      const pixel = corner + Math.floor(element / KERNEL) * side + (element % KERNEL);
      return pixel * channels + (n % channels);
    });
  });
}

/** Loss, every layer's output (the input first), where its maxima are, and the loss's gradient by the last layer's sums. */
function forward({ activation, loss: kind, B }, net, x, y) {
  const [outputs, maxima] = [[x], []];
  for (const [k, layer] of net.entries()) {
    const last = k === net.length - 1;
    const squash = last ? kind === 'squared-error' : activation === 'sigmoid';
    const z = sums(layer, outputs[k], B);
    maxima.push(layer.side === undefined ? undefined : maximaOf(z, B, layer));
    const pooled = maxima[k] ? Float64Array.from(maxima[k], (from) => z[from]) : z;
    outputs.push(pooled.map((v) => (squash ? 1 / (1 + Math.exp(-v)) : last ? v : Math.max(v, 0))));
  }
  return { outputs, maxima, ...(kind === 'squared-error' ? squaredError : crossEntropy)(outputs.at(-1), y, B) };
}

/** (B, places, outputs): bias + Σ window · weights. */
function sums({ p: w, bias, inputs, outputs: O, windows }, h, B) {
  const [size, places] = [h.length / B, windows.length];
  const z = new Float64Array(B * places * O);
  for (let i = 0; i < B; i++) {
    for (const [place, window] of windows.entries()) {
      for (let o = 0; o < O; o++) {
        let sum = bias.p[o];
        for (let n = 0; n < inputs; n++) sum += h[i * size + window[n]] * w[o * inputs + n];
        z[(i * places + place) * O + o] = sum;
      }
    }
  }
  return z;
}

/**
 * Where in z the maximum of each pooling window is: the first of equals. Which one is of no consequence here: equal maxima come
 * from equal parts of an image, whose gradients by the weights are equal.
 */
function maximaOf(z, B, { side, outputs: O }) {
  const along = side - KERNEL + 1;
  const pooled = along / POOL;
  return Int32Array.from({ length: B * pooled * pooled * O }, (_, to) => {
    const [o, place] = [to % O, Math.floor(to / O)];
    const [i, row, column] = [Math.floor(place / pooled ** 2), Math.floor(place / pooled) % pooled, place % pooled];
    let best = -1;
    for (let r = row * POOL; r < (row + 1) * POOL; r++) {
      for (let c = column * POOL; c < (column + 1) * POOL; c++) {
        const from = ((i * along + r) * along + c) * O + o;
        if (best < 0 || z[from] > z[best]) best = from;
      }
    }
    return best;
  });
}

/** Σ (a - y)² / B with a = σ(z): dz = 2 (a - y) a (1 - a) / B. */
function squaredError(a, y, B) {
  const loss = a.reduce((sum, v, k) => sum + (v - y[k]) ** 2, 0) / B;
  return { loss, dz: a.map((v, k) => (2 * (v - y[k]) * v * (1 - v)) / B) };
}

/** -Σ y log softmax(z) / B: dz = (softmax(z) - y) / B. */
function crossEntropy(z, y, B) {
  const C = z.length / B;
  const dz = new Float64Array(z.length);
  let loss = 0;
  for (let i = 0; i < B; i++) {
    const row = z.subarray(i * C, (i + 1) * C);
    const top = Math.max(...row);
    const log = top + Math.log(row.reduce((sum, v) => sum + Math.exp(v - top), 0));
    for (let c = 0; c < C; c++) {
      loss -= (y[i * C + c] * (row[c] - log)) / B;
      dz[i * C + c] = (Math.exp(row[c] - log) - y[i * C + c]) / B;
    }
  }
  return { loss, dz };
}

/** Leaves each parameter's gradient beside it. */
function backward({ activation, B }, net, { outputs, maxima, dz: dzLast }) {
  let dz = dzLast;
  for (let k = net.length - 1; k >= 0; k--) {
    const h = outputs[k];
    const dh = sumsBackward(net[k], h, maxima[k] ? unpooled(dz, maxima[k], net[k], B) : dz, B);
    dz = dh.map((d, n) => d * (activation === 'sigmoid' ? h[n] * (1 - h[n]) : Number(h[n] > 0)));
  }
}

/** The gradient by what was pooled: zero but for the maxima. */
function unpooled(dz, maxima, { windows, outputs: O }, B) {
  const whole = new Float64Array(B * windows.length * O);
  for (const [to, from] of maxima.entries()) whole[from] = dz[to];
  return whole;
}

/** Leaves the gradients by weights and bias in the layer. @returns that by h */
function sumsBackward({ p: w, dp: dw, bias, inputs, outputs: O, windows }, h, dz, B) {
  const [size, places] = [h.length / B, windows.length];
  const dh = new Float64Array(h.length);
  dw.fill(0);
  bias.dp.fill(0);
  for (let i = 0; i < B; i++) {
    for (const [place, window] of windows.entries()) {
      for (let o = 0; o < O; o++) {
        const d = dz[(i * places + place) * O + o];
        bias.dp[o] += d;
        if (d === 0) continue;
        for (let n = 0; n < inputs; n++) dw[o * inputs + n] += d * h[i * size + window[n]];
        for (let n = 0; n < inputs; n++) dh[i * size + window[n]] += d * w[o * inputs + n];
      }
    }
  }
  return dh;
}

/** Adam as its paper has it. */
function update({ name, lr }, { p, dp, m, v }, t) {
  const { beta1, beta2, eps } = ADAM;
  for (let k = 0; k < p.length; k++) {
    m[k] = beta1 * m[k] + (1 - beta1) * dp[k];
    v[k] = beta2 * v[k] + (1 - beta2) * dp[k] ** 2;
    const adam = m[k] / (1 - beta1 ** t) / (Math.sqrt(v[k] / (1 - beta2 ** t)) + eps);
    p[k] -= lr * (name === 'adam' ? adam : dp[k]);
  }
}

/**
 * Why two losses are not those of the same work, or undefined.
 * @param {readonly number[]} got
 * @param {readonly number[]} wanted
 */
export function lossObjection(got, wanted) {
  const wrong = wanted.findIndex((loss, k) => !(Math.abs((got[k] ?? Number.NaN) - loss) <= LOSS_TOLERANCE));
  if (wrong < 0) return undefined;
  const when = wrong === 0 ? 'before any step' : `after ${STEPS} steps`;
  return `its loss ${when} is ${got[wrong]}, that of the same training in doubles ${wanted[wrong]}`;
}

/** The largest error of 64 random rows of a product (N, N), in units of √N. */
export function productError(/** @type {ArrayLike<number>} */ y, { a, b }, /** @type {number} */ N) {
  let largest = 0;
  for (const row of rowsToCheck(N)) {
    const sums = new Float64Array(N);
    for (let k = 0; k < N; k++) for (let c = 0; c < N; c++) sums[c] += a[row * N + k] * b[k * N + c];
    // Not Math.max alone: NaN must come out as NaN.
    for (let c = 0; c < N; c++) {
      const error = Math.abs(sums[c] - y[row * N + c]);
      if (!(error <= largest)) largest = error;
    }
  }
  return largest / Math.sqrt(N);
}

/** Why a product is not right, or undefined. @param {number} error */
export function productObjection(error) {
  if (error <= PRODUCT_TOLERANCE) return undefined;
  return `its product is wrong: in 64 rows it is up to ${error.toExponential(1)} √N off, of ${PRODUCT_TOLERANCE} allowed`;
}

/** How well those that were measured agree with doubles, as a line for people. */
export function agreementOf({ kase, losses }, answers) {
  if (answers.length === 0 || kase.kind === 'host') return '';
  if (kase.kind === 'matmul') {
    const largest = Math.max(...answers.map(({ error }) => error));
    return `  64 rows against doubles: errors up to ${largest.toExponential(1)} √N`;
  }
  if (losses === undefined) return '';
  const apart = Math.max(...answers.flatMap((answer) => answer.losses.map((loss, k) => Math.abs(loss - losses[k]))));
  const [first, last] = losses.map((loss) => loss.toFixed(6));
  return `  loss ${first}, after ${STEPS} steps ${last} in doubles; theirs differ by up to ${apart.toExponential(1)}`;
}
