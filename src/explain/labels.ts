// Short names in a plan: `%12 linear [64, 128]` for the result of an op, numbered in the order of the graph; leaves by their names;
// `g3` groups, `d1` dispatches, `b4` buffers.
import type { Kernel, Value } from '../compile/plan.ts';
import type { Size3 } from '../graph/kernel.ts';
import { resolve } from '../graph/rewrite.ts';
import { formatShape } from '../graph/shape.ts';
import { fillOf, type Node, type Tensor } from '../graph/tensor.ts';
import { formatInteger } from './table.ts';

/** Names of leaves, such as the paths of a model's variables. */
export type LeafNames = ReadonlyMap<Node, string>;

/** Names within one graph. */
export class Labels {
  readonly #numbers = new Map<Node, number>();
  readonly #leaves = new Map<Node, string>();
  readonly #named: LeafNames;

  /** Numbers the ops of `order` except views, which share their input's memory; other nodes are numbered at their first use. */
  constructor(order: Iterable<Node>, named: LeafNames) {
    this.#named = named;
    for (const node of order) if (node.op && !node.op.view) this.#number(node);
  }

  #number(node: Node): number {
    const number = this.#numbers.get(node) ?? this.#numbers.size;
    this.#numbers.set(node, number);
    return number;
  }

  /** `%12`, `%12.1` for the second output of several, `hidden.weight`, `0.5`. */
  ref(t: Tensor): string {
    const { node, output } = resolve(t);
    if (!node.op) return this.#leaf(node);
    return `%${this.#number(node)}${node.outs.length > 1 ? `.${output}` : ''}`;
  }

  #leaf(node: Node): string {
    const { source } = node;
    if (source?.kind === 'input') return source.name;
    if (source?.kind === 'resident') return source.name;
    const fill = fillOf(node.outputs[0]!);
    if (fill !== undefined) return `${Number(fill.toPrecision(6))}`;
    let name = this.#named.get(node) ?? this.#leaves.get(node);
    if (name === undefined) {
      name = `${source!.kind}${this.#leaves.size}`;
      this.#leaves.set(node, name);
    }
    return name;
  }

  /** `%12 linear [64, 128]`, with the dtype if it is not f32. */
  name(t: Tensor): string {
    const x = resolve(t);
    return `${this.ref(x)}${x.node.op ? ` ${x.node.op.name}` : ''} ${specText(x)}`;
  }

  /** `%3 softmaxCrossEntropy [128], [128, 10]` */
  op(node: Node): string {
    return `%${this.#number(node)} ${node.name} ${node.outs.map(specText).join(', ')}`;
  }

  /** The name of a tensor or of a scratch array. */
  value(value: Value): string {
    if (!('array' in value)) return this.name(value);
    const { array, group } = value;
    return `g${group.id} ${array.name}${array.type === 'f32' ? '' : ` ${array.type}`} [${array.size}]`;
  }

  list(tensors: readonly Tensor[]): string {
    return tensors.map((t) => this.ref(t)).join(', ') || 'nothing';
  }

  /** `%12 = linear(%3, hidden.weight, hidden.bias) [64, 128]` */
  definition(node: Node): string {
    const inputs = node.inputs.map((t) => this.ref(t)).join(', ');
    const specs = node.outs.map(specText).join(', ');
    return `%${this.#number(node)} = ${node.name}(${inputs}) ${specs}${paramsText(node.params)}`;
  }
}

function specText({ shape, dtype }: Pick<Tensor, 'shape' | 'dtype'>): string {
  return `${dtype === 'f32' ? '' : `${dtype} `}${formatShape(shape)}`;
}

/** Params that are plain values: ` {transposeB, offset: 128}`. */
function paramsText(params: unknown): string {
  if (typeof params !== 'object' || params === null) return params === undefined ? '' : ` {${String(params)}}`;
  const plain = (v: unknown) => typeof v === 'number' || typeof v === 'string';
  const facts = Object.entries(params).flatMap(([name, v]) => {
    if (v === true) return [name];
    if (plain(v)) return [`${name}: ${v}`];
    return Array.isArray(v) && v.every(plain) && v.length > 0 ? [`${name}: [${v.join(', ')}]`] : [];
  });
  return facts.length > 0 ? ` {${facts.join(', ')}}` : '';
}

/** `16 x 2` */
export function sizeText(size: Size3): string {
  const last = size[2] > 1 ? 3 : size[1] > 1 ? 2 : 1;
  return size.slice(0, last).map(formatInteger).join(' x ');
}

/** `16 x 2 workgroups` */
export function workgroupsText(grid: Size3): string {
  return `${sizeText(grid)} ${grid.every((n) => n === 1) ? 'workgroup' : 'workgroups'}`;
}

/** A kernel by its parts and, if these are groups, its name. */
export function kernelName(parts: string, name: string): string {
  return parts.startsWith('g') ? `${parts}  ${shortened(name, 80)}` : parts;
}

/** The parts of a kernel: `g3`, `g4 > g5`, `check %7`, `assign parameters, m, v`. */
export function partsText({ contents }: Pick<Kernel, 'contents'>, labels: Labels): string {
  return contents
    .map(({ group, checked, commits }) => {
      if (group) return `g${group.id}`;
      if (checked) return `check ${labels.list(checked)}`;
      return `assign ${labels.list((commits ?? []).map(({ variable }) => variable))}`;
    })
    .join(' > ');
}

/** At most `width` characters. */
export function shortened(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 3)}...`;
}

export function plural(count: number, singular: string, several = `${singular}s`): string {
  return `${formatInteger(count)} ${count === 1 ? singular : several}`;
}
