// A batch in any form that users have it, to predict or train on: values, lists, bare arrays or a data set; or one of these per input.
import type { Values } from '../data/dataset.ts';
import { type Flat, flatten, type GivenArray, isTyped, type NestedNumbers, own } from '../data/given.ts';
import { checkHeld, type DType, hostArray, kindOf } from '../graph/dtype.ts';
import { OptionError, ShapeError } from '../graph/errors.ts';
import { isSeveral, listed, mapParts, misnamed, type Nested, partName, severalShapes } from '../graph/nested.ts';
import { formatShape, type Shape, sameShape, sizeOf } from '../graph/shape.ts';
import { type Examples, isHostArray } from './batch.ts';

/** One tensor of a batch: values, or examples as `datasets.array` takes them. */
export type BatchPart = Values | NestedNumbers | GivenArray;

/** A batch: values, a data set, or examples as `datasets.array` takes them; for a model with several inputs, one for each. */
export type Batch = BatchPart | Pick<Examples, 'x'> | Readonly<Record<string, BatchPart>> | readonly Values[];

/**
 * A batch as values; `examples` are the shapes of one example, if known, and `dtypes` those of the model's inputs. @throws OptionError if the
 * inputs have other names, ShapeError if a list for integers holds other numbers.
 */
export function valuesOf(
  what: string,
  batch: Batch,
  examples: Nested<Shape> | undefined,
  dtypes: Nested<DType> = 'f32',
): Nested<Values> {
  const set = setOf(batch, examples);
  if (set) return set;
  const wanted =
    examples && (isSeveral(batch as Nested<BatchPart>) || severalShapes(examples)) ? inputNames(examples) : undefined;
  const wrong = wanted && misnamed(batch, wanted);
  if (wrong)
    throw new OptionError(`${what}: got ${listed(batch)}, but the model's inputs are ${listed(wanted)}. ${wrong}`);
  return mapParts(batch as Nested<BatchPart>, (part, name) => {
    const example = name === undefined ? (examples as Shape) : partShape(examples, name);
    const values = partValues(partName(what, name), part, example);
    return Array.isArray(part) ? wholeValues(partName(what, name), values, partDtype(dtypes, name)) : values;
  });
}

function partDtype(dtypes: Nested<DType>, name: string | undefined): DType | undefined {
  return typeof dtypes === 'string' ? dtypes : (dtypes as Readonly<Record<string, DType>>)[name ?? ''];
}

/** A list for a model that takes integers, such as indices of an `Embedding`. */
function wholeValues(what: string, values: Values, dtype: DType | undefined): Values {
  const { shape, data } = values;
  if ((dtype !== 'u32' && dtype !== 'i32') || kindOf(data) !== 'Float32Array') return values;
  checkHeld(what, dtype, data, `The model takes ${dtype}: give whole numbers.`);
  const whole = hostArray(dtype, data.length);
  whole.set(data);
  return { shape, data: whole };
}

/** The x of a data set given as a batch. */
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

/** A structure with the names of these inputs; its values do not matter. */
function inputNames(shapes: Nested<Shape>): Nested<object> {
  if (!severalShapes(shapes)) return {};
  return Object.fromEntries(Object.keys(shapes).map((name) => [name, {}]));
}

/**
 * The result of `run`. If it fails with a ShapeError and the examples' shape is not the one the model knows, which alone is no error
 * (texts may be shorter), the error blames x.
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
          `${partName('x', name)}: examples have shape ${formatShape(own)}, but the model expects ${formatShape(example)}. Give [N, ${example.join(', ')}].`,
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
    `${what}: it has the shape ${formatShape(shape)} of a single example. Give a list of examples, such as [x].`,
  );
}

function partValues(what: string, batch: BatchPart, example: Shape | undefined): Values {
  if (Array.isArray(batch)) return listValues(what, batch as NestedNumbers, example);
  if (isTyped(batch)) {
    const rows = example && batch.length / sizeOf(example);
    if (!rows || !Number.isSafeInteger(rows))
      throw new OptionError(
        `${what}: got a bare array of ${batch.length} numbers, but the shape of an example is ${example ? formatShape(example) : 'not known yet'}. Give whole examples, or { shape: [rows, …], data }.`,
      );
    return asValues({ shape: [rows, ...example], data: own(what, batch) });
  }
  return batch as Values;
}

function asValues({ shape, data }: Pick<Flat, 'shape' | 'data'>): Values {
  return { shape, data: isHostArray(data) && kindOf(data) !== 'Float64Array' ? data : Float32Array.from(data) };
}
