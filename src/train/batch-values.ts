// A batch as people have it, to predict or to train on: values, lists, bare arrays or a data set; of several inputs each of them.
import type { Values } from '../data/dataset.ts';
import { type Flat, flatten, type GivenArray, isTyped, type NestedNumbers, own } from '../data/given.ts';
import { kindOf } from '../graph/dtype.ts';
import { OptionError, ShapeError } from '../graph/errors.ts';
import { isSeveral, listed, mapParts, misnamed, type Nested, partName, severalShapes } from '../graph/nested.ts';
import { formatShape, type Shape, sameShape, sizeOf } from '../graph/shape.ts';
import { type Examples, isHostArray } from './batch.ts';

/** One tensor of a batch: values, or examples as `datasets.array` takes them. */
export type BatchPart = Values | NestedNumbers | GivenArray;

/** A batch as people have it: values, a data set, or examples as `datasets.array` takes them; several of a model of several inputs. */
export type Batch = BatchPart | Pick<Examples, 'x'> | Readonly<Record<string, BatchPart>> | readonly Values[];

/** A batch as values; `examples` are the shapes of one, where they are known. @throws OptionError for inputs of other names. */
export function valuesOf(what: string, batch: Batch, examples: Nested<Shape> | undefined): Nested<Values> {
  const set = setOf(batch, examples);
  if (set) return set;
  const wanted =
    examples && (isSeveral(batch as Nested<BatchPart>) || severalShapes(examples)) ? inputNames(examples) : undefined;
  const wrong = wanted && misnamed(batch, wanted);
  if (wrong)
    throw new OptionError(`${what}: it is ${listed(batch)}, and the model's inputs are ${listed(wanted)}. ${wrong}`);
  return mapParts(batch as Nested<BatchPart>, (part, name) =>
    partValues(partName(what, name), part, name === undefined ? (examples as Shape) : partShape(examples, name)),
  );
}

/** The x of a data set that is given for a batch. */
function setOf(batch: Batch, examples: Nested<Shape> | undefined): Nested<Values> | undefined {
  if (Array.isArray(batch) || isTyped(batch)) return undefined;
  const { x } = (batch ?? {}) as Partial<Pick<Examples, 'x'>>;
  // A model may have an input called x.
  const input = severalShapes(examples) && Object.hasOwn(examples, 'x') && !('size' in batch);
  return input ? undefined : x;
}

/** The shapes of an example of each input. */
export function shapesOf(x: Nested<Values>): Nested<Shape> {
  return mapParts(x, ({ shape }) => shape.slice(1));
}

function partShape(shapes: Nested<Shape> | undefined, name: string): Shape | undefined {
  return severalShapes(shapes) ? (shapes as Readonly<Record<string, Shape>>)[name] : undefined;
}

/** The inputs of these shapes, as a structure of which only the names matter. */
function inputNames(shapes: Nested<Shape>): Nested<object> {
  if (!severalShapes(shapes)) return {};
  return Object.fromEntries(Object.keys(shapes).map((name) => [name, {}]));
}

/**
 * What `run` gives for x. Where that fails of a shape and examples are not as the model knows them, which is no mistake in itself (texts
 * may be shorter), x is what does not fit.
 */
export async function fitting<T>(
  x: Nested<Values>,
  examples: Nested<Shape> | undefined,
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (examples && error instanceof ShapeError)
      mapParts(x, ({ shape: [, ...own] }, name) => {
        const example = name === undefined ? (examples as Shape) : partShape(examples, name);
        if (!example || sameShape(own, example)) return;
        throw new ShapeError(
          `${partName('x', name)}: an example is ${formatShape(own)}, and the model's are ${formatShape(example)}. Give [N, ${example.join(', ')}].`,
        );
      });
    throw error;
  }
}

function listValues(what: string, batch: NestedNumbers, example: Shape | undefined): Values {
  const { shape, data } = flatten(what, batch);
  if (!example || shape.length > example.length) return asValues({ shape, data });
  if (example.length === 1 && example[0] === 1) return asValues({ shape: [...shape, 1], data });
  throw new OptionError(
    `${what}: it is ${formatShape(shape)}, and one example is ${formatShape(example)}. Give a list of examples, such as [x].`,
  );
}

function partValues(what: string, batch: BatchPart, example: Shape | undefined): Values {
  if (Array.isArray(batch)) return listValues(what, batch as NestedNumbers, example);
  if (isTyped(batch)) {
    const rows = example && batch.length / sizeOf(example);
    if (!rows || !Number.isSafeInteger(rows))
      throw new OptionError(
        `${what}: a bare array of ${batch.length} numbers, and an example is ${example ? formatShape(example) : 'not known yet'}. Give whole examples, or { shape: [rows, …], data }.`,
      );
    return asValues({ shape: [rows, ...example], data: own(what, batch) });
  }
  return batch as Values;
}

function asValues({ shape, data }: Pick<Flat, 'shape' | 'data'>): Values {
  return { shape, data: isHostArray(data) && kindOf(data) !== 'Float64Array' ? data : Float32Array.from(data) };
}
