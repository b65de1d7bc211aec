// A model as plain data: one row per layer with its output shape and its parameters. Nothing is computed; the
// forward is only traced.
import { byteLength, type DType } from '../graph/dtype.ts';
import { OptionError } from '../graph/errors.ts';
import {
  isSeveral,
  isShapes,
  mapParts,
  mapShapes,
  type Nested,
  partName,
  partsOf,
  severalShapes,
} from '../graph/nested.ts';
import { checkExtra, show } from '../graph/options.ts';
import { type NamedVariable, objectsOf, variablesOf } from '../graph/paths.ts';
import type { Shape } from '../graph/shape.ts';
import { input, isParameter, Tensor, type Variable } from '../graph/tensor.ts';
import { traceWith } from '../graph/trace.ts';
import { topologicalOrder } from '../graph/walk.ts';
import type { Layer } from './layer.ts';
import { operationsOf, operationsWhile } from './operations.ts';

/** A parameter of a layer. */
export interface SummaryParameter {
  /** Its path within the layer: `weight`. */
  readonly name: string;
  /** The variable's shape. */
  readonly shape: Shape;
  /** The number of elements. */
  readonly count: number;
  /** Whether optimizers update it. */
  readonly trainable: boolean;
}

/** A layer that has its own variables or contains no other layer. */
export interface SummaryRow {
  /** The layer's path: `hidden`, `layers.0`; '' for the model itself. */
  readonly path: string;
  /** Its class name. */
  readonly layer: string;
  /** The output shape of its first use in forward; undefined if the layer is not used or does not name its output. */
  readonly outputShape: Shape | undefined;
  /** The layer's own parameters, frozen ones too. */
  readonly parameters: readonly SummaryParameter[];
  /** The number of elements in its parameters. */
  readonly count: number;
  /** Floating-point operations of its forward for one example, a multiply-add as two, without those of layers inside it. */
  readonly flops: number;
}

/** `X` and `Y` are the input and output shapes of the model: one, or several by name or in order. */
export interface Summary<X = Shape, Y = Shape> {
  /** The layers, in the order of the model's properties. */
  readonly rows: readonly SummaryRow[];
  /** The shape of the input, batch included. */
  readonly inputShape: X;
  /** The shape of the output, batch included. */
  readonly outputShape: Y;
  /** The number of elements in all parameters, frozen ones too; running statistics and counters are none. */
  readonly parameters: number;
  /** The number of elements in trainable parameters. */
  readonly trainable: number;
  /** The memory of all variables, in bytes. */
  readonly bytes: number;
  /**
   * Floating-point operations of forward for one example, a multiply-add as two: those of the layers in `rows`, and of what forward
   * computes between them.
   */
  readonly flops: number;
}

/**
 * The layers of `model` in the order of its properties, traced with an x of `inputShape` (batch included), not training; with several
 * inputs, `inputShape` holds their shapes in the structure that forward takes. @throws ShapeError if the layers do not match the input or
 * each other, naming the layer.
 */
export function summary(model: Layer, inputShape: Shape, dtype?: Nested<DType>, ...extra: never[]): Summary;
export function summary(
  model: { forward(x: never): unknown },
  inputShape: Nested<Shape>,
  dtype?: Nested<DType>,
  ...extra: never[]
): Summary<Nested<Shape>, Nested<Shape>>;
export function summary(
  model: { forward(x: never): unknown },
  inputShape: Nested<Shape>,
  dtype: Nested<DType> = 'f32',
  ...extra: never[]
): Summary<Nested<Shape>, Nested<Shape>> {
  if (typeof model?.forward !== 'function')
    throw new OptionError(`summary: the model is ${show(model)}. Give an object with a forward method.`);
  checkExtra('summary', extra);
  if (!isShapes(inputShape))
    throw new OptionError(
      `summary: the input shape is ${show(inputShape)}. Give an array of numbers, or one for each input.`,
    );
  return summaryOf(model, inputShape, dtype, ({ trainable }) => trainable);
}

