// A tensor is a recipe: an immutable (node, output index). Creating one computes nothing, and it owns no memory.
import { checkHeld, type DType, type HostArray, hostArray } from './dtype.ts';
import { OptionError, ShapeError } from './errors.ts';
import { INSPECT, valuesText } from './inspect.ts';
import { arrayOf, type ConstantOptions, type NestedNumbers, TYPED } from './numbers.ts';
import type { NdArray, Op, Spec } from './op.ts';
import {
  ARRAY,
  BOOLEAN,
  checkExtra,
  checkOptions,
  checkValue,
  FUNCTION,
  type Kind,
  NUMBER,
  NUMBERS,
  OBJECT,
  oneOf,
  optionsOf,
  type Schema,
  STRING,
  show,
} from './options.ts';
import { ownedCopy } from './owned.ts';
import { checkShape, formatShape, type Shape, sizeOf } from './shape.ts';

/** Where a leaf's values come from. */
export type Source =
  /** An argument of the program, given at each run. */
  | { readonly kind: 'input'; readonly name: string }
  /** Values fixed in the recipe; a single value stands for a whole tensor filled with it. */
  | { readonly kind: 'constant'; readonly data: HostArray }
  /** A variable that a State owns. */
  | { readonly kind: 'variable' }
  /** Values that live on the device and that no program writes (a data set). */
  | { readonly kind: 'resident'; readonly array: NdArray; readonly name: string };

let nextId = 0;

/** One application of an op, or a leaf. */
export class Node {
  readonly id = nextId++;
  readonly op: Op | undefined;
  readonly source: Source | undefined;
  readonly inputs: readonly Tensor[];
  readonly params: unknown;
  readonly outs: readonly Spec[];
  /** Its outputs as tensors: two tensors are equal exactly if these are identical. */
  readonly outputs: readonly Tensor[];

  constructor(
    op: Op | undefined,
    source: Source | undefined,
    inputs: readonly Tensor[],
    params: unknown,
    outs: readonly Spec[],
  ) {
    this.op = op;
    this.source = source;
    this.inputs = inputs;
    this.params = params;
    this.outs = outs;
    this.outputs = outs.map((_, output) => new Tensor(this, output));
  }

  /** The op's name, or the kind of leaf. */
  get name(): string {
    return this.op?.name ?? this.source!.kind;
  }
}

/** An immutable recipe for an array. Its methods come with the ops: see src/ops/methods.ts. */
export class Tensor implements Spec {
  /** The op or leaf that computes it. */
  readonly node: Node;
  /** Which of the node's outputs this is. */
  readonly output: number;

  constructor(node: Node, output = 0, ...extra: never[]) {
    checkExtra('Tensor', extra);
    if (!(node instanceof Node))
      throw new OptionError(
        `Tensor: cannot be constructed from ${show(node)}. Use a function that returns a tensor, such as constant([1, 2]).`,
      );
    this.node = node;
    this.output = output;
  }

  /** The sizes of the axes; [] for a scalar. */
  get shape(): Shape {
    return this.node.outs[this.output]!.shape;
  }

  /** The dtype of the elements. */
  get dtype(): DType {
    return this.node.outs[this.output]!.dtype;
  }

  /** The number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** `Tensor(matmul f32 [2, 3])`, with the name of an input or of resident data. */
  toString(): string {
    return `Tensor(${this.node.name} ${specText(this)}${nameOf(this.node)})`;
  }

  /**
   * The text in Node's console: the same, with the values of a constant, or how to compute others.
   * @internal
   */
  [INSPECT](): string {
    const { source } = this.node;
    if (source?.kind === 'input') return `${this}`;
    return source?.kind === 'constant'
      ? `${this} ${valuesText(source.data, this.shape, this.dtype === 'f32')}`
      : `${this}, its values: await backend.value(x)`;
  }

  /** What JSON has of a tensor: a line of text, as in Node's console. */
  toJSON(): string {
    return this[INSPECT]();
  }
}

function specText({ dtype, shape }: Spec): string {
  return `${dtype} ${formatShape(shape)}`;
}

function nameOf({ source }: Node): string {
  return source !== undefined && 'name' in source ? ` ${source.name}` : '';
}

/** How a variable gets its initial values, from its path in the model and the run's seed. */
export type Initializer = (spec: Spec, seed: number, path: string) => HostArray;

/** Options of {@link Variable}. */
export interface VariableOptions {
  /** The variable's dtype. Default `f32`. */
  readonly dtype?: DType | undefined;
  /** The function that returns its initial values, such as `nn.init.zeros` or `nn.init.xavierUniform()`. */
  readonly initial: Initializer;
  /** Whether optimizers update it. Default false. */
  readonly trainable?: boolean | undefined;
  /**
   * The order of its axes in files, if it is another than in memory: `[0, 3, 1, 2]` stores filters (O, KH, KW, C) as PyTorch's (O, C, KH,
   * KW).
   */
  readonly fileAxes?: readonly number[] | undefined;
}

