// Thalweg for pages, and for anything without Node: everything the package exports. `thalweg/node` adds Dawn and files.

import './ops/methods.ts';

export { grad, valueAndGrad, whyNoGradient } from './autodiff/grad.ts';
export type { AdapterSummary, Backend, BackendOptions, Traced, TraceOptions } from './backend.ts';
export { createCpuBackend } from './backend.ts';
export { arrayDataset, type MultiArrayOptions } from './data/array.ts';
export type { ArrayDatasetOptions, DataPair, DataSet, MultiDataSet } from './data/dataset.ts';
export { rescaled } from './data/dataset.ts';
export * as datasets from './data/datasets.ts';
export type { WebMnistOptions } from './data/mnist-web.ts';
export { type SplitOptions, split } from './data/split.ts';
export { type ExplainOptions, explain } from './explain/explain.ts';
export { type ExplainStepOptions, explainStep } from './explain/explain-step.ts';
export type {
  AccessExplanation,
  BindingExplanation,
  BufferExplanation,
  DispatchExplanation,
  Explanation,
  KernelExplanation,
  ValueExplanation,
} from './explain/explanation.ts';
export {
  type GradcheckOptions,
  type GradcheckReport,
  type GradcheckRow,
  gradcheck,
} from './explain/gradcheck.ts';
export { type Landscape, type LandscapeOptions, landscape } from './explain/landscape.ts';
export { type LrFind, type LrFindOptions, lrFind } from './explain/lr-find.ts';
export { type Perturbation, type PerturbOptions, perturb } from './explain/perturb.ts';
export type { PlanePoint } from './explain/plane.ts';
export type { AdapterChoice, AdapterReport, DeviceKind } from './gpu/report.ts';
export type { AdapterClass } from './graph/adapter-classes.ts';
export type { Capabilities, Feature } from './graph/capabilities.ts';
export type { DType, HostArray, Precision } from './graph/dtype.ts';
export {
  CheckpointError,
  DataError,
  DeviceError,
  DivergenceError,
  OptionError,
  ShaderError,
  ShapeError,
} from './graph/errors.ts';
export type {
  CompileOptions,
  Counters,
  Executor,
  Guard,
  Program,
  Recipe,
  Storage,
  Ticket,
  VariableGroup,
} from './graph/executor.ts';
export type {
  Declaration,
  KernelSpec,
  KernelText,
  OpaqueKernel,
  RowSpec,
  Scratch,
  SharedArray,
} from './graph/kernel.ts';
export type { Nested } from './graph/nested.ts';
export type { KernelScope, MapScope, NdArray, Op, RowScope, Spec } from './graph/op.ts';
export { variablesOf } from './graph/paths.ts';
export type { Shape } from './graph/shape.ts';
export type { Initializer } from './graph/tensor.ts';
export { apply, apply1, constant, full, input, resident, Tensor, Variable } from './graph/tensor.ts';
export { assign, capture, isTraining } from './graph/trace.ts';
export type { ProductWork, Tuning, TuningEntry, TuningReport, Work } from './graph/tuning.ts';
export * as losses from './loss/index.ts';
export type { Loss, LossFunction, LossOptions } from './loss/loss.ts';
export { defineLoss } from './loss/loss.ts';
export * as nn from './nn/index.ts';
export * from './ops/index.ts';
export * as optim from './optim/index.ts';
export * from './train/index.ts';
export { createBackend } from './web.ts';
