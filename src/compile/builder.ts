// Kernels of kernel ops: an op's statements with its operands. Loads and stores become functions that contain the chains fused into
// them, written at their first use; using something that the kernel does not list is an internal error that names the op.
import { internal, OptionError } from '../graph/errors.ts';
import {
  type KernelSpec,
  type KernelText,
  type OpaqueKernel,
  type Operands,
  type RowSpec,
  type Scratch,
  wgslType,
} from '../graph/kernel.ts';
import type { KernelScope } from '../graph/op.ts';
import { resolve } from '../graph/rewrite.ts';
import type { Node, Tensor } from '../graph/tensor.ts';
import { Lines } from './expressions.ts';
import {
  accessOf,
  contentsOf,
  labelOf,
  loadsOf,
  mapKernel,
  productAccesses,
  type Source,
  storeProducts,
  united,
} from './kernels.ts';
import type { Group } from './passes/group.ts';
import { isFill, type Materialized } from './passes/materialize.ts';
import type { GroupScratch, Kernel, Names, Watches } from './plan.ts';

/** The kernels of a group in order. @throws DeviceError if the adapter lacks a required feature. */
export function kernelsOf(group: Group, source: Source): Kernel[] {
  const { root } = group;
  if (!root) return [mapKernel(group, source)];
  const scope = scopeOf(root, source);
  if (root.op!.opaque) return [opaqueKernel(group, root.op!.opaque(scope, root.params), source)];
  if (!root.op!.kernel)
    throw new OptionError(
      `${root.op!.name}: it has neither a map nor a kernel, so it cannot run on a GPU. Give it a map, or use a CPU backend.`,
    );
  const specs = [root.op!.kernel(scope, root.params)].flat() as readonly KernelSpec[];
  const arrays = new Map<Scratch, GroupScratch>();
  for (const array of specs.flatMap(({ writes = [] }) => writes)) arrays.set(array, { group, array });
  return specs.map((spec, k) => opKernel(group, spec, { arrays, first: k === 0 }, source));
}

/** The maximum number of scratch arrays that a kernel of an op binds. */
export function scratchCountOf(root: Node, source: Pick<Source, 'graph' | 'gpu'>): number {
  const specs = [root.op!.kernel?.(scopeOf(root, source), root.params) ?? []].flat() as readonly KernelSpec[];
  return Math.max(0, ...specs.map(({ reads = [], writes = [] }) => new Set([...reads, ...writes]).size));
}

/** The row form of a kernel op's group, if it has one. */
export function rowSpecOf({ root }: Group, source: Source): RowSpec | undefined {
  if (!root?.op?.rows) return undefined;
  return root.op.rows({ ...scopeOf(root, source), lanes: source.gpu.lanes }, root.params);
}

function scopeOf(root: Node, { graph, gpu }: Pick<Source, 'graph' | 'gpu'>): KernelScope {
  return { inputs: root.inputs, outs: root.outs, gpu, direct: (k) => isDirect(root.inputs[k]!, graph) };
}

/** Whether an input is a plain f32 buffer, which can be loaded as vec4f. */
function isDirect(t: Tensor, graph: Materialized): boolean {
  const x = resolve(t);
  return x.dtype === 'f32' && graph.inMemory(x) && !isFill(x);
}

/** Which inputs and outputs a kernel touches, and how. */
function operandsOf({ root }: Group, { inputs, vec4 = [], outputs }: Operands) {
  const all = [...root!.inputs.keys()];
  return {
    inputs: inputs ?? all.filter((k) => !vec4.includes(k)),
    vec4,
    outputs: outputs ?? [...root!.outs.keys()],
  };
}

/** The accesses of loading and storing a group's operands, with chains and watches. */
function operandAccesses(group: Group, operands: Operands, source: Source, watches?: Watches) {
  const { graph } = source;
  const { inputs, vec4, outputs } = operandsOf(group, operands);
  const { root, chains } = group;
  const products = outputs.flatMap((k) => [root!.outputs[k]!, ...(chains.get(k) ?? [])]);
  const indirect = vec4.find((k) => !isDirect(root!.inputs[k]!, graph));
  if (indirect !== undefined)
    throw internal(`${root!.name}: its kernel loads input ${indirect} as vec4f, which is not direct`);
  const own = productAccesses(group, products, source, watches);
  return {
    reads: united([
      ...inputs.flatMap((k) => loadsOf(root!.inputs[k]!, graph)),
      ...vec4.map((k) => accessOf(resolve(root!.inputs[k]!), 'vec4')),
      ...own.reads,
    ]),
    writes: own.writes,
  };
}

/** The kernel's functions that load and store operands, as a body refers to them; written at their first use. */
function operandText(
  group: Group,
  operands: Operands,
  source: Source,
  names: Names,
  watches?: Watches,
): Pick<KernelText, 'inputs' | 'outputs' | 'declare'> {
  const { root } = group;
  const { inputs, vec4, outputs } = operandsOf(group, operands);
  const undeclared = (what: string) => internal(`${root!.name}: its kernel uses ${what}, which it does not list`);
  const once = (base: string, text: (name: string) => string) => {
    let name: string | undefined;
    return () => {
      if (name === undefined) {
        name = names.unique(base);
        names.add(text(name));
      }
      return name;
    };
  };
  return {
    inputs: root!.inputs.map((t, k) => {
      const load = once(`load${k}`, (name) => {
        const body = new Lines(names, source.graph);
        const value = body.value(t, 'i');
        return `fn ${name}(i: u32) -> ${wgslType(t.dtype)} {\n  ${body.text()}\n  return ${value};\n}`;
      });
      const load4 = once(
        `load${k}v`,
        (name) => `fn ${name}(i: u32) -> vec4f { return ${names.load4(resolve(t), 'i')}; }`,
      );
      return {
        load: (index) => {
          if (!inputs.includes(k)) throw undeclared(`input ${k}`);
          return `${load()}(${index})`;
        },
        load4: (index) => {
          if (!vec4.includes(k)) throw undeclared(`input ${k} as vec4f`);
          return `${load4()}(${index})`;
        },
      };
    }),
    outputs: root!.outputs.map((t, k) => {
      const store = once(`store${k}`, (name) => storeFunction(name, group, t, source, names, watches));
      return {
        store: (index, value) => {
          if (!outputs.includes(k)) throw undeclared(`output ${k}`);
          return `${store()}(${index}, ${value});`;
        },
      };
    }),
    declare: names.declare,
  };
}

