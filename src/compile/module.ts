// The WGSL module of one dispatch: bindings laid out from the declared accesses, then names and text. WebGPU forbids a buffer
// that is written a second binding of another kind, so all of its bindings are writable, and ranges that overlap are one.
import { ALIGNMENT, type Binding, type Memory, type Place } from '../gpu/memory.ts';
import { internal } from '../graph/errors.ts';
import type { Declaration, WgslType } from '../graph/kernel.ts';
import { type Access, dtypeOfValue, type Kernel, type Names, nameOf, type Value } from './plan.ts';
import { isPredeclared } from './predeclared.ts';

type Width = Access['width'];

/** How a kernel refers to a value. */
interface Reference {
  /** The binding's name, and the words before the value in it. */
  readonly name: string;
  readonly base: number;
  /** What an element of the binding is. */
  readonly element: WgslType | 'vec4f' | 'atomic<u32>';
}

/** What a binding serves: one range of a memory, or all of it. */
interface Slot {
  readonly places: Place[];
  readonly widths: Set<Width>;
  readonly types: Set<WgslType>;
}

/** The uses of one memory in a dispatch. */
interface Use {
  /** By offset and length. */
  readonly ranges: Map<string, Slot>;
  written: boolean;
}

/**
 * How a memory is bound: each range by itself, so that kernels of equal layers have equal text and share a pipeline; whole; or, where
 * it is read both as vec4f and one by one, whole as vec4f alone, which binds least.
 */
type Mode = 'ranges' | 'whole' | 'few';

interface Bound extends Binding {
  readonly element: Reference['element'];
  readonly slot: Slot;
  readonly mode: Mode;
}

/** Bindings and references of a dispatch: at most `most` bindings where they can be that few. */
export class Layout {
  readonly bindings: readonly Bound[];
  readonly #modes: ReadonlyMap<Memory, readonly Bound[]>;
  readonly #numbers: ReadonlyMap<Bound, number>;
  readonly #uses = new Map<Memory, Use>();
  readonly #place: (value: Value) => Place;
  readonly #declared = new Set<Value>();
  readonly #references = new Map<Value, Partial<Record<Width, Reference>>>();

