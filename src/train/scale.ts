// How bytes become numbers, `(x / 255 - mean) / std`: the scale belongs to the model that learnt with it, so it travels with the
// weights, and bytes are never read by a guess.
import { type ByteScale, isBytes, isScale, kindOfTargets, PLAIN } from '../data/dataset.ts';
import { CheckpointError, OptionError } from '../graph/errors.ts';
import type { Loss } from '../loss/loss.ts';
import { checkExamples, type Examples, ownExamples, type Values } from './batch.ts';
import { withClassWeights } from './class-weights.ts';
import type { FitOptions } from './run.ts';

/** Where files of weights keep it, as JSON. */
const SCALE_KEY = 'thalweg.scale';

/** A scale as a file's metadata. */
export function scaleMetadata(scale: ByteScale | undefined): Record<string, string> {
  return scale !== undefined ? { [SCALE_KEY]: JSON.stringify(scale) } : {};
}

/** The scale in the metadata of a file of weights. @throws CheckpointError where it is damaged. */
export function scaleIn(metadata: Readonly<Record<string, string>>, file: string): ByteScale | undefined {
  const text = metadata[SCALE_KEY];
  if (text === undefined) return undefined;
  try {
    const scale: unknown = JSON.parse(text);
    if (scale === false) return false;
    if (isScale(scale)) return { mean: scale.mean, std: scale.std };
  } catch {}
  throw new CheckpointError(
    `${file}: the metadata is damaged: "${SCALE_KEY}" is no mean and std. Use an undamaged copy.`,
  );
}

/** Whether examples or targets are bytes that are read by a scale: class indices are not. */
export function hasBytes(x: Values | undefined, y: Values | undefined): boolean {
  return isBytes(x) || (isBytes(y) && kindOfTargets(y!) === 'values');
}

/**
 * The scale that bytes are read by: their own, or the model's where they have none.
 * @throws OptionError where neither is known, or the two differ.
 */
function agreedScale(what: string, own: ByteScale | undefined, model: ByteScale | undefined): ByteScale {
  const scale = own ?? model;
  if (scale === undefined)
    throw new OptionError(
      `${what}: these are bytes, and how they become numbers is not known: neither do they have a scale, nor was the model trained on bytes or loaded from a file with a scale. Give floats, or a data set, whose x has its scale.`,
    );
  if (own !== undefined && model !== undefined && text(own) !== text(model)) {
    const wanted = model ? `{ mean: ${model.mean}, std: ${model.std} }` : 'false';
    throw new OptionError(
      `${what}: its bytes have the scale ${text(own)}, and the model learnt with ${text(model)}. Make the data with scale: ${wanted}.`,
    );
  }
  return scale;
}

function text(scale: ByteScale): string {
  return scale ? `(x / 255 - ${scale.mean}) / ${scale.std}` : 'false';
}

/** The scale of a batch to be predicted or inspected. */
export function scaleOfBatch(x: Values, y: Values | undefined, model: ByteScale | undefined): ByteScale | undefined {
  return hasBytes(x, y) ? agreedScale('x', x.scale ?? y?.scale, model) : undefined;
}

/** A data set as it is now, with the scale that its bytes are read by. @throws as {@link agreedScale}, and checkExamples. */
export function asJudged(given: Examples, model: ByteScale | undefined): Examples {
  checkExamples(given);
  const data = ownExamples(given);
  if (!hasBytes(data.x, data.y)) return data;
  const scale = agreedScale(data.name ?? 'data', data.scale, model);
  return scale === data.scale ? data : { ...data, scale };
}

/**
 * The same of a run's data, with the weights of its classes, and of its validation. A new run may bring another scale, which the
 * model then learns with.
 */
export function asTrained(given: Examples, options: FitOptions, model: ByteScale | undefined, loss: Loss) {
  const own = asJudged(given, options.resume ? model : (given?.scale ?? model ?? PLAIN));
  const data = withClassWeights(own, options.classWeights, loss);
  if (!options.validation) return { data, options };
  const scale = hasBytes(data.x, data.y) ? data.scale : model;
  return { data, options: { ...options, validation: asJudged(options.validation, scale) } };
}
