// Optimizers by hand, in plain doubles from PyTorch's formulas: each gives a fresh update (p, g, t from 1) for one element.

export function momentumByHand(lr: number, mu: number, nesterov: boolean, decay: number) {
  return () => {
    let buf: number | undefined;
    return (p: number, g: number) => {
      const d = g + decay * p;
      buf = buf === undefined ? d : mu * buf + d; // PyTorch: the first step copies the gradient
      return p - lr * (nesterov ? d + mu * buf : buf);
    };
  };
}

export function adamByHand(
  lr: number,
  beta1: number,
  beta2: number,
  eps: number,
  l2: number,
  decoupled: number,
  amsgrad = false,
) {
  return () => {
    let m = 0;
    let v = 0;
    let vMax = 0;
    return (p0: number, g0: number, t: number) => {
      const p = p0 * (1 - lr * decoupled);
      const g = g0 + l2 * p0;
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * g * g;
      const mHat = m / (1 - beta1 ** t);
      vMax = Math.max(vMax, v);
      const vHat = (amsgrad ? vMax : v) / (1 - beta2 ** t);
      return p - (lr * mHat) / (Math.sqrt(vHat) + eps);
    };
  };
}

export function rmsByHand(
  lr: number,
  alpha: number,
  eps: number,
  centered: boolean,
  mu: number,
  decay: number,
  inside = false,
) {
  return () => {
    let square = 0;
    let mean = 0;
    let buf = 0;
    return (p: number, g0: number) => {
      const g = g0 + decay * p;
      square = alpha * square + (1 - alpha) * g * g;
      mean = alpha * mean + (1 - alpha) * g;
      const variance = centered ? square - mean * mean : square;
      const scale = inside ? Math.sqrt(variance + eps) : Math.sqrt(variance) + eps;
      buf = mu * buf + g / scale;
      return p - lr * buf;
    };
  };
}

export function adagradByHand(lr: number, lrDecay: number, decay: number, initial: number, eps: number) {
  return () => {
    let sum = initial;
    return (p: number, g0: number, t: number) => {
      const g = g0 + decay * p;
      sum += g * g;
      return p - ((lr / (1 + (t - 1) * lrDecay)) * g) / (Math.sqrt(sum) + eps);
    };
  };
}
