// Explains a training step for any adapter, without a device: the step is traced as by a Trainer, and planned only.
import type { Backend } from '../backend.ts';
import { GpuExecutor } from '../compile/executor.ts';
import { ADAPTER_CLASSES, type AdapterClass } from '../graph/adapter-classes.ts';
import type { Capabilities } from '../graph/capabilities.ts';
import { OptionError } from '../graph/errors.ts';
import { BOOLEAN, COUNT, checkOptions, type Schema, STRING, show } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import type { Examples } from '../train/batch.ts';
import { orderOf, planRun } from '../train/run.ts';
import { State } from '../train/state.ts';
import { traceStep } from '../train/step.ts';
import { type LossOf, type LossWeights, type ModelOf, type TaskOptions, taskOf, widthOf } from '../train/task.ts';
import { explainRecipe } from './explain-recipe.ts';
import type { Explanation } from './explanation.ts';
import { PlanExecutor } from './plan-executor.ts';
import { namesOf } from './state-names.ts';

/** A training step, in terms of {@link TrainerOptions}, and the adapter to compile it for. */
export interface ExplainStepOptions<Y extends object = Tensor, X extends object = Tensor> {
  /** As in {@link TrainerOptions}. */
  readonly model: ModelOf<X, Y>;
  /** As in {@link TrainerOptions}. */
  readonly loss: LossOf<Y>;
  /** As in {@link TrainerOptions}. */
  readonly lossWeights?: LossWeights | undefined;
  /** As in {@link TrainerOptions}. */
  readonly optimizer: Optimizer;
  /** Its shapes and dtypes determine the plan; its values do not matter. */
  readonly data: Examples;
  /** Examples per step. Default: that of `fit`. */
  readonly batchSize?: number | undefined;
  /** A class of adapters (`webgpu-default`, `software`, `gpu`), or a GPU backend, whose adapter is queried but not used. */
  readonly as: AdapterClass | Backend | Capabilities;
  /** As in {@link createBackend}. */
  readonly fuse?: boolean | undefined;
  /** As in {@link createBackend}. */
  readonly persistent?: boolean | undefined;
  /** The program's name. Default `step`. */
  readonly title?: string | undefined;
}

const SCHEMA = {
  model: true,
  loss: true,
  lossWeights: true,
  optimizer: true,
  data: true,
  batchSize: COUNT,
  as: true,
  fuse: BOOLEAN,
  persistent: BOOLEAN,
  title: [STRING, 'step'],
} satisfies Schema<ExplainStepOptions>;

/**
 * How the compiler plans a training step; see {@link explain}. Nothing runs, and no device is needed. @throws OptionError for the CPU
 * backend and for unknown classes.
 */
export function explainStep<Y extends object = Tensor, X extends object = Tensor>(
  options: ExplainStepOptions<Y, X>,
  ...extra: never[]
): Explanation {
  const checked = checkOptions('explainStep', options, SCHEMA, extra);
  const { model, optimizer, data, batchSize, as, fuse, persistent, title } = checked;
  const task = taskOf('explainStep', options as TaskOptions);
  const executor = new PlanExecutor(capabilitiesOf(as));
  const state = new State(executor, { model, optimizer, seed: 0, metrics: widthOf(task) });
  const run = planRun(data, { batchSize }, 0, undefined);
  if (batchSize !== undefined && batchSize > run.batchSize)
    throw new OptionError(
      `explainStep: batchSize is ${batchSize}, and ${run.dataName} has ${run.size} examples. Use at most ${run.size}.`,
    );
  const { recipe } = traceStep(state, task, data, orderOf(run), run.batchSize);
  return explainRecipe(title, recipe, executor.target({ fuse, persistent }), namesOf(state));
}

function capabilitiesOf(as: ExplainStepOptions['as']): Capabilities {
  if (typeof as === 'string') {
    if (Object.hasOwn(ADAPTER_CLASSES, as)) return ADAPTER_CLASSES[as];
    throw new OptionError(`explainStep: as is ${as}. Use ${Object.keys(ADAPTER_CLASSES).join(', ')} or a GPU backend.`);
  }
  if (typeof as !== 'object' || as === null || !('executor' in as || 'maxStorageBuffersPerShaderStage' in as))
    throw new OptionError(
      `explainStep: as is ${show(as)}. Use ${Object.keys(ADAPTER_CLASSES).join(', ')} or a GPU backend.`,
    );
  if (!('executor' in as)) return as;
  if (as.executor instanceof GpuExecutor) return as.executor.capabilities;
  throw new OptionError(
    `explainStep: the backend given as \`as\` is the CPU, which has no dispatches. Use ${Object.keys(ADAPTER_CLASSES).join(', ')} or a GPU backend.`,
  );
}