/** What makes initial values. */
export const INITIALIZER: Kind = {
  advice:
    'Give an initializer: nn.init.zeros, nn.init.normal(0, 0.1), or for your own values () => Float32Array.of(1, 2).',
  fits: FUNCTION.fits,
};

const DTYPE: Kind = oneOf('f32', 'u32', 'i32', 'u8', 'u16');
const VARIABLE = {
  dtype: [DTYPE, 'f32'],
  initial: INITIALIZER,
  trainable: [BOOLEAN, false],
  fileAxes: NUMBERS,
} satisfies Schema<VariableOptions>;

/** A tensor whose values a State owns: a parameter, a running statistic, a counter. */
export class Variable extends Tensor {
  /** The function that returns its initial values. */
  readonly initial: Initializer;
  /** The order of its axes in files; undefined if it is the order in memory. */
  readonly fileAxes: readonly number[] | undefined;
  #trainable: boolean;

  constructor(shape: Shape, options: VariableOptions, ...extra: never[]) {
    checkShape('Variable', shape);
    const { dtype, initial, trainable, fileAxes } = checkOptions('Variable', options, VARIABLE, extra);
    checkValue('Variable', 'initial', initial, INITIALIZER);
    if (fileAxes && (fileAxes.length !== shape.length || !shape.every((_, axis) => fileAxes.includes(axis))))
      throw new OptionError(
        `Variable: fileAxes [${fileAxes}] do not name each axis of ${formatShape(shape)} once. Give ${shape.length} different axes.`,
      );
    super(new Node(undefined, { kind: 'variable' }, [], undefined, [{ shape: [...shape], dtype }]));
    this.initial = initial;
    this.fileAxes = fileAxes && [...fileAxes];
    this.#trainable = trainable;
    if (this.#trainable) parameters.add(this);
    variables.set(this.node, this);
  }

  /** `Variable(f32 [32, 784] hidden.weight)`, with its path in the model of a trainer that holds it. */
  override toString(): string {
    const [path] = holders.get(this) ?? [];
    return `Variable(${specText(this)}${path === undefined ? '' : ` ${path}`})`;
  }

  /** Whether optimizers update it. @throws OptionError if it is changed while a trainer holds the variable. */
  get trainable(): boolean {
    return this.#trainable;
  }

  set trainable(trainable: boolean) {
    checkValue('Variable', 'trainable', trainable, BOOLEAN);
    if (trainable === this.#trainable) return;
    const [path] = holders.get(this) ?? [];
    if (path !== undefined)
      throw new OptionError(
        `${path}: trainable cannot be set to ${trainable} while a trainer holds the variable. Use trainer.freeze or trainer.unfreeze, or set it before new Trainer.`,
      );
    this.#trainable = trainable;
    if (trainable) parameters.add(this);
  }
}

const variables = new WeakMap<Node, Variable>();
/** Variables that were made trainable, including frozen ones. */
const parameters = new WeakSet<Variable>();
/** The variable's path in each trainer that holds it. */
const holders = new WeakMap<Variable, string[]>();

/** Registers a trainer's hold on a variable, whose `trainable` cannot be set until the returned function is called. */
export function hold(variable: Variable, path: string): () => void {
  const paths = holders.get(variable) ?? [];
  holders.set(variable, paths);
  paths.push(path);
  return () => void paths.splice(paths.indexOf(path), 1);
}

/** The variable's path in a trainer that holds it; undefined if none does. */
export function heldAs(variable: Variable): string | undefined {
  return holders.get(variable)?.[0];
}

/** Whether a variable is a parameter, trained or frozen; others, such as running statistics, are not. */
export function isParameter(variable: Variable): boolean {
  return parameters.has(variable);
}

/** The variable of a leaf of kind `variable`. */
export function variableOf(node: Node): Variable | undefined {
  return variables.get(node);
}

/** Applies an op: checks shapes and returns its outputs as tensors. */
export function apply<P>(op: Op<P>, inputs: readonly Tensor[], params: P, ...extra: never[]): Tensor[] {
  checkExtra('apply', extra);
  if (typeof op?.shape !== 'function' || typeof op.cpu !== 'function')
    throw new OptionError(`apply: the op is ${show(op)}. Give an object with a name, shape, cpu, and map or kernel.`);
  checkValue(op.name, 'the inputs', inputs, ARRAY);
  for (const [k, x] of inputs.entries()) {
    if (!(x instanceof Tensor))
      throw new ShapeError(`${op.name}: input ${k} is ${show(x)}, not a tensor. Give one, such as constant([1, 2]).`);
  }
  // Only the specs: an op may return an input, which holds a whole graph.
  const specs: unknown = op.shape(inputs, params);
  if (!Array.isArray(specs))
    throw new OptionError(
      `${op.name}: its shape returned ${show(specs)}. Return an array: [{ shape: [2], dtype: 'f32' }].`,
    );
  const outs = (specs as Spec[]).map(({ shape, dtype }) => ({ shape, dtype }));
  for (const out of outs) checkShape(op.name, out.shape);
  return [...new Node(op as Op, undefined, inputs, params, outs).outputs];
}

/** {@link apply} for an op of one output. */
export function apply1<P>(op: Op<P>, inputs: readonly Tensor[], params: P, ...extra: never[]): Tensor {
  return apply(op, inputs, params, ...extra)[0]!;
}

function checkSpec(what: string, spec: Spec, extra: readonly unknown[]): void {
  checkValue(what, 'its spec', spec, OBJECT);
  checkValue(what, 'its dtype', spec.dtype, DTYPE);
  checkExtra(what, extra);
}

/** A leaf whose values are passed to each run of a program. */
export function input(name: string, spec: Spec, ...extra: never[]): Tensor {
  checkValue('input', 'the name', name, STRING);
  checkSpec(`input ${name}`, spec, extra);
  checkShape(`input ${name}`, spec.shape);
  return new Tensor(
    new Node(undefined, { kind: 'input', name }, [], undefined, [{ shape: [...spec.shape], dtype: spec.dtype }]),
  );
}

/**
 * Resident values: uploaded once per backend, however many programs read them. The array is copied; later writes to it have no effect.
 */
export function resident(name: string, given: NdArray, ...extra: never[]): Tensor {
  checkValue('resident', 'the name', name, STRING);
  checkSpec(`data ${name}`, given, extra);
  checkValue(`data ${name}`, 'data', given.data, TYPED);
  const array = { ...given, data: ownedCopy(given.data) };
  checkShape(`data ${name}`, array.shape);
  checkHeld(`data ${name}`, array.dtype, array.data, 'Give a typed array of its dtype.');
  return new Tensor(
    new Node(undefined, { kind: 'resident', array, name }, [], undefined, [
      { shape: [...array.shape], dtype: array.dtype },
    ]),
  );
}

const CONSTANT = { shape: NUMBERS, dtype: DTYPE } satisfies Schema<ConstantOptions>;

/**
 * A tensor of fixed values: `constant(2)`, `constant([[1, 2], [3, 4]])`, or values with their shape: `constant(values, [2, 2])`,
 * `constant(values, { shape: [2, 2], dtype: 'u32' })`.
 */
export function constant(values: NestedNumbers | HostArray, options?: ConstantOptions): Tensor;
export function constant(
  values: NestedNumbers | HostArray,
  shape: Shape,
  options?: Omit<ConstantOptions, 'shape'>,
): Tensor;
export function constant(values: NestedNumbers | HostArray, ...given: readonly unknown[]): Tensor {
  const options = optionsOf<ConstantOptions, typeof CONSTANT>('constant', 'shape', given, CONSTANT);
  return constantOf(arrayOf('constant', values, options));
}

/** A leaf with these values; a single one stands for all. */
function constantOf({ shape, dtype, data }: NdArray): Tensor {
  return new Tensor(new Node(undefined, { kind: 'constant', data }, [], undefined, [{ shape: [...shape], dtype }]));
}

/** A tensor of a shape, filled with one value: `full([2, 3], 0)`. Default dtype f32. */
export function full(shape: Shape, value: number, dtype: DType = 'f32', ...extra: never[]): Tensor {
  checkShape('full', shape);
  checkValue('full', 'the value', value, NUMBER);
  checkValue('full', 'the dtype', dtype, DTYPE);
  checkExtra('full', extra);
  checkHeld('full', dtype, [value], 'Leave out the dtype for f32, or round the number.');
  const data = hostArray(dtype, 1, 'float64');
  data[0] = value;
  return constantOf({ shape, dtype, data });
}

/** The value that fills a constant tensor; undefined for other tensors. */
export function fillOf(x: Tensor): number | undefined {
  const { source } = x.node;
  return source?.kind === 'constant' && source.data.length === 1 ? source.data[0] : undefined;
}

/** A constant's values, a single one repeated over the whole shape. */
export function expandConstant(data: HostArray, spec: Spec): HostArray {
  const size = sizeOf(spec.shape);
  return data.length === size ? data : hostArray(spec.dtype, size, 'float64').fill(data[0]!);
}
