// A step's event, from its row of the ring.
import type { StepEvent } from './events.ts';
import type { StepRates } from './rates.ts';
import { RING, type State } from './state.ts';
import type { TrainingStep } from './step.ts';
import { reported, type Task } from './task.ts';

/** The event of a step of trainOnBatch: without a data set there are no epochs. */
export type BatchEvent = Omit<StepEvent, 'epoch'>;

/** What is known about a step besides its metrics; `step` counts the steps before it. */
interface Place extends StepRates {
  readonly step: number;
  readonly epoch?: number;
}

/** The event of a step whose row is in `ring`. */
export function eventOf(
  { state, task }: { readonly state: State; readonly task: Task },
  ring: ArrayLike<number>,
  traced: TrainingStep,
  place: Place,
): BatchEvent {
  const { step, epoch, learningRate, learningRates } = place;
  const row = (step % RING) * state.ring.shape[1]!;
  const all = Object.fromEntries(traced.metrics.map((name, column) => [name, ring[row + column]!]));
  return {
    type: 'step',
    step: step + 1,
    ...(epoch !== undefined && { epoch }),
    ...reported(task, all),
    learningRate,
    ...(learningRates && { learningRates }),
  };
}
