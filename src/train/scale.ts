// How bytes become numbers, `(x / 255 - mean) / std`: the scale belongs to the model trained with it, so it is saved with the weights,
// and never guessed.
import {
  type ByteScale,
  isBytes,
  isScale,
  kindOfTargets,
  type PerChannel,
  PLAIN,
  type Scale,
  type Values,
} from '../data/dataset.ts';
import { CheckpointError, OptionError } from '../graph/errors.ts';
import type { Loss } from '../loss/loss.ts';
import { checkExamples, type Examples, ownExamples } from './batch.ts';
import { withClassWeights } from './class-weights.ts';
import type { Looked } from './inspection.ts';
import { hasSeveral, isPartScales, type ModelScale, partScalesOf, scaleAt, withPartScales } from './part-scales.ts';
import type { FitOptions } from './run.ts';

/** The metadata keys in files of weights, as JSON: for one tensor, or for several by name. */
const [SCALE_KEY, SCALES_KEY] = ['thalweg.scale', 'thalweg.scales'];

/** A scale as a file's metadata. */
export function scaleMetadata(scale: ModelScale | undefined): Record<string, string> {
  return scale !== undefined ? { [isPartScales(scale) ? SCALES_KEY : SCALE_KEY]: JSON.stringify(scale) } : {};
}

/** The scale in the metadata of a file of weights. @throws CheckpointError if it is damaged. */
export function scaleIn(metadata: Readonly<Record<string, string>>, file: string): ModelScale | undefined {
  const key = metadata[SCALES_KEY] === undefined ? SCALE_KEY : SCALES_KEY;
  const text = metadata[key];
  if (text === undefined) return undefined;
  try {
    const scale: unknown = JSON.parse(text);
    if (key === SCALES_KEY ? isPartScales(scale) : scale === false) return scale as ModelScale;
    if (key === SCALE_KEY && isScale(scale)) return { mean: scale.mean, std: scale.std };
  } catch {}
  throw new CheckpointError(`${file}: the metadata is damaged: "${key}" is not a mean and std. Use an undamaged copy.`);
}

/** Whether examples or targets are bytes read by a scale; class indices are not. */
export function hasBytes(x: Values | undefined, y: Values | undefined): boolean {
  return isBytes(x) || (isBytes(y) && kindOfTargets(y!) === 'values');
}

/**
 * The scale of bytes: their own, or the model's if they have none.
 * @throws OptionError if neither is known, or they differ.
 */
function agreedScale(what: string, own: ByteScale | undefined, model: ByteScale | undefined): ByteScale {
  const scale = own ?? model;
  if (scale === undefined)
    throw new OptionError(
      `${what}: the scale of its bytes is not known: the data has none, and the model was neither trained on bytes nor loaded from a file with a scale. Give floats, or a data set, whose x has its scale.`,
    );
  if (own !== undefined && model !== undefined && text(own) !== text(model)) {
    const wanted = model ? `{ mean: ${shown(model.mean)}, std: ${shown(model.std)} }` : 'false';
    throw new OptionError(
      `${what}: its bytes have the scale ${text(own)}, but the model was trained with ${text(model)}. Make the data with scale: ${wanted}.`,
    );
  }
  return scale;
}

function text(scale: ByteScale): string {
  return scale ? scaleText(scale) : 'false';
}

function shown(v: PerChannel): string {
  return typeof v === 'number' ? `${v}` : `[${v.join(', ')}]`;
}

/** `(x / 255 - 0.1307) / 0.3081` */
export function scaleText({ mean, std }: Scale): string {
  return `(x / 255 - ${shown(mean)}) / ${shown(std)}`;
}

/** A batch with the scale of its bytes: the model's, with which their own must agree. */
export function scaledBatch<B extends Looked>(batch: B, model: ModelScale | undefined): B {
  if (hasSeveral(batch)) return withPartScales(batch, (part, own) => agreedScale(part, own, scaleAt(model, part)));
  const [x, y] = [batch.x as Values, batch.y as Values | undefined];
  const scale = hasBytes(x, y) ? agreedScale('x', x.scale ?? y?.scale, model as ByteScale | undefined) : undefined;
  return { ...batch, scale };
}

/** The same for a batch to train on, whose own scale becomes the model's if that has none. */
export function scaledForTraining<B extends Looked>(batch: B, model: ModelScale | undefined): B {
  if (hasSeveral(batch))
    return withPartScales(batch, (part, own) => agreedScale(part, own, scaleAt(model, part) ?? own ?? PLAIN));
  const [x, y] = [batch.x as Values, batch.y as Values];
  return scaledBatch(batch, model ?? x.scale ?? y.scale ?? PLAIN);
}

/** The scale that a model takes from scaled training data; undefined if there are no bytes. */
export function learntScale(data: Looked): ModelScale | undefined {
  if (hasSeveral(data)) return partScalesOf(data);
  return hasBytes(data.x as Values, data.y as Values) ? data.scale : undefined;
}

/** A data set as it is now, with the scale of its bytes. @throws as {@link agreedScale} and checkExamples. */
export function asJudged(given: Examples, model: ModelScale | undefined): Examples {
  return scaled(given, (what, part, own) => agreedScale(what, own, scaleAt(model, part)));
}

/** Chooses the scale of a tensor, given its own; `what` names it in messages. */
type Choose = (what: string, part: string, own: ByteScale | undefined) => ByteScale;

function scaled(given: Examples, choose: Choose): Examples {
  checkExamples(given);
  const data = ownExamples(given);
  const { name = 'data' } = data;
  if (hasSeveral(data)) {
    const { scale: all, targetScale = all } = data;
    const read = withPartScales(data, (part, own) =>
      choose(`${name} ${part}`, part, own ?? (part.startsWith('x') ? all : targetScale)),
    );
    return { ...read, scale: undefined, targetScale: undefined };
  }
  // Targets with a scale of their own are read by that.
  if (!hasBytes(data.x as Values, data.targetScale === undefined ? (data.y as Values) : undefined)) return data;
  const scale = choose(name, 'x', data.scale);
  return scale === data.scale ? data : { ...data, scale };
}

/**
 * The same for a run's data, with class weights applied, and its validation set. A new run may bring another scale, which becomes the
 * model's.
 */
export function asTrained(given: Examples, options: FitOptions, model: ModelScale | undefined, loss: Loss) {
  const own = options.resume
    ? asJudged(given, model)
    : scaled(given, (_, part, own) => own ?? scaleAt(model, part) ?? PLAIN);
  const data = withClassWeights(own, options.classWeights, loss);
  if (!options.validation) return { data, options };
  return { data, options: { ...options, validation: asJudged(options.validation, learntScale(data) ?? model) } };
}
