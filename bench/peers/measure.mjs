// One measurement in a process of its own, which run.mjs forks: a job comes in as a message, the answer goes out as one. What a
// library computes is held against doubles first; where it is wrong, nothing is timed.
import { median } from './figures.mjs';
import { matricesOf } from './problem.mjs';
import { lossObjection, productError, productObjection } from './reference.mjs';

/**
 * @typedef {object} Job
 * @property {import('./cases.mjs').Contender} contender
 * @property {import('./cases.mjs').Case} kase
 * @property {import('./thalweg.mjs').Adapter | undefined} adapter undefined on the CPU
 * @property {string | undefined} data a folder of IDX files
 * @property {number} steps steps in a block, where the case trains
 * @property {number} seconds the shortest time to measure
 * @property {readonly number[] | undefined} losses what they must be before any step and after 20; undefined where nothing computes
 *
 * @typedef {object} Answer
 * @property {number} value the median of the blocks, in the unit of the case
 * @property {readonly number[]} [losses] before any step and after 20
 * @property {number} [error] of a product, in units of √N
 * @property {number} [process] microseconds of processor time a step
 * @property {number} [dispatches] a step
 */

/** The fewest blocks that are timed. */
const BLOCKS = 3;
/** A block of products takes about so long, in milliseconds. */
const PRODUCTS_MS = 250;
const MOST_PRODUCTS = 400;

/** @param {Job} job @returns {Promise<Answer>} */
async function measure(job) {
  const { contender, kase } = job;
  if (kase.kind === 'host') {
    const { hostCost } = await import('./thalweg.mjs');
    const { submit, ...rest } = await hostCost(job);
    return { value: median(submit), ...rest };
  }
  const { open } = await import(`./${contender.library}.mjs`);
  const { warmUp, block } = await open(job);
  const found = check(job, await warmUp());
  const steps = kase.kind === 'matmul' ? await stepsOf(block) : job.steps;
  await block(steps);
  const times = [];
  const began = performance.now();
  while (times.length < BLOCKS || performance.now() - began < job.seconds * 1000) times.push(await block(steps));
  const perSecond = (1000 * steps) / median(times);
  return { ...found, value: kase.kind === 'matmul' ? (perSecond * 2 * kase.N ** 3) / 1e9 : perSecond };
}

/** Holds what the warm-up gave against doubles. @throws where it is wrong */
function check({ kase, losses }, found) {
  if (kase.kind === 'training') {
    const objection = losses === undefined ? undefined : lossObjection(found, losses);
    if (objection) throw new Error(objection);
    return { losses: found };
  }
  const error = productError(found, matricesOf(kase.N), kase.N);
  const objection = productObjection(error);
  if (objection) throw new Error(objection);
  return { error };
}

/** How many products make a block, by the second of two. */
async function stepsOf(block) {
  await block(1);
  const ms = await block(1);
  return Math.max(1, Math.min(MOST_PRODUCTS, Math.round(PRODUCTS_MS / ms)));
}

/** What run.mjs asks for: a measurement, or the adapter that Thalweg takes. */
async function answer(message) {
  if (message.kind === 'measure') return measure(message.job);
  const { findAdapter } = await import('./thalweg.mjs');
  return findAdapter(message.adapter);
}

// Nobody waits for the answer any more.
process.once('disconnect', () => process.exit(1));
process.once('message', async (message) => {
  const reply = await answer(message).catch((error) => ({
    failure: String(error?.message ?? error),
    type: error?.name,
  }));
  // Devices that are open would keep the process alive.
  process.send?.(reply, () => process.exit(0));
});
