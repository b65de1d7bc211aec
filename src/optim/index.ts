// Optimizers, learning-rate schedules and gradient clipping, exported as `optim`.
export { type AdagradOptions, adagrad } from './adagrad.ts';
export { type AdamOptions, adam, adamW } from './adam.ts';
export { type Clip, clipByGlobalNorm, clipByValue, clipGradients, globalNorm } from './clip.ts';
export {
  rateDescription,
  rateFrom,
  type SequenceOptions,
  scheduleFrom,
  sequence,
  type WarmupOptions,
  warmup,
} from './compose.ts';
export {
  describe,
  type GroupDescription,
  type OptimizerDescription,
  optimizerFrom,
  type PatternDescription,
} from './describe.ts';
export type {
  CommonOptions,
  GroupOptions,
  Optimizer,
  ParameterGroup,
  StepValues,
  UpdateRule,
} from './optimizer.ts';
export { type RmsPropOptions, rmsProp } from './rmsprop.ts';
export {
  type CosineOptions,
  constant,
  cosine,
  type ExponentialOptions,
  exponential,
  type LinearOptions,
  linear,
  type OneCycleOptions,
  oneCycle,
  type Rate,
  rateAt,
  type Schedule,
  type ScheduleDescription,
  type StepDecayOptions,
  stepDecay,
} from './schedules.ts';
export { type SgdOptions, sgd } from './sgd.ts';
export { apply, OptimizerState, type OptimizerStateOptions, state } from './state.ts';
