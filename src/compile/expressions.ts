// The lines of one function body: each tensor at each index is computed or loaded once.
import { f32 } from '../../shaders/wgsl.ts';
import type { DType } from '../graph/dtype.ts';
import { type WgslType, wgslType } from '../graph/kernel.ts';
import { resolve } from '../graph/rewrite.ts';
import { fillOf, type Tensor } from '../graph/tensor.ts';
import type { Materialized } from './passes/materialize.ts';
import type { Names } from './plan.ts';

/** Whether an expression is a name. */
function isName(expression: string): boolean {
  for (let k = 0; k < expression.length; k++) {
    const c = expression.charCodeAt(k);
    const letter = (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95;
    if (!letter && !(c >= 48 && c <= 57)) return false;
  }
  return true;
}

/** Whether an index is a literal such as `3u`: the same at every element. */
function isLiteral(index: string): boolean {
  return index.endsWith('u') && !Number.isNaN(Number(index.slice(0, -1)));
}

export class Lines {
  readonly lines: string[] = [];
  /** With `hoist`: the lines of loop-invariant elements, which go before the loop over the index. */
  readonly before: string[] = [];
  readonly #names: Names;
  readonly #graph: Materialized;
  readonly #known = new Map<string, string>();
  readonly #hoist: boolean;
  /** Whether lines now go before the loop. */
  #early = false;
  #count = 0;

  constructor(names: Names, graph: Materialized, { hoist = false } = {}) {
    this.#names = names;
    this.#graph = graph;
    this.#hoist = hoist;
  }

  /** Records that `t` at `index` is already in the variable `name`. */
  know(t: Tensor, index: string, name: string): void {
    this.#known.set(`${keyOf(resolve(t))}@${index}`, name);
  }

  let(type: WgslType, expression: string): string {
    if (isName(expression)) return expression;
    return this.#once(`${type} ${expression}`, () => {
      const name = `v${this.#count++}`;
      (this.#early ? this.before : this.lines).push(`let ${name}: ${type} = ${expression};`);
      return name;
    });
  }

  #once(key: string, make: () => string): string {
    const early = this.#known.get(`before ${key}`);
    const known = early ?? (this.#early ? undefined : this.#known.get(key));
    if (known !== undefined) return known;
    const name = make();
    this.#known.set(this.#early ? `before ${key}` : key, name);
    return name;
  }

  /** The name (or literal) of tensor `t` at flat index `index`, a name itself or any u32 expression. */
  value(t: Tensor, index: string): string {
    const x = resolve(t);
    const fill = fillOf(x);
    if (fill !== undefined) return this.#literal(fill, x.dtype);
    if (this.#hoist && !this.#early && isLiteral(index)) return this.#hoisted(() => this.value(x, index));
    const at = isName(index) ? index : this.let('u32', index);
    return this.#once(`${keyOf(x)}@${at}`, () =>
      this.#graph.inMemory(x) ? this.let(wgslType(x.dtype), this.#names.load(x, at)) : this.#compute(x, at),
    );
  }

  #hoisted(value: () => string): string {
    this.#early = true;
    const name = value();
    this.#early = false;
    return name;
  }

  /** Computes `t` at `index` even if it is materialized (it is about to be stored), and remembers it. */
  evaluate(t: Tensor, index: string): string {
    const value = this.#compute(t, index);
    this.know(t, index, value);
    return value;
  }

  #compute({ node, dtype }: Tensor, index: string): string {
    const expression = node.op!.map!(
      {
        inputs: node.inputs,
        out: node.outs[0]!,
        i: index,
        load: (k, where) => this.value(node.inputs[k]!, where),
        let: (type, text) => this.let(type, text),
        declare: this.#names.declare,
      },
      node.params,
    );
    return this.let(wgslType(dtype), expression);
  }

  #literal(value: number, dtype: DType): string {
    if (dtype === 'i32') return `i32(${value})`;
    if (dtype !== 'f32') return `${value}u`;
    const rounded = Math.fround(value);
    if (Number.isFinite(rounded) && !Object.is(rounded, -0)) return f32(value);
    // WGSL refuses constants that are not finite, and Tint treats -0 as 0; bits from a variable are not a constant.
    const bits = `0x${new Uint32Array(Float32Array.of(value).buffer)[0]!.toString(16)}u`;
    const text = (name: string) => `var<private> ${name}: u32 = ${bits};`;
    return this.let('f32', `bitcast<f32>(${this.#names.declare({ name: 'bits', text })})`);
  }

  push(line: string): void {
    this.lines.push(line);
  }

  /** All lines so far. A method call, not `toString`: minifiers treat that as pure and reorder it. */
  text(): string {
    return this.lines.join('\n  ');
  }
}

function keyOf(t: Tensor): string {
  return `${t.node.id}.${t.output}`;
}