/** {@link summary} of a model whose parameters a trainer may have frozen in part. */
export function summaryOf(
  model: { forward(x: never): unknown },
  inputShape: Nested<Shape>,
  dtype: Nested<DType>,
  isTrained: IsTrained,
): Summary<Nested<Shape>, Nested<Shape>> {
  checkDtypes(dtype, inputShape);
  return traceWith({ model }, ({ captures }) => {
    const variables = variablesOf(model);
    const x = mapShapes<Tensor>(inputShape, (shape, name) =>
      input(partName('x', name), { shape, dtype: dtypeAt(dtype, name) }),
    );
    const layers = [...objectsOf(model)].filter(([, object]) => isLayer(object));
    const traced = operationsWhile(layers, () => model.forward(x as never) as Nested<Tensor>);
    const y = traced.result;
    const B = partsOf(x)[0]?.[1].shape[0] ?? 1;
    const flopsOf = (path: string) => Math.round((traced.ofLayer.get(path) ?? 0) / B);
    const outputs = new Map([...captures].map(([path, x]) => [path, x.shape]));
    if (y instanceof Tensor) outputs.set('', y.shape);
    const count = (list: readonly NamedVariable[]) => list.reduce((total, { variable }) => total + variable.size, 0);
    return {
      rows: rowsOf(model, variables, outputs, flopsOf, isTrained),
      inputShape: mapShapes<Shape>(inputShape, (shape) => [...shape]),
      outputShape: isSeveral(y) ? mapParts(y, ({ shape }) => shape) : (outputs.get('') ?? []),
      parameters: count(variables.filter(({ variable }) => isParameter(variable))),
      trainable: count(variables.filter(({ variable }) => isTrained(variable))),
      bytes: variables.reduce((total, { variable }) => total + byteLength(variable.dtype, variable.size), 0),
      flops: Math.round(operationsOf(topologicalOrder(partsOf(y).map(([, part]) => part))) / B),
    };
  });
}

/** Refuses dtypes for unknown inputs. */
function checkDtypes(dtypes: Nested<DType>, shapes: Nested<Shape>): void {
  if (typeof dtypes !== 'object' || dtypes === null) return;
  const wrong = Object.keys(dtypes).find((name) => !severalShapes(shapes) || !Object.hasOwn(shapes, name));
  if (wrong === undefined) return;
  const inputs = severalShapes(shapes) ? `the inputs are ${Object.keys(shapes).join(', ')}` : 'there is one input';
  throw new OptionError(
    `summary: a dtype is given for ${wrong}, but ${inputs}. Name existing inputs, or give one dtype.`,
  );
}

function dtypeAt(dtypes: Nested<DType>, name = ''): DType {
  if (typeof dtypes !== 'object' || dtypes === null) return dtypes;
  return (dtypes as Readonly<Record<string, DType>>)[name] ?? 'f32';
}

type IsTrained = (variable: Variable) => boolean;

function rowsOf(
  model: object,
  variables: readonly NamedVariable[],
  outputs: ReadonlyMap<string, Shape>,
  flopsOf: (path: string) => number,
  isTrained: IsTrained,
): SummaryRow[] {
  const objects = [...objectsOf(model)].filter(([, object]) => !Array.isArray(object) && !(object instanceof Map));
  const owned = new Map<string, SummaryParameter[]>();
  const paths = new Set(objects.map(([path]) => path));
  for (const { path, variable } of variables) {
    const owner = ownerOf(path, paths);
    if (!owned.has(owner)) owned.set(owner, []);
    if (!isParameter(variable)) continue;
    const name = owner === '' ? path : path.slice(owner.length + 1);
    const { shape, size } = variable;
    owned.get(owner)!.push({ name, shape, count: size, trainable: isTrained(variable) });
  }
  const layers = objects.filter(([, object]) => isLayer(object));
  const holdsLayers = (path: string) =>
    layers.some(([other]) => other !== path && (path === '' || other.startsWith(`${path}.`)));
  return objects
    .filter(([path, object]) => owned.has(path) || (isLayer(object) && !holdsLayers(path)))
    .map(([path, object]) => {
      const parameters = owned.get(path) ?? [];
      const count = parameters.reduce((total, parameter) => total + parameter.count, 0);
      return { path, layer: classOf(object), outputShape: outputs.get(path), parameters, count, flops: flopsOf(path) };
    });
}

/** The longest prefix of `path` in `paths`. */
function ownerOf(path: string, paths: ReadonlySet<string>): string {
  let owner = path;
  while (owner !== '' && (owner === path || !paths.has(owner)))
    owner = owner.slice(0, Math.max(owner.lastIndexOf('.'), 0));
  return owner;
}

function isLayer(object: object): boolean {
  return 'forward' in object && typeof object.forward === 'function';
}

function classOf(object: object): string {
  return 'kind' in object && typeof object.kind === 'string' ? object.kind : (object.constructor?.name ?? 'Object');
}
