// A training step on a given batch, as for streams or reinforcement learning. The batch's values are inputs of a program that is cached
// for batches of the same shapes; everything else is as in the steps of a run.
import { checkBinaryBytes } from '../data/binary-bytes.ts';
import { kindOfTargets, type Values } from '../data/dataset.ts';
import { flatten, type GivenArray, isTyped, type NestedNumbers } from '../data/given.ts';
import { areWhole, labelsFrom } from '../data/stored.ts';
import { kindOf } from '../graph/dtype.ts';
import { DataError, OptionError, ShapeError } from '../graph/errors.ts';
import { compiledFor } from '../graph/memory-error.ts';
import { mapParts, type Nested, partName } from '../graph/nested.ts';
import { formatShape } from '../graph/shape.ts';
import type { Loss } from '../loss/loss.ts';
import { type Examples, feedsOf, specsOf, toArray } from './batch.ts';
import { explain } from './divergence.ts';
import type { Running } from './fit.ts';
import type { StepProgram } from './programs.ts';
import { traceStep } from './step.ts';
import { type BatchEvent, eventOf } from './step-event.ts';
import { allLabels, targetsOf } from './targets.ts';
import { outputsOf, type Task } from './task.ts';

/** One tensor of targets: one class index per example, or rows of numbers. */
export type TargetsPart = Values | NestedNumbers | GivenArray;

/** The targets of a batch: those of one output, or of several by name or in order. */
export type Targets = TargetsPart | Readonly<Record<string, TargetsPart>> | readonly Values[];

/** Schedules count all steps of the trainer; the run's length is unknown. */
const ENDLESS = { start: 0 };

/** The targets of `size` examples as values: one whole number per example is a class index; floats and rows are numbers. */
export function targetsGiven(given: Targets, size: number, task: Pick<Task, 'loss' | 'heads'>): Nested<Values> {
  if (given === undefined)
    throw new OptionError('trainOnBatch: y is missing. Give x and y: of a data set trainOnBatch(data.x, data.y).');
  const outputs = outputsOf(task);
  return mapParts(given as Nested<TargetsPart>, (part, name) => {
    const loss = outputs.find((output) => output.name === name)?.loss ?? {};
    return partGiven(partName('y', name), part, size, loss);
  });
}

function partGiven(what: string, given: TargetsPart, size: number, loss: Pick<Loss, 'ignoreIndex'>): Values {
  const flat = Array.isArray(given) || isTyped(given);
  const y = flat ? flatTargets(what, given as NestedNumbers | GivenArray, size, loss) : (given as Values);
  toArray(what, y);
  if (y.shape[0] === size) return y;
  throw new DataError(
    `trainOnBatch: x has ${size} examples, but ${what} has shape ${formatShape(y.shape)}. Give one target for each example.`,
  );
}

function flatTargets(
  what: string,
  given: NestedNumbers | GivenArray,
  size: number,
  { ignoreIndex }: Pick<Loss, 'ignoreIndex'>,
): Values {
  const { shape, data } = flatten(what, given);
  const rows = shape.length === 1 && shape[0]! % size === 0 && shape[0] !== size ? [size, shape[0]! / size] : shape;
  if (shape.length > 1 || (isTyped(given) && (kindOf(given) ?? '').startsWith('Float'))) {
    const dense = rows.length === 1 && rows[0] === size ? [size, 1] : rows;
    if (!(data instanceof Uint8Array)) return { shape: dense, data: Float32Array.from(data) };
    checkBinaryBytes(what, data, 'batch');
    return { shape: dense, data };
  }
  const bad = data.findIndex((v: number) => !(Number.isInteger(v) && v >= 0 && v < 2 ** 32) && v !== ignoreIndex);
  if (bad < 0) return { shape: rows, data: labelsFrom('batch', data, 1, ignoreIndex), targets: 'classes' };
  throw new DataError(
    `${what}: ${data[bad]} of example ${Math.floor(bad / (data.length / rows[0]!))} is not a class index. Give whole numbers from 0; for regression, give rows, [[${data[bad]}], …], or in a Float32Array.`,
  );
}

/** The error; where a loss of classes was given whole numbers that were read as values, with how to give class indices. */
function asClasses(error: ShapeError, task: Pick<Task, 'loss' | 'heads'>, batch: Examples): ShapeError {
  const targets = targetsOf(batch);
  for (const { name, loss } of outputsOf(task)) {
    const y = targets.get(name)?.y;
    if (loss.classes !== true || !y || y.shape.length < 2 || kindOfTargets(y) === 'classes' || !areWhole(y.data))
      continue;
    const shape = formatShape(y.shape);
    return new ShapeError(
      `${error.message} ${partName('y', name)} was read as numbers: give class indices as { shape: ${shape}, data: Uint32Array.from(…) }, or an Int32Array.`,
    );
  }
  return error;
}

/** A program, and the largest number of classes in its labels so far. */
interface BatchProgram extends StepProgram {
  /** By output. */
  classes: readonly number[];
  dispose(): void;
}

/**
 * One step on a batch: its event, and the dispatches it took.
 * @throws DivergenceError if a value is not finite; the State is then unchanged.
 */
export async function trainOnBatch(
  trainer: Running,
  batch: Examples,
): Promise<{ event: BatchEvent; dispatches: number }> {
  const { executor, state, programs, rates, recorder, life, step } = trainer;
  const own = rates.at(step, ENDLESS);
  const { learningRate } = own;
  const owner = {};
  try {
    const { program, traced } = await programOf(trainer, batch, owner);
    life.check();
    rates.write(state, step, 1, ENDLESS);
    const inputs = feedsOf(batch);
    const [ring, status] = await program.submit(1, [state.ring, state.status], inputs).values();
    if (status![0] !== 0) {
      const error = await explain(executor, state, { step, learningRate, traced, inputs });
      state.storage.write(state.status, new Uint32Array(1)); // The failed step changed nothing else.
      throw error;
    }
    trainer.step++;
    const event = eventOf(trainer, ring!, traced, { step, ...own });
    recorder.step(event);
    return { event, dispatches: program.dispatches };
  } finally {
    programs.release(owner);
  }
}

async function programOf({ executor, state, task, programs }: Running, data: Examples, owner: object) {
  const trace = () => {
    try {
      return traceStep(state, task, data, undefined, data.size);
    } catch (error) {
      throw error instanceof ShapeError ? asClasses(error, task, data) : error;
    }
  };
  const classes = [...allLabels(task, data).values()].map((labels) => labels?.classes ?? 0);
  const key = `train on ${JSON.stringify(data.scale)} ${specsOf(data)}`;
  const make = async (): Promise<BatchProgram> => {
    const traced = trace();
    const options = {
      storages: [state.storage],
      inputs: Object.keys(feedsOf(data)),
      label: `train on a batch [${data.size}]`,
    };
    const program = await compiledFor(data.size, executor.compile(traced.recipe, options));
    return { traced, program, classes, dispose: () => program.dispose() };
  };
  const made = await programs.ofInputs(key, make, owner);
  const more = classes.map((count, k) => Math.max(count, made.classes[k]!));
  if (more.some((count, k) => count > made.classes[k]!)) trace(); // rejects labels without an output of the model
  made.classes = more;
  return made;
}
