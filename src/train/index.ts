// The Trainer and what goes with it: what users train with.
export type { Values } from '../data/dataset.ts';
export type { Examples } from './batch.ts';
export { describeCheckpoint, type Saved } from './checkpoint.ts';
export type { ClassWeights } from './class-weights.ts';
export type { EvaluateOptions, Evaluation } from './evaluation.ts';
export type {
  Callbacks,
  EpochEvent,
  FitEvent,
  History,
  StepEvent,
  StopReason,
  Validation,
  WarningEvent,
} from './events.ts';
export { loadCheckpoint, loadWeights, saveCheckpoint, saveWeights } from './files.ts';
export type { Inspection } from './inspection.ts';
export type { LoadedWeights, LoadWeightsOptions } from './load-weights.ts';
export { type Network, network } from './network.ts';
export { type NetworkDescription, networkText } from './network-description.ts';
export { networkOf } from './network-file.ts';
export type { DensePreset, Preset } from './preset.ts';
export * as presets from './presets.ts';
export type { EarlyStopping, FitOptions, Run } from './run.ts';
export {
  readSafetensors,
  type Safetensors,
  type StoredTensor,
  type TensorToStore,
  writeSafetensors,
} from './safetensors.ts';
export type { ParameterInfo, Snapshot } from './state.ts';
export type { BatchEvent } from './step-event.ts';
export type { StoredArrays, StoredDtype } from './stored-dtypes.ts';
export type { LossWeights, Metric, Model, ModelOf } from './task.ts';
export type { Targets } from './train-on-batch.ts';
export { type AnyTrainer, type ArraysOf, Trainer, type TrainerOptions } from './trainer.ts';
export type { TrainingRun } from './training-run.ts';
export type { Weights } from './weights.ts';
