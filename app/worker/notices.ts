// Error messages for beginners.
import type { DivergenceError, WarningEvent } from '../../src/index.ts';
import type { Config } from '../config.ts';
import type { Notice } from '../protocol.ts';

/**
 * A diverged run: which of the two ways, and what to do. `backTo` is the step of the restored snapshot, if the weights before the bad step
 * were already damaged.
 */
export function divergedNotice({ message, step }: DivergenceError, rate: number, backTo?: number): Notice {
  const why = message.includes('has diverged')
    ? 'Each step jumped over the valley and landed higher up on the other side, so the loss grew instead of falling.'
    : 'The numbers overflowed: a step was so large that the next values were no longer finite.';
  const where =
    backTo === undefined
      ? 'The weights are from before the bad step.'
      : `The step before had already damaged the weights, so they are back to step ${backTo}.`;
  const next = `Lower the learning rate (now ${rate}) and continue from there.`;
  return {
    code: 'diverged',
    level: 'error',
    text: `Diverged at step ${step + 1}. ${why} ${where} ${next} (${message.replace(/\. Lower the learning rate .*$/s, '')})`,
  };
}

/** A warning of a run: of units that are saturated or dead it also says why. */
export function warningNotice({ code, message, step }: WarningEvent, { activation, lr }: Config): Notice {
  if (code !== 'notLearning') return { code: 'info', level: 'warning', text: message };
  const why =
    activation === 'sigmoid' || activation === 'tanh'
      ? 'Its units are saturated: the steps were so large that they ended on the flat ends of their curves, where the gradient is nearly 0. Nothing overflows, learning just stops.'
      : 'Its units are dead: they output 0 for every input, and a unit that outputs 0 has no gradient.';
  const next = `Lower the learning rate (set to ${lr}) and reset.`;
  return {
    code: 'not-learning',
    level: 'warning',
    text: `Not learning by step ${step}. ${why} ${next} (${message.replace(/\. Lower the learning rate .*$/s, '')})`,
  };
}

const OUT_OF_MEMORY = /no memory for|largest buffer|out of memory/i;

/** Whether an error is about lack of memory. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && OUT_OF_MEMORY.test(error.message);
}

/** A device without enough memory; the engine's message names the tensor. */
export function outOfMemoryNotice(error: Error, { batch }: Config): Notice {
  const smaller = batch > 1 ? ` Try a batch of ${Math.max(1, Math.floor(batch / 2))}.` : ' Try a narrower network.';
  return { code: 'out-of-memory', level: 'error', text: `${error.message}${smaller}` };
}
