// What a trainer shows to functions that take one, which save it or look into its network: its State, task and programs, and data as
// it would train on it. Not a part of the package's surface.
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
  /** @throws OptionError, by the name of a call, while a run or a batch is under way. */
  idle(what: string): void;
  /** Drops the programs, before variables lie elsewhere. @throws OptionError while another call is under way. */
  leavePrograms(what: string): void;
  /** Warns once, by the name of a call, of a run that was made and never begun. */
  tellOfWaiting(what: string): void;
  /** The data of the last run. */
  lastData(): Examples | undefined;
  /** Another State of the same model and optimizer, at its initial values. */
  newState(): State;
  /** Data whose bytes are scaled as the model's are, or refused: to be judged by, or to train on. */
  asJudged(data: Examples): Examples;
  asTrained(data: Examples): Examples;
}

const insides = new WeakMap<object, Inside>();

export function shareInside(trainer: object, inside: Inside): void {
  insides.set(trainer, inside);
}

/** @throws OptionError where `trainer` is none; DeviceError where it was disposed. */
export function insideOf(what: string, trainer: object): Inside {
  const inside = insides.get(trainer ?? {});
  if (!inside) throw new OptionError(`${what}: the trainer is ${show(trainer)}. Pass a trainer: new Trainer(…).`);
  inside.running.life.check();
  return inside;
}

/** The first rows of `data`, or of the last run's. @throws OptionError where there is neither. */
export function firstRows(
  what: string,
  { lastData, asJudged }: Inside,
  data: Examples | undefined,
  rows: number,
): Looked {
  const given = data === undefined ? lastData() : data;
  if (!given) throw new OptionError(`${what}: no data was seen yet. Give it a data set.`);
  const { x, y, scale, size } = asJudged(given);
  const first = (values: Values) => rowsOf(values, 0, Math.min(rows, size));
  return { x: mapParts(x, first), y: mapParts(y, first), scale };
}
