// Thalweg for pages, and for anything without Node: what a program that trains needs. Every op as a function is in `thalweg/ops`;
// `thalweg/node` adds Dawn and files.

import './ops/methods.ts';

export { grad, valueAndGrad } from './autodiff/grad.ts';
export type {
  AdapterSummary,
  AllocateOptions,
  Backend,
  BackendOptions,
  CpuBackendOptions,
  Traced,
  TraceOptions,
} from './backend.ts';
export { createCpuBackend } from './backend.ts';
export type { MultiArrayOptions } from './data/array.ts';
export type {
  Augmentation,
  Augmenter,
  AugmentOptions,
  CropOptions,
  FlipProbabilities,
} from './data/augmentation.ts';
export type { Cifar100Options, CifarSets } from './data/cifar.ts';
export type { NamedFile } from './data/cifar-web.ts';
export type { ArrayDatasetOptions, DataPair, DataSet, MultiDataSet, Scale } from './data/dataset.ts';
export * as datasets from './data/datasets.ts';
export type { DigitsOptions } from './data/digits.ts';
export type { NestedNumbers } from './data/given.ts';
export type { ImagesOptions } from './data/image-options.ts';
export type { ImageSets } from './data/image-sets.ts';
export type { ImageFile, ImagePixels, LabelledImage } from './data/images-web.ts';
export type { WebMnistOptions } from './data/mnist-web.ts';
export type { PreviewOptions } from './data/preview.ts';
export type { SplitOptions } from './data/split.ts';
export { type ExplainOptions, explain } from './explain/explain.ts';
export { type ExplainStepOptions, explainStep } from './explain/explain-step.ts';
export type { Explanation } from './explain/explanation.ts';
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
export type { Program, Storage, Ticket } from './graph/executor.ts';
export type { Nested } from './graph/nested.ts';
export type { ConstantOptions } from './graph/numbers.ts';
export type { NdArray, Spec } from './graph/op.ts';
export type { PathMatch, PathPattern } from './graph/path-match.ts';
export { type NamedVariable, variablesOf } from './graph/paths.ts';
export type { Shape } from './graph/shape.ts';
export type { Initializer, VariableOptions } from './graph/tensor.ts';
export { constant, full, resident, Tensor, Variable } from './graph/tensor.ts';
export { assign, capture, isTraining } from './graph/trace.ts';
export type { Tuning, TuningReport } from './graph/tuning.ts';
export type { NestedValue, ValueOptions } from './graph/value.ts';
export * as losses from './loss/index.ts';
export type { Loss, LossFunction, LossOptions } from './loss/loss.ts';
export { defineLoss } from './loss/loss.ts';
export * as nn from './nn/index.ts';
export * as optim from './optim/index.ts';
export * from './train/index.ts';
export { createBackend } from './web.ts';
