// The output of a run: the events of its stream, and the history that remains when it ends. Loss, accuracy and metrics are training's;
// validation's are under `validation`.
import type { Evaluation } from './evaluation.ts';

/** One training step, as the ring on the device recorded it. */
export interface StepEvent {
  readonly type: 'step';
  /** Total steps made, over all runs of this State. */
  readonly step: number;
  /** Its epoch, counted from 1. */
  readonly epoch: number;
  /** The batch's loss, before the step's update. */
  readonly loss: number;
  /** The batch's accuracy; absent if the loss scores no classes and no metric has this name. */
  readonly accuracy?: number;
  /** The batch's metrics beside loss and accuracy, by name. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The step's learning rate. */
  readonly learningRate: number;
  /** Of the optimizer's groups in their order; absent if none differs from {@link learningRate}. */
  readonly learningRates?: readonly number[];
}

/** The model's results on the validation set, and the time the evaluation took. */
export interface Validation extends Evaluation {
  /** The time that the evaluation took, in seconds. */
  readonly seconds: number;
}

/** The end of an epoch, or of the part of one that a run ended in. */
export interface EpochEvent {
  readonly type: 'epoch';
  /** The epoch, counted from 1. */
  readonly epoch: number;
  /** The number of epochs of the run, if known. */
  readonly epochs?: number;
  /** Total steps made by the end of the epoch, over all runs of this State. */
  readonly step: number;
  /** False if the run ended before the epoch did. */
  readonly complete: boolean;
  /** Means over the epoch's batches while they were trained on. */
  readonly loss: number;
  /** The mean accuracy; absent if the loss scores no classes and no metric has this name. */
  readonly accuracy?: number;
  /** The means of the metrics beside loss and accuracy, by name. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Results on the validation set after the epoch, if there is one. */
  readonly validation?: Validation;
  /** The learning rate of the epoch's last step. */
  readonly learningRate: number;
  /** Of the optimizer's groups in their order; absent if none differs from {@link learningRate}. */
  readonly learningRates?: readonly number[];
  /** Training time in seconds, excluding validation. */
  readonly seconds: number;
  /** Steps per second of training time. */
  readonly stepsPerSecond: number;
  /** Examples per second of training time. */
  readonly examplesPerSecond: number;
}

/** Something is wrong that does not stop the run. */
export interface WarningEvent {
  readonly type: 'warning';
  /** `diverged`: the loss diverged while `divergence` is 'warn'. `notLogits`: the model ends with a sigmoid or softmax, but the loss takes logits. */
  readonly code: 'notLearning' | 'diverged' | 'notLogits';
  /** Total steps made before the warning, over all runs of this State. */
  readonly step: number;
  /** What is wrong and what to do, as one text. */
  readonly message: string;
}

/** An event of a run, told apart by its `type`. */
export type FitEvent = StepEvent | EpochEvent | WarningEvent;

/** Why a run ended. */
export type StopReason = 'done' | 'aborted' | 'stopped' | 'earlyStopping' | 'targetAccuracy' | 'diverged' | 'failed';

/** Functions that a run calls, and awaits, at its events; `onEnd` however it ends, even by a lost device. */
export interface Callbacks {
  /** Called after each step. */
  readonly onStep?: ((event: StepEvent) => void | Promise<void>) | undefined;
  /** Called at the end of each epoch, after its validation. */
  readonly onEpoch?: ((event: EpochEvent) => void | Promise<void>) | undefined;
  /** Called for each warning. */
  readonly onWarning?: ((event: WarningEvent) => void | Promise<void>) | undefined;
  /** Called once, when the run has ended. */
  readonly onEnd?: ((reason: StopReason) => void | Promise<void>) | undefined;
}

/** What happened in all runs of a trainer. */
export interface History {
  /**
   * Per step, index by index; `accuracy` is empty where there is none, and `metrics` has a list for each by name. Beyond 100,000 steps, and beyond 10,000 epochs, every second entry
   * is kept (then every fourth …), and always the first and the last; `step` says which.
   */
  readonly steps: {
    readonly step: number[];
    readonly loss: number[];
    readonly accuracy: number[];
    readonly metrics: Readonly<Record<string, number[]>>;
  };
  /** The epochs; of very long histories every second, fourth … one. */
  readonly epochs: EpochEvent[];
  /** Learning rates set by hand, or 'schedule' where that was set again, and the number of steps made before each took effect. */
  readonly rates: { readonly step: number; readonly learningRate: number | 'schedule' }[];
  /** The warnings of all runs. */
  readonly warnings: WarningEvent[];
  /** Why the last run ended. */
  stopped?: StopReason;
}

export function newHistory(): History {
  return { steps: { step: [], loss: [], accuracy: [], metrics: {} }, epochs: [], rates: [], warnings: [] };
}
