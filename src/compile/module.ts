// The WGSL module of one dispatch: bindings laid out from the declared accesses, then names and text. WebGPU forbids a buffer
// that is written a second binding of another kind, so all of its bindings are writable, and ranges that overlap are one.
import { ALIGNMENT, type Binding, type Memory, type Place } from '../gpu/memory.ts';
import { internal } from '../graph/errors.ts';
import { type Declaration, type WgslType, wgslType } from '../graph/kernel.ts';
import { type Access, dtypeOfValue, type Kernel, type Names, nameOf, type Value } from './plan.ts';
import { isPredeclared } from './predeclared.ts';

type Width = Access['width'];

/** How a kernel refers to a value. */
interface Reference {
  /** The binding's name, and the value's offset in it in words. */
  readonly name: string;
  readonly base: number;
  /** The element type of the binding. */
  readonly element: WgslType | 'vec4f' | 'atomic<u32>';
}

/** A range of a memory that a dispatch touches, and how. */
interface Range extends Place {
  readonly widths: Set<Width>;
  readonly types: Set<WgslType>;
}

/** The uses of one memory in a dispatch. */
interface Use {
  /** By offset and length. */
  readonly ranges: Map<string, Range>;
  written: boolean;
  atomic: boolean;
}

/**
 * How a memory is bound: each range by itself, so that kernels of equal layers have equal text and share a pipeline; whole; or, if it is
 * read both as vec4f and as scalars, whole as vec4f only, which takes the fewest bindings.
 */
type Mode = 'ranges' | 'whole' | 'few';

interface Bound extends Binding {
  readonly element: Reference['element'];
  /** The ranges that lie in it. */
  readonly ranges: readonly Range[];
}

/** Bindings and references of a dispatch: at most `most` bindings, if possible. */
export class Layout {
  readonly bindings: readonly Bound[];
  readonly #uses = new Map<Memory, Use>();
  readonly #ranges = new Map<Value, Range>();
  readonly #references = new Map<Value, Partial<Record<Width, Reference>>>();

  constructor({ reads, writes }: Pick<Kernel, 'reads' | 'writes'>, place: (value: Value) => Place, most: number) {
    for (const access of reads) this.#use(access, place(access.value), access.width === 'atomic');
    for (const access of writes) this.#use(access, place(access.value), true);
    const bound = new Map([...this.#uses].map(([memory, use]) => [memory, bindingsOf(memory, use, 'whole')] as const));
    let count = [...bound.values()].flat().length;
    const roomy = count <= most;
    // Read memory differs from layer to layer, so it is bound by ranges first, as far as bindings allow.
    for (const [memory, use] of [...this.#uses].sort(([, a], [, b]) => Number(a.written) - Number(b.written))) {
      const other = bindingsOf(memory, use, roomy ? 'ranges' : 'few');
      const more = other.length - bound.get(memory)!.length;
      if (roomy && count + more > most) continue;
      count += more;
      bound.set(memory, other);
    }
    this.bindings = [...bound.values()].flat();
  }

  #use({ value, type, width }: Access, place: Place, written: boolean): void {
    const use = this.#uses.get(place.memory) ?? { ranges: new Map<string, Range>(), written: false, atomic: false };
    this.#uses.set(place.memory, use);
    const key = `${place.offset} ${place.words}`;
    const range = use.ranges.get(key) ?? { ...place, widths: new Set(), types: new Set() };
    use.ranges.set(key, range);
    this.#ranges.set(value, range);
    range.widths.add(width);
    range.types.add(type);
    use.written ||= written;
    use.atomic ||= width === 'atomic';
  }

  /** @throws an internal error if the kernel did not declare the value. */
  reference(value: Value, width: Width): Reference {
    const widths = this.#references.get(value) ?? {};
    this.#references.set(value, widths);
    widths[width] ??= this.#refer(value, width);
    return widths[width];
  }

  #refer(value: Value, width: Width): Reference {
    const range = this.#ranges.get(value);
    if (!range) throw internal(`${nameOf(value)} is used in a kernel that does not declare it`);
    const own = this.bindings.filter(({ ranges }) => ranges.includes(range));
    const as = (wanted: string) => own.find(({ element }) => element === wanted);
    const binding = (width === 'vec4' && as('vec4f')) || as(wgslType(dtypeOfValue(value))) || own[0]!;
    return {
      name: `m${this.bindings.indexOf(binding)}`,
      base: range.offset - binding.offset,
      element: binding.element,
    };
  }

  /** Sizes are explicit, so that compilers need not clamp indices to the bound size. */
  get text(): string {
    return this.bindings
      .map(({ access, element, words }, n) => {
        const count = element === 'vec4f' ? Math.ceil(words / 4) : words;
        const mode = access === 'read' ? 'read' : 'read_write';
        return `@group(0) @binding(${n}) var<storage, ${mode}> m${n}: array<${element}, ${count}>;`;
      })
      .join('\n');
  }
}

/** The bound parts of a memory: its ranges, or all of it. */
function bindingsOf(memory: Memory, { ranges: uses, written, atomic }: Use, mode: Mode): Bound[] {
  const ranges = [...uses.values()];
  const sorted = [...ranges].sort((a, b) => a.offset - b.offset);
  const apart = sorted.every((range, k) => k === 0 || sorted[k - 1]!.offset + sorted[k - 1]!.words <= range.offset);
  // A range starts at an aligned offset; all ranges of a buffer with atomic words have one type.
  const bindable = ranges.every(({ offset }) => offset % ALIGNMENT === 0);
  const alone = bindable && (ranges.length === 1 || (mode === 'ranges' && !atomic && (apart || !written)));
  const few = mode === 'few' || alone || sorted[0]!.offset === sorted.at(-1)!.offset;
  const access = written ? 'write' : 'read';
  return (alone ? ranges.map((range) => [range]) : [ranges]).flatMap((own) => {
    const { offset, words } = alone ? own[0]! : { offset: 0, words: memory.bytes / 4 };
    const types = new Set(own.flatMap((range) => [...range.types]));
    const widths = new Set(own.flatMap((range) => [...range.widths]));
    // If one word is atomic, all words of the binding are.
    const elements = atomic ? (['atomic<u32>'] as const) : written ? [...types] : elementsOf(types, widths, few);
    return elements.map((element) => ({ memory, offset, words, access, element, ranges: own }));
  });
}

/** The element types of the bindings for reads of these widths. */
function elementsOf(types: ReadonlySet<WgslType>, widths: ReadonlySet<Width>, few: boolean): Reference['element'][] {
  if (!widths.has('vec4')) return [...types];
  return ['vec4f', ...(widths.has('scalar') && !few ? types : [])];
}

/** WGSL's names of the features that a module has to enable. https://www.w3.org/TR/WGSL/#enable-extensions-sec */
const EXTENSIONS: Readonly<Record<string, string>> = { 'shader-f16': 'f16', subgroups: 'subgroups' };

/** The module under construction. */
export class Module implements Names {
  readonly layout: Layout;
  readonly #texts: string[] = [];
  readonly #taken = new Set<string>();
  readonly #declared = new Map<string, string>();

