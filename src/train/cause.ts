// Why a step's values are not finite: from the first non-finite named tensor back through the graph to the op that produced it from
// finite inputs, and to the element: a bad index, log(0), a division by 0, bad data, or an overflow.
import type { HostArray } from '../graph/dtype.ts';
import type { Executor } from '../graph/executor.ts';
import { partName } from '../graph/nested.ts';
import type { NdArray } from '../graph/op.ts';
import { type Shape, sizeOf } from '../graph/shape.ts';
import { expandConstant, type Node, type Tensor } from '../graph/tensor.ts';
import { topologicalOrder } from '../graph/walk.ts';
import type { State } from './state.ts';
import type { TrainingStep } from './step.ts';

/** A step whose values were not finite. */
export interface BadStep {
  /** Steps completed before it. */
  readonly step: number;
  readonly learningRate: number;
  /** The step as it was traced. */
  readonly traced: TrainingStep;
  /** The values of its inputs, if it has any. */
  readonly inputs?: Readonly<Record<string, HostArray>>;
}

/** The cause, if known, and a remedy, if it is not the learning rate. */
export interface Cause {
  readonly what?: string;
  readonly advice?: string;
}

/** Remedies for ops with a pole or a bounded domain. */
const EDGES: Readonly<Record<string, string>> = {
  log: 'Keep its argument above 0, such as log(add(x, 1e-7)), or use a loss that takes logits.',
  sqrt: 'Keep its argument at 0 or above.',
  rsqrt: 'Keep its argument above 0, such as rsqrt(add(x, 1e-7)).',
  pow: 'Keep its argument above 0.',
  div: 'Keep the divisor away from 0, such as add(x, 1e-7); the gradients of log and sqrt divide, too.',
};

/** The cause of `first`, the earliest non-finite tensor of a step, found by a replay of everything before it. */
export async function causeOf(executor: Executor, state: State, failed: BadStep, first: string): Promise<Cause> {
  const { traced: step, inputs = {} } = failed;
  const names = [...step.inner.keys()];
  const last = step.inner.get(first)!;
  const before = names.slice(0, names.indexOf(first)).map((name) => step.inner.get(name)!);
  const known = new Set(topologicalOrder(before));
  const nodes = topologicalOrder([last]).filter((node) => !known.has(node));
  const tensors = new Set([last, step.batch, ...nodes.flatMap((node) => [...node.inputs, ...node.outputs])]);
  const values = await valuesOf(executor, state, [...tensors], inputs);
  const isBad = (t: Tensor) => t.dtype === 'f32' && values(t)?.data.some((v) => !Number.isFinite(v)) === true;
  let bad = last;
  for (let next: Tensor | undefined = last; next; next = bad.node.inputs.find(isBad)) bad = next;
  const { node } = bad;
  const { data, shape } = values(bad)!;
  const at = data.findIndex((v) => !Number.isFinite(v));
  const value = show(data[at]!);
  /** The example that contains the element: its index in the data set, or in the batch if the tensor has no row per example. */
  const exampleOf = (rows: Shape, element: number) => {
    const batch = values(step.batch)!.data;
    const row = Math.floor(element / Math.max(sizeOf(rows.slice(1)), 1));
    return rows[0] === batch.length ? batch[row]! : row;
  };
  const pathOf = (t: Tensor) => state.variables.find(({ variable }) => variable.node === t.node)?.path;

  const [, whole, name] = /^the (input|target)(?: (.*))?$/.exec(first) ?? [];
  if (whole) {
    const what = `${partName(whole === 'input' ? 'x' : 'y', name)} of example ${exampleOf(shape, at)} has ${value}`;
    return { what, advice: 'Remove NaN and infinity from the data.' };
  }
  if (!node.op) {
    const path = pathOf(bad);
    return path === undefined
      ? { what: `a constant is ${value}`, advice: 'Make it finite.' }
      : { what: `${path} has ${value}`, advice: 'Check how it is initialized or loaded.' };
  }
  const wrong = badIndex(node, values);
  if (wrong) {
    const { table, size, index, element, rows } = wrong;
    const it = `${index} of example ${exampleOf(rows, element)} is`;
    if (index < 0) {
      const [one, more] = table ? ['index', 'indices'] : ['label', 'labels'];
      return { what: `${one} ${it} below 0`, advice: `Give ${more} from 0 to ${size - 1}.` };
    }
    const of = `${it} not below`;
    return table
      ? {
          what: `index ${of} ${size}, the rows of ${pathOf(table) ?? 'its table'}`,
          advice: `Give indices below ${size}, or make the table ${index + 1} rows long.`,
        }
      : { what: `label ${of} ${size}`, advice: `Give labels below ${size}, or make the last layer ${index + 1} wide.` };
  }
  const isForward = !first.endsWith("'s gradient");
  return elementCause(node, values, at, data[at]!, isForward && failed.step === 0);
}