/** The tensors computed from the value at its index, then the stores that have consumers. */
function storeFunction(
  name: string,
  group: Group,
  t: Tensor,
  source: Source,
  names: Names,
  watches: Watches | undefined,
): string {
  const body = new Lines(names, source.graph);
  body.know(t, 'i', 'v');
  const members = group.chains.get(t.output) ?? [];
  const values = members.map((m) => body.evaluate(m, 'i'));
  storeProducts(group, [t, ...members], ['v', ...values], body, source, names, watches);
  return `fn ${name}(i: u32, v: ${wgslType(t.dtype)}) {\n  ${body.text()}\n}`;
}

function opKernel(
  group: Group,
  spec: KernelSpec,
  own: { readonly arrays: ReadonlyMap<Scratch, GroupScratch>; readonly first: boolean },
  source: Source,
  watches?: Watches,
): Kernel {
  const name = labelOf(group, spec);
  const { reads, writes } = operandAccesses(group, spec, source, watches);
  const arrayOf = (array: Scratch) => {
    const found = own.arrays.get(array);
    if (!found) throw internal(`${name}: no kernel writes the scratch array ${array.name} it reads`);
    return found;
  };
  const arrays = (list: readonly Scratch[] = []) => list.map((array) => accessOf(arrayOf(array)));
  return {
    name,
    workgroup: spec.workgroup,
    grid: spec.grid,
    reads: [...reads, ...arrays(spec.reads)],
    writes: [...writes, ...arrays(spec.writes)],
    shared: spec.shared ?? [],
    // Workgroup memory needs workgroups of the kernel's own size, as barriers do.
    barriers: spec.barriers || (spec.shared ?? []).length > 0,
    requires: spec.requires ?? [],
    sized: true,
    contents: [
      {
        ...contentsOf(group, source, watches),
        ...operandsOf(group, spec),
        inputs: [...new Set([...operandsOf(group, spec).inputs, ...(spec.vec4 ?? [])])],
        scratch: [...(spec.reads ?? []), ...(spec.writes ?? [])],
        first: own.first,
      },
    ],
    body: (names) => {
      const shared = new Map(
        (spec.shared ?? []).map((array) => {
          const unique = names.unique(array.name);
          names.add(`var<workgroup> ${unique}: array<${array.type}, ${array.size}>;`);
          return [array, unique];
        }),
      );
      const { reads: loaded = [], writes: kept = [] } = spec;
      const unlisted = (what: string) => internal(`${name}: its kernel ${what}, which it does not list`);
      return spec.body({
        ...operandText(group, spec, source, names, watches),
        scratch: (array) => ({
          load: (i) => {
            if (!loaded.includes(array) && !kept.includes(array))
              throw unlisted(`reads the scratch array ${array.name}`);
            return names.load(arrayOf(array), `(${i})`);
          },
          store: (i, value) => {
            if (!kept.includes(array)) throw unlisted(`writes the scratch array ${array.name}`);
            return names.store(arrayOf(array), `(${i})`, value);
          },
        }),
        shared: (array) => {
          const found = shared.get(array);
          if (found === undefined) throw unlisted(`uses the workgroup array ${array.name}`);
          return found;
        },
        barrier: () => {
          if (!spec.barriers) throw internal(`${name}: its kernel has a barrier, but does not set barriers`);
          return 'workgroupBarrier();';
        },
      });
    },
    guarded: (by) => opKernel(group, spec, own, source, by),
  };
}

/** A row kernel: the statements of one lane of one row, and what they touch. */
export interface RowKernel extends Pick<Kernel, 'name' | 'reads' | 'writes' | 'contents' | 'body'> {
  readonly rows: number;
  guarded(watches: Watches): RowKernel;
}

export function rowKernelOf(group: Group, spec: RowSpec, source: Source, watches?: Watches): RowKernel {
  const operands = operandsOf(group, spec);
  return {
    name: labelOf(group),
    rows: spec.rows,
    ...operandAccesses(group, spec, source, watches),
    contents: [
      {
        ...contentsOf(group, source, watches),
        ...operands,
        inputs: [...new Set([...operands.inputs, ...operands.vec4])],
        first: true,
      },
    ],
    body: (names) => spec.body(operandText(group, spec, source, names, watches)),
    guarded: (by) => rowKernelOf(group, spec, source, by),
  };
}

function opaqueKernel(group: Group, opaque: OpaqueKernel, source: Source): Kernel {
  const { root } = group;
  return {
    name: root!.name,
    workgroup: [1, 1, 1],
    grid: opaque.grid,
    reads: root!.inputs.map((t) => accessOf(resolve(t))),
    writes: root!.outputs.map((t) => accessOf(t)),
    shared: [],
    barriers: false,
    requires: opaque.requires ?? [],
    sized: true,
    contents: [
      {
        ...contentsOf(group, source),
        inputs: [...root!.inputs.keys()],
        outputs: [...root!.outputs.keys()],
        first: true,
      },
    ],
    opaque,
    body: () => opaque.module,
  };
}
