// The parts of a trainer that functions of a trainer use (saving, inspecting): its State, task and programs, and data prepared as for
// training. Not public.
import type { Values } from '../data/dataset.ts';
import { OptionError } from '../graph/errors.ts';
import { mapParts } from '../graph/nested.ts';
import { show } from '../graph/options.ts';
import type { Examples } from './batch.ts';
import type { Running } from './fit.ts';
import { type Looked, rowsOf } from './inspection.ts';
import type { State } from './state.ts';

export interface Inside {
  readonly running: Running;
  /** @throws OptionError, naming the call `what`, while a run or trainOnBatch is in progress. */
  idle(what: string): void;
  /** Drops the programs, before variables move. @throws OptionError while another call is in progress. */
  dropPrograms(what: string): void;
  /** Warns once, naming the call `what`, of a run that never started. */
  warnOfUnstartedRun(what: string): void;
  /** The data of the last run. */
  lastData(): Examples | undefined;
  /** Another State of the same model and optimizer, at its initial values. */
  newState(): State;
  /** Data with the model's scale of bytes, to evaluate on or to train on. @throws OptionError if its own scale differs. */
  asJudged(data: Examples): Examples;
  asTrained(data: Examples): Examples;
}

const insides = new WeakMap<object, Inside>();

export function shareInside(trainer: object, inside: Inside): void {
  insides.set(trainer, inside);
}

/** @throws OptionError if `trainer` is not a trainer; DeviceError if it was disposed. */
export function insideOf(what: string, trainer: object): Inside {
  const inside = insides.get(trainer ?? {});
  if (!inside) throw new OptionError(`${what}: the trainer is ${show(trainer)}. Pass a trainer: new Trainer(…).`);
  inside.running.life.check();
  return inside;
}

/** The first rows of `data`, or of the last run's. @throws OptionError if there is neither. */
export function firstRows(
  what: string,
  { lastData, asJudged }: Inside,
  data: Examples | undefined,
  rows: number,
): Looked {
  const given = data === undefined ? lastData() : data;
  if (!given) throw new OptionError(`${what}: the trainer has not seen data yet. Pass a data set.`);
  const { x, y, scale, size } = asJudged(given);
  const first = (values: Values) => rowsOf(values, 0, Math.min(rows, size));
  return { x: mapParts(x, first), y: mapParts(y, first), scale };
}