type ValuesOf = (t: Tensor) => NdArray | undefined;

/** The values of tensors in an unfused replay of the step; none for data sets. */
async function valuesOf(
  executor: Executor,
  { storage }: State,
  tensors: readonly Tensor[],
  inputs: NonNullable<BadStep['inputs']>,
): Promise<ValuesOf> {
  const keyOf = (t: Tensor) => `${t.node.id} ${t.output}`;
  const outputs = tensors.filter(({ node: { source } }) => !source || source.kind === 'variable');
  const recipe = { outputs: Object.fromEntries(outputs.map((t) => [keyOf(t), t])) };
  const program = await executor.compile(recipe, {
    storages: [storage],
    inputs: Object.keys(inputs),
    fuse: false,
    label: 'replay',
  });
  try {
    const values = await program.run(inputs);
    return (t) => {
      const { source, outs } = t.node;
      if (source?.kind === 'input') return { ...outs[0]!, data: inputs[source.name]! };
      if (source?.kind === 'constant') return { ...outs[0]!, data: expandConstant(source.data, outs[0]!) };
      return values[keyOf(t)];
    };
  } finally {
    program.dispose();
  }
}

/** An index below 0 or past the end of `table`, or of the classes if there is no table. */
interface BadIndex {
  readonly table: Tensor | undefined;
  readonly size: number;
  readonly index: number;
  /** Its position among the indices, and their shape. */
  readonly element: number;
  readonly rows: Shape;
}

function badIndex({ op, inputs, params }: Node, values: ValuesOf): BadIndex | undefined {
  const [x, second] = inputs;
  const table = op!.name === 'gatherRows' ? x : undefined;
  const size = {
    gatherRows: x?.shape[0],
    softmaxCrossEntropy: x?.shape.at(-1),
    oneHot: (params as { depth?: number } | undefined)?.depth,
  }[op!.name];
  const indices = second ?? x;
  const found = indices?.dtype === 'u32' ? values(indices) : undefined;
  if (size === undefined || !found) return undefined;
  const element = found.data.findIndex((v) => v >= size);
  if (element < 0) return undefined;
  // Ops take i32 as u32.
  const signed = topologicalOrder([indices!]).some(({ outs }) => outs[0]!.dtype === 'i32');
  const index = signed ? found.data[element]! | 0 : found.data[element]!;
  return { table, size, index, element, rows: found.shape };
}

/** The result of an op, with its arguments if it is elementwise. `untouched`: no step has changed the weights yet. */
function elementCause(
  { op, inputs, params }: Node,
  values: ValuesOf,
  at: number,
  value: number,
  untouched: boolean,
): Cause {
  const { name, elementwise } = op!;
  const given = elementwise ? inputs.map((t) => values(t)?.data[at]) : [];
  const known = elementwise && given.every((v) => v !== undefined);
  const { exponent } = (params ?? {}) as { exponent?: number };
  const args = [...given, ...(exponent === undefined ? [] : [exponent])].map((v) => show(v!));
  const what = known ? `${name}(${args.join(', ')}) is ${show(value)}` : `${name} gives ${show(value)}`;
  const atEdge = known && (name === 'div' ? given[1] === 0 : given[0]! <= 0);
  if (atEdge && Object.hasOwn(EDGES, name)) return { what, advice: EDGES[name]! };
  if (Number.isNaN(value) && known) return { what, advice: `Check the arguments of ${name}.` };
  return untouched ? { what, advice: 'Scale the data, or make the initial weights smaller.' } : { what };
}

function show(v: number): string {
  return `${Number(v.toPrecision(4))}`;
}