  constructor(layout: Layout) {
    this.layout = layout;
    for (const n of layout.bindings.keys()) this.#taken.add(`m${n}`);
    for (const name of ['main', 'group', 'local', 'lane', 'id', 'zero']) this.#taken.add(name);
  }

  unique(base: string): string {
    let name = base;
    for (let n = 1; this.#taken.has(name) || isPredeclared(name); n++) name = `${base}_${n}`;
    this.#taken.add(name);
    return name;
  }

  add(text: string): void {
    this.#texts.push(text);
  }

  declare = (declaration: Declaration): string => {
    const uses = (declaration.uses ?? []).map(this.declare);
    const key = declaration.text(declaration.name, ...uses);
    let name = this.#declared.get(key);
    if (name === undefined) {
      name = this.unique(declaration.name);
      this.#declared.set(key, name);
      this.add(name === declaration.name ? key : declaration.text(name, ...uses));
    }
    return name;
  };

  load(value: Value, index: string): string {
    const dtype = dtypeOfValue(value);
    if (dtype === 'u8') return `((${this.#word(value, `(${index} >> 2u)`)} >> ((${index} & 3u) * 8u)) & 255u)`;
    if (dtype === 'u16') return `((${this.#word(value, `(${index} >> 1u)`)} >> ((${index} & 1u) * 16u)) & 65535u)`;
    return this.#word(value, index);
  }

  #word(value: Value, index: string): string {
    const { name, base, element } = this.layout.reference(value, 'scalar');
    const at = base === 0 ? index : `${base}u + ${index}`;
    if (element === 'vec4f') return `${name}[(${at}) >> 2u][(${at}) & 3u]`;
    return element === 'atomic<u32>' ? `atomicLoad(&${name}[${at}])` : `${name}[${at}]`;
  }

  load4(value: Value, index: string): string {
    const { name, base, element } = this.layout.reference(value, 'vec4');
    if (element === 'vec4f') return base === 0 ? `${name}[${index}]` : `${name}[${base / 4}u + ${index}]`;
    return `vec4f(${[0, 1, 2, 3].map((c) => `${name}[${base + c}u + 4u * (${index})]`).join(', ')})`;
  }

  store(value: Value, index: string, element: string): string {
    const { name, base, element: type } = this.layout.reference(value, 'scalar');
    const at = base === 0 ? index : `${base}u + ${index}`;
    return type === 'atomic<u32>' ? `atomicStore(&${name}[${at}], ${element});` : `${name}[${at}] = ${element};`;
  }

  pointer(value: Value, index: string): string {
    const { name, base } = this.layout.reference(value, 'atomic');
    return `&${name}[${base}u + ${index}]`;
  }

  /** The whole text, with the features it requires. */
  text(requires: readonly string[], entryPoint: string): string {
    const extensions = [...new Set(requires)].flatMap((feature) => EXTENSIONS[feature] ?? []);
    const enables = extensions.map((name) => `enable ${name};`);
    return [...enables, this.layout.text, ...this.#texts, entryPoint].filter((part) => part !== '').join('\n');
  }
}
