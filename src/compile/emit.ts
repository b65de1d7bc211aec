// Writes the WGSL of one dispatch: expressions of fused chains, reads and writes of places in memory, and the bindings that
// they add up to. One buffer that is written is bound once, whole, since WebGPU forbids it a second binding.
import { f32 } from '../../shaders/wgsl.ts';
import type { Access } from '../gpu/runtime.ts';
import type { DType } from '../graph/dtype.ts';
import { type MapScope, type WgslType, wgslType } from '../graph/op.ts';
import { fillOf, type Tensor } from '../graph/tensor.ts';
import type { Fusion } from './fuse.ts';
import { keyOf, resolve } from './keep.ts';
import type { Memory, MemoryPlan, Place } from './memory.ts';

/** What one dispatch binds: a range of a buffer in words. */
export interface Binding {
  readonly memory: Memory;
  readonly offset: number;
  readonly words: number;
  readonly access: Access;
}

/** How a place is used in the text. */
type Use = WgslType | 'vec4' | 'atomic';

interface Slot {
  readonly place: Place;
  readonly use: Use;
  readonly write: boolean;
}

/** The module of one dispatch under construction. */
export class ModuleText {
  readonly #slots: Slot[] = [];
  readonly #declared = new Set<string>();

  /** Adds module-scope text, once however often it is asked for. */
  declare(text: string): void {
    this.#declared.add(text);
  }

  #slot(place: Place, use: Use, write: boolean): number {
    const at = this.#slots.findIndex((s) => samePlace(s.place, place) && s.use === use && s.write === write);
    return at >= 0 ? at : this.#slots.push({ place, use, write }) - 1;
  }

  /** The value at element `index` of a place. */
  read(place: Place, index: string, dtype: DType): string {
    if (dtype !== 'u8') return `@read${this.#slot(place, wgslType(dtype), false)}(${index})`;
    const word = `@read${this.#slot(place, 'u32', false)}((${index}) >> 2u)`;
    return `((${word} >> (((${index}) & 3u) * 8u)) & 255u)`;
  }

  /** The vec4f at elements 4 · index to 4 · index + 3. */
  readVec4(place: Place, index: string): string {
    return `@read${this.#slot(place, 'vec4', false)}(${index})`;
  }

  /** A statement that sets element `index` of a place. */
  write(place: Place, index: string, value: string, type: WgslType): string {
    return `@write${this.#slot(place, type, true)}(${index}, ${value});`;
  }

  /** An array element as an l-value, for scratch arrays and atomics. */
  element(place: Place, index: string, use: WgslType | 'atomic', write: boolean): string {
    return `@at${this.#slot(place, use, write)}(${index})`;
  }

  /** The module that ends with `main`, and its bindings: at most `most` where they can be that few. */
  finish(main: string, most: number): { code: string; bindings: Binding[] } {
    const roomy = this.#text(main, false);
    return roomy.bindings.length > most ? this.#text(main, true) : roomy;
  }

  /** With `few`, a buffer that is read both as vec4f and one by one is bound once, at the price of picking words out. */
  #text(main: string, few: boolean): { code: string; bindings: Binding[] } {
    const bindings: (Binding & { type: string })[] = [];
    const named = this.#slots.map((slot) => this.#bind(slot, bindings, few));
    const body = [...this.#declared, main].join('\n');
    const code = replaceMarks(body, (kind, at, args) => access(kind, args, named[at]!));
    // Sizes are said, so that compilers need not keep indices within what a binding happens to hold.
    const declarations = bindings.map(({ access, type, words }, n) => {
      const count = type === 'vec4f' ? Math.ceil(words / 4) : words;
      const mode = access === 'read' ? 'read' : 'read_write';
      return `@group(0) @binding(${n}) var<storage, ${mode}> m${n}: array<${type}, ${count}>;`;
    });
    return { code: `${declarations.join('\n')}\n${code}`, bindings };
  }

  /** Finds or makes the binding of a slot: its own range, or the whole buffer where the dispatch uses more of it. */
  #bind(slot: Slot, bindings: (Binding & { type: string })[], few: boolean): Named {
    const { memory, offset, words } = slot.place;
    const others = this.#slots.filter((s) => s.place.memory === memory);
    const written = others.some((s) => s.write || s.use === 'atomic');
    const whole = written ? others.length > 1 : others.some((s) => s.place.offset !== offset);
    // Read both as vec4f and one by one: one binding of vec4f serves both.
    const quads = !written && (few || !whole) && others.some((s) => s.use === 'vec4');
    // Where one word is atomic, all words of the binding are.
    const atomic = others.some((s) => s.use === 'atomic');
    const use = atomic ? 'atomic' : written && slot.use === 'vec4' ? 'f32' : quads ? 'vec4' : slot.use;
    const type = use === 'vec4' ? 'vec4f' : use === 'atomic' ? 'atomic<u32>' : use;
    // An arena and its first member begin at one offset: the longer range serves both.
    const longest = Math.max(words, ...others.map((s) => s.place.words));
    const range = whole ? { offset: 0, words: memory.bytes / 4 } : { offset, words: longest };
    let at = bindings.findIndex((b) => b.memory === memory && b.type === type);
    if (at < 0) at = bindings.push({ memory, ...range, access: written ? 'write' : 'read', type }) - 1;
    const base = whole ? offset : 0;
    return {
      name: `m${at}`,
      base: slot.use === 'vec4' && use === 'vec4' ? base / 4 : base,
      gather: slot.use === 'vec4' && use === 'f32',
      pick: slot.use !== 'vec4' && quads,
      atomic: atomic && slot.use !== 'atomic',
    };
  }
}

