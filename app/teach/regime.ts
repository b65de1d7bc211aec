// The effect of a learning rate on the curve w²/2: each step takes w to (1 - rate) w, so only the rate matters.
import type { Descent } from '../protocol.ts';

/** Below the first two rates progress is negligible, or slow; at 1 one step suffices; above 2 each step moves further away. */
const [SMALL, SLOW, JUST_RIGHT, TOO_LARGE] = [0.02, 0.1, 1, 2];

/** A sentence about the rate, with the numbers of its path. */
export function regimeOf(rate: number, { positions, losses }: Descent): string {
  const steps = losses.length - 1;
  const text = (value: number | undefined) => String(Number((value ?? 0).toPrecision(3))).replace('-', '−');
  const where = `After ${steps} ${steps === 1 ? 'step' : 'steps'} w is ${text(positions.data.at(-1))} and the loss ${text(losses.at(-1))}.`;
  if (rate > TOO_LARGE) return `Diverges: each step jumps over the valley and lands higher on the other side. ${where}`;
  if (rate === TOO_LARGE) return `On the edge: it jumps from one side to the other and never comes down. ${where}`;
  if (rate > JUST_RIGHT) return `Overshoots: it changes sides at each step, but comes lower each time. ${where}`;
  if (rate < SMALL) return `Too small: it goes the right way, and would take hundreds of steps. ${where}`;
  if (rate < SLOW) return `Slow: it goes straight down, in many small steps. ${where}`;
  return `Good: it goes straight down. ${where}`;
}
