// Checks of optimizer and schedule options: each error names the function, the option and its value.
import { OptionError } from '../graph/errors.ts';
import { COUNT, type Kind, POSITIVE, show } from '../graph/options.ts';

/** Refuses learning rates that are not > 0 and finite, in f32 too. */
export function checkRate(what: string, option: string, lr: number): void {
  const single = typeof lr === 'number' ? Math.fround(lr) : Number.NaN;
  if (!(single > 0 && Number.isFinite(single))) {
    throw new OptionError(`${what}: ${option} is ${show(lr)}. Use a finite number above 0, such as 0.001.`);
  }
}

export const FLOOR: Kind = {
  advice: 'Use a finite rate >= 0.',
  fits: (v) => Number.isFinite(v) && (v as number) >= 0,
};
export const FACTOR: Kind = {
  advice: 'Use a finite number above 0.',
  fits: (v) => POSITIVE.fits(v),
};
export const STEPS: Kind = {
  advice: 'Use a whole number of steps of at least 1.',
  fits: (v) => COUNT.fits(v),
};

/** Refuses numbers outside [from, below). */
export function checkRange(what: string, option: string, value: number, from: number, below: number): void {
  if (!(value >= from && value < below)) {
    const range =
      below === Number.POSITIVE_INFINITY ? `a finite number of at least ${from}` : `${from} <= ${option} < ${below}`;
    throw new OptionError(`${what}: ${option} is ${show(value)}. Use ${range}.`);
  }
}

/** Refuses an `eps` that is 0 in f32: padding and unused parameters would compute 0 / 0. */
export function checkEpsilon(what: string, eps: number): void {
  if (!(eps >= 1.2e-38 && Number.isFinite(eps))) {
    throw new OptionError(`${what}: eps is ${show(eps)}. Use a small number above 0 that f32 can hold, such as 1e-8.`);
  }
}

/** Refuses bounds that are not finite and above 0. */
export function checkBound(what: string, max: number): void {
  if (!(max > 0 && Number.isFinite(max))) {
    throw new OptionError(`${what}: the bound is ${show(max)}. Use a finite number above 0, such as 1.`);
  }
}