function samePlace(a: Place, b: Place): boolean {
  return a.memory === b.memory && a.offset === b.offset && a.words === b.words;
}

interface Named {
  readonly name: string;
  /** Words before the place in its binding. */
  readonly base: number;
  /** A vec4f is read as four words one by one. */
  readonly gather: boolean;
  /** A word is picked out of a vec4f. */
  readonly pick: boolean;
  /** A plain word lies among atomic ones. */
  readonly atomic: boolean;
}

function access(kind: string, args: string[], { name, base, gather, pick, atomic }: Named): string {
  if (pick) return `${name}[(${base}u + ${args[0]!}) >> 2u][(${args[0]!}) & 3u]`;
  const at = (index: string) => (base === 0 ? `${name}[${index}]` : `${name}[${base}u + ${index}]`);
  if (atomic) {
    const word = `&${at(args[0]!)}`;
    return kind === 'write' ? `atomicStore(${word}, ${args.slice(1).join(',')})` : `atomicLoad(${word})`;
  }
  if (kind === 'write') return `${at(args[0]!)} = ${args.slice(1).join(',')}`;
  if (!gather) return at(args[0]!);
  return `vec4f(${[0, 1, 2, 3].map((c) => at(`4u * (${args[0]!}) + ${c}u`)).join(', ')})`;
}

/** Replaces `@kind12(a, b)` marks, inner ones first; parentheses and top-level commas are matched. */
function replaceMarks(text: string, replace: (kind: string, at: number, args: string[]) => string): string {
  const mark = /@(read|write|at)(\d+)\(/g;
  let out = '';
  let from = 0;
  for (let found = mark.exec(text); found; found = mark.exec(text)) {
    const open = found.index + found[0].length;
    let depth = 1;
    let end = open;
    const commas: number[] = [];
    for (; depth > 0; end++) {
      const c = text[end]!;
      if (c === '(' || c === '[') depth++;
      else if (c === ')' || c === ']') depth--;
      else if (c === ',' && depth === 1) commas.push(end);
    }
    const cuts = [open - 1, ...commas, end - 1];
    const args = cuts.slice(1).map((cut, k) => replaceMarks(text.slice(cuts[k]! + 1, cut), replace).trim());
    out += text.slice(from, found.index) + replace(found[1]!, Number(found[2]), args);
    from = end;
    mark.lastIndex = end;
  }
  return out + text.slice(from);
}

/** Writes the lines of one function body: each tensor at each index is computed or loaded once. */
export class Body {
  readonly lines: string[] = [];
  /** With `apart`: the lines for elements that are the same whatever the index, to be put before a loop over it. */
  readonly before: string[] = [];
  readonly #module: ModuleText;
  readonly #fusion: Fusion;
  readonly #plan: MemoryPlan;
  readonly #known = new Map<string, string>();
  readonly #apart: boolean;
  /** Whether what is written now goes before the loop. */
  #early = false;
  #count = 0;

  constructor(module: ModuleText, fusion: Fusion, plan: MemoryPlan, { apart = false } = {}) {
    this.#module = module;
    this.#fusion = fusion;
    this.#plan = plan;
    this.#apart = apart;
  }

  /** Says that `t` at `index` is already in the variable `name`. */
  know(t: Tensor, index: string, name: string): void {
    this.#known.set(`${keyOf(resolve(t))}@${index}`, name);
  }

  let(type: WgslType, expression: string): string {
    if (/^\w+$/.test(expression)) return expression;
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
    if (this.#apart && !this.#early && /^\d+u$/.test(index)) return this.#before(() => this.value(x, index));
    const at = /^\w+$/.test(index) ? index : this.let('u32', index);
    const type = wgslType(x.dtype);
    return this.#once(`${keyOf(x)}@${at}`, () =>
      this.#fusion.keeping.inMemory(x)
        ? this.let(type, this.#module.read(this.#plan.place(x), at, x.dtype))
        : this.#compute(x, at),
    );
  }

  #before(value: () => string): string {
    this.#early = true;
    const name = value();
    this.#early = false;
    return name;
  }

  /** Computes `t` at `index` even where it is kept in memory (it is about to be put there), and remembers it. */
  evaluate(t: Tensor, index: string): string {
    const value = this.#compute(t, index);
    this.know(t, index, value);
    return value;
  }

  #compute({ node, dtype }: Tensor, index: string): string {
    const scope: MapScope = {
      inputs: node.inputs,
      out: node.outs[0]!,
      i: index,
      load: (k, where) => this.value(node.inputs[k]!, where),
      let: (type, expression) => this.let(type, expression),
      declare: (text) => this.#module.declare(text),
    };
    return this.let(wgslType(dtype), node.op!.map!(scope, node.params));
  }

  #literal(value: number, dtype: DType): string {
    if (dtype === 'i32') return `i32(${value})`;
    if (dtype !== 'f32') return `${value}u`;
    if (Number.isFinite(Math.fround(value))) return f32(value);
    // WGSL refuses constants that are not finite; bits that only a variable holds are no constant.
    const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!.toString(16);
    this.#module.declare(`var<private> bits${bits}: u32 = 0x${bits}u;`);
    return this.let('f32', `bitcast<f32>(bits${bits})`);
  }

  write(t: Tensor, index: string, value: string): void {
    const x = resolve(t);
    this.lines.push(this.#module.write(this.#plan.place(x), index, value, wgslType(x.dtype)));
  }

  /** All lines so far. A method that is called, no `toString`: minifiers take that for pure and move what it should follow. */
  text(): string {
    return this.lines.join('\n  ');
  }
}