  constructor({ reads, writes }: Pick<Kernel, 'reads' | 'writes'>, place: (value: Value) => Place, most: number) {
    this.#place = place;
    for (const access of reads) this.#use(access, access.width === 'atomic');
    for (const access of writes) this.#use(access, true);
    const modes = new Map([...this.#uses].map(([memory, use]) => [memory, bindingsOf(memory, use, 'whole')] as const));
    let count = 0;
    for (const bound of modes.values()) count += bound.length;
    const roomy = count <= most;
    // What differs from layer to layer is read, so that is bound by ranges first, as far as there are bindings.
    for (const [memory, use] of [...this.#uses].sort(([, a], [, b]) => Number(a.written) - Number(b.written))) {
      const other = bindingsOf(memory, use, roomy ? 'ranges' : 'few');
      const more = other.length - modes.get(memory)!.length;
      if (roomy && count + more > most) continue;
      count += more;
      modes.set(memory, other);
    }
    this.bindings = [...modes.values()].flat();
    this.#numbers = new Map(this.bindings.map((binding, n) => [binding, n]));
    this.#modes = modes;
  }

  #use({ value, type, width }: Access, written: boolean): void {
    const place = this.#place(value);
    const use = this.#uses.get(place.memory) ?? { ranges: new Map<string, Slot>(), written: false };
    this.#uses.set(place.memory, use);
    this.#declared.add(value);
    const key = `${place.offset} ${place.words}`;
    const slot = use.ranges.get(key) ?? { places: [], widths: new Set(), types: new Set() };
    use.ranges.set(key, slot);
    slot.places.push(place);
    slot.widths.add(width);
    slot.types.add(type);
    use.written ||= written;
  }

  /** @throws an internal error where the kernel did not declare the access. */
  reference(value: Value, width: Width): Reference {
    const widths = this.#references.get(value) ?? {};
    this.#references.set(value, widths);
    widths[width] ??= this.#refer(value, width);
    return widths[width];
  }

  #refer(value: Value, width: Width): Reference {
    if (!this.#declared.has(value)) throw internal(`${nameOf(value)} is used in a kernel that does not declare it`);
    const { memory, offset, words } = this.#place(value);
    const bound = this.#modes.get(memory)!;
    const own = bound.filter(({ slot }) => slot.places.some((p) => p.offset === offset && p.words === words));
    const elements = elementsOf(own[0]!.slot, this.#uses.get(memory)!, own[0]!.mode, new Set([width]));
    const binding = own.find(({ element }) => element === elements[0]);
    if (!binding) throw internal(`${nameOf(value)} is used as ${width} in a kernel that does not declare that`);
    return { name: `m${this.#numbers.get(binding)}`, base: offset - binding.offset, element: binding.element };
  }

  /** Sizes are stated, so that compilers need not keep indices within what a binding happens to hold. */
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

/** What of a memory is bound by itself: its ranges, or all of it. */
function slotsOf(use: Use, mode: Mode): Slot[] {
  const slots = [...use.ranges.values()];
  const sorted = slots.map(({ places }) => places[0]!).sort((a, b) => a.offset - b.offset);
  const apart = sorted.every((p, k) => k === 0 || sorted[k - 1]!.offset + sorted[k - 1]!.words <= p.offset);
  // A range starts where WebGPU allows it; those of a buffer with atomic words are of one type.
  const bindable = sorted.every(({ offset }) => offset % ALIGNMENT === 0);
  if (slots.length === 1 && bindable) return slots;
  if (mode === 'ranges' && bindable && !hasAtomics(use) && (apart || !use.written)) return slots;
  return [
    {
      places: slots.flatMap(({ places }) => places),
      widths: new Set(slots.flatMap(({ widths }) => [...widths])),
      types: new Set(slots.flatMap(({ types }) => [...types])),
    },
  ];
}

function rangeOf({ places }: Slot, memory: Memory): Place {
  const [first] = places as [Place, ...Place[]];
  const one =
    places.every((p) => p.offset === first.offset && p.words === first.words) && first.offset % ALIGNMENT === 0;
  return one ? first : { memory, offset: 0, words: memory.bytes / 4 };
}

function bindingsOf(memory: Memory, use: Use, mode: Mode): Bound[] {
  const access = use.written ? ('write' as const) : ('read' as const);
  return slotsOf(use, mode).flatMap((slot) => {
    const range = rangeOf(slot, memory);
    return elementsOf(slot, use, mode).map((element) => ({ ...range, access, element, slot, mode }));
  });
}

/** What an element is in the bindings of a slot that serve accesses of these widths. */
function elementsOf(
  slot: Slot,
  use: Use,
  mode: Mode,
  widths: ReadonlySet<Width> = slot.widths,
): Reference['element'][] {
  // Where one word is atomic, all words of the binding are.
  if (hasAtomics(use)) return ['atomic<u32>'];
  if (use.written) return [...slot.types];
  const alone = slot.places.every((p) => p.offset === slot.places[0]!.offset);
  const quads = slot.widths.has('vec4') && (mode === 'few' || alone);
  const scalars = widths.has('scalar') && !quads ? [...slot.types] : [];
  return [...(widths.has('vec4') || quads ? (['vec4f'] as const) : []), ...scalars];
}

function hasAtomics({ ranges }: Use): boolean {
  for (const { widths } of ranges.values()) if (widths.has('atomic')) return true;
  return false;
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
    if (dtypeOfValue(value) !== 'u8') return this.#word(value, index);
    return `((${this.#word(value, `(${index} >> 2u)`)} >> ((${index} & 3u) * 8u)) & 255u)`;
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
