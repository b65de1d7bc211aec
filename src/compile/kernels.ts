// Kernels of map groups, of checks and of assignments: accesses first, statements on demand. A thread computes one element, or a few.
import type { Capabilities } from '../graph/capabilities.ts';
import { elementsPerThread, MAP_THREADS } from '../graph/cost.ts';
import type { Guard } from '../graph/executor.ts';
import { type Declaration, type KernelSpec, type Size3, wgslType } from '../graph/kernel.ts';
import { identityOf, resolve } from '../graph/rewrite.ts';
import type { Tensor } from '../graph/tensor.ts';
import { Lines } from './expressions.ts';
import { type Group, type Grouped, productsOf } from './passes/group.ts';
import type { Commit } from './passes/hazards.ts';
import type { Materialized } from './passes/materialize.ts';
import type { Access, Contents, Kernel, Names, Value, Watch, Watches } from './plan.ts';

/** The inputs of kernel construction. */
export interface Source extends Pick<Grouped, 'graph' | 'stored'> {
  readonly gpu: Capabilities;
}

// ---- accesses

export function accessOf(value: Value, width: Access['width'] = 'scalar'): Access {
  return { value, type: 'array' in value ? value.array.type : wgslType(value.dtype), width };
}

/** The loads of an input, or of a computed value. */
export function loadsOf(t: Tensor, graph: Materialized): Access[] {
  return graph.readsOfInput(t).map(({ tensor }) => accessOf(tensor));
}

/** Each access once. */
export function united(accesses: readonly Access[]): Access[] {
  const found = new Map<Value, Access[]>();
  for (const access of accesses) {
    const same = found.get(access.value);
    if (!same) found.set(access.value, [access]);
    else if (!same.some(({ width }) => width === access.width)) same.push(access);
  }
  return [...found.values()].flat();
}

const without = (accesses: readonly Access[], values: ReadonlySet<Value>) =>
  accesses.filter(({ value }) => !values.has(value));

// ---- products of groups

export function labelOf(group: Group, { label }: Pick<KernelSpec, 'label'> = {}): string {
  const chain = [...group.chains.values()].flat().map((t) => t.node.name);
  return [[...(group.root ? [group.root.name] : []), ...chain].join('+'), label].filter(Boolean).join(' ');
}

/** The accesses of computing and storing a group's products, with chains and the guard's watches. */
export function productAccesses(
  group: Group,
  products: readonly Tensor[],
  { graph, stored }: Source,
  watches: Watches | undefined,
): Pick<Kernel, 'reads' | 'writes'> {
  const chained = products.filter(({ node }) => node.op!.map);
  const loads = chained.flatMap((t) => graph.reads(t).map(({ tensor }) => accessOf(tensor)));
  const watched = watchesOf(group, products, watches);
  const arenas = new Set<Value>(watched.flatMap(({ part }) => (part ? [resolve(part.arena)] : [])));
  const tests = watched.flatMap(({ tensor, part }) => (part ? loadsOf(tensor, graph) : []));
  const flags = watched.length > 0 ? watches : undefined;
  return {
    reads: [
      ...without(loads, new Set(products)),
      ...without(tests, arenas),
      ...(flags ? loadsOf(flags.step, graph) : []),
    ],
    writes: [
      ...products.filter((t) => stored.has(t)).map((t) => accessOf(t)),
      ...(flags ? [accessOf(flags.status, 'atomic')] : []),
    ],
  };
}

/** Stores the products that have consumers, and tests the guarded values. */
export function storeProducts(
  group: Group,
  products: readonly Tensor[],
  values: readonly string[],
  body: Lines,
  { graph, stored }: Source,
  names: Names,
  watches: Watches | undefined,
): void {
  for (const [k, t] of products.entries()) {
    const value = values[k]!;
    if (stored.has(t)) body.push(names.store(t, 'i', value));
    for (const { tensor, part } of watchesOf(group, [t], watches)) {
      if (part) {
        const at = body.let('u32', part.offset === 0 ? 'i' : `i + ${part.offset}u`);
        body.know(part.arena, at, value);
        test(body.value(tensor, at), body, graph, names, watches!);
      } else test(value, body, graph, names, watches!);
    }
  }
}

export function contentsOf(group: Group, { graph, stored }: Source, watches?: Watches): Contents {
  return { graph, stored, group, watches: watches?.byGroup.get(group) ?? [] };
}

// ---- maps

export function mapKernel(group: Group, source: Source, watches?: Watches): Kernel {
  const members = productsOf(group);
  const { graph, gpu } = source;
  const { reads, writes } = productAccesses(group, members, source, watches);
  return {
    ...rangeKernel(labelOf(group), members[0]!.size, gpu, (names) => {
      const body = new Lines(names, graph);
      const values = members.map((m) => body.evaluate(m, 'i'));
      storeProducts(group, members, values, body, source, names, watches);
      return { body };
    }),
    reads: united(reads),
    writes,
    contents: [contentsOf(group, source, watches)],
    guarded: (by) => mapKernel(group, source, by),
  };
}

type RangeText = (names: Names) => { readonly body: Lines; readonly before?: readonly string[] };

/** A map kernel over the indices below `size`, with one or a few elements per thread. */
function rangeKernel(
  name: string,
  size: number,
  gpu: Capabilities,
  text: RangeText,
): Omit<Kernel, 'reads' | 'writes' | 'contents'> {
  const each = elementsPerThread(size, gpu);
  const count = Math.ceil(size / (MAP_THREADS * each));
  const grid = folded(count, gpu);
  return {
    name,
    workgroup: [MAP_THREADS, 1, 1],
    grid,
    shared: [],
    barriers: false,
    requires: [],
    sized: false,
    body: (names) => {
      const { body, before = [] } = text(names);
      const w = grid[1] > 1 ? `(group.x + group.y * ${grid[0]}u)` : 'group.x';
      const first = `${w} * ${MAP_THREADS * each}u + lane`;
      const loop =
        each === 1
          ? `let i = ${first};\n  if (i < ${size}u)`
          : `let first = ${first};\n  for (var i = first; i < min(first + ${MAP_THREADS * each}u, ${size}u); i += ${MAP_THREADS}u)`;
      return `${[...before, ...body.before, loop].join('\n  ')} {\n  ${body.text()}\n  }`;
    },
  };
}

/** Workgroups beyond the limit of x, folded into y. */
export function folded(count: number, { maxComputeWorkgroupsPerDimension }: Capabilities): Size3 {
  const x = Math.min(count, maxComputeWorkgroupsPerDimension);
  return [x, Math.ceil(count / x), 1];
}

// ---- the guard

/** Whether the bits of an f32 are those of an infinity or a NaN: comparisons are not reliable for that. */
const NOT_FINITE: Declaration = {
  name: 'notFinite',
  text: (name) => `fn ${name}(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u; }`,
};

/** The watches of a group that test these products. */
function watchesOf(group: Group, products: readonly Tensor[], watches: Watches | undefined): readonly Watch[] {
  return (watches?.byGroup.get(group) ?? []).filter(({ host }) => products.includes(host));
}

/** Trips the guard if `value` is not finite. */
function test(
  value: string,
  body: Lines,
  graph: Materialized,
  names: Names,
  { step, status }: Omit<Watches, 'byGroup'>,
): void {
  const lines = new Lines(names, graph);
  const now = lines.value(step, '0u');
  const flag = names.pointer(status, '0u');
  const trip = names.declare({
    name: 'trip',
    text: (name) =>
      `fn ${name}() {\n  ${lines.text()}\n  if (atomicLoad(${flag}) == 0u) { atomicStore(${flag}, ${now} + 1u); }\n}`,
  });
  body.push(`if (${names.declare(NOT_FINITE)}(${value})) { ${trip}(); }`);
}

/** Tests values of one size that no earlier kernel could test. */
export function checkKernel(checked: readonly Tensor[], flags: Omit<Watches, 'byGroup'>, source: Source): Kernel {
  const { graph, stored, gpu } = source;
  return {
    ...rangeKernel('check', checked[0]!.size, gpu, (names) => {
      const body = new Lines(names, graph, { hoist: true });
      for (const t of checked) test(body.value(t, 'i'), body, graph, names, flags);
      return { body };
    }),
    reads: united([...checked, flags.step].flatMap((t) => loadsOf(t, graph))),
    writes: [accessOf(flags.status, 'atomic')],
    contents: [{ graph, stored, checked }],
  };
}

/** Writes variables of one size; guarded ones only if no check has failed. */
export function commitKernel(commits: readonly Commit[], guard: Guard | undefined, source: Source): Kernel {
  const { graph, stored, gpu } = source;
  const status = guard && identityOf(guard.status);
  return {
    ...rangeKernel('assign', commits[0]!.tensor.size, gpu, (names) => {
      const body = new Lines(names, graph, { hoist: true });
      const values = commits.map((c) => body.value(c.tensor, 'i'));
      const stores = (guarded: boolean) =>
        commits.flatMap((c, k) => (c.guarded === guarded ? names.store(identityOf(c.variable), 'i', values[k]!) : []));
      const guarded = stores(true).join('\n  ');
      body.push(status && guarded !== '' ? `if (good) {\n  ${guarded}\n  }` : guarded);
      for (const line of stores(false)) body.push(line);
      return { body, before: status ? [`let good = ${names.load(status, '0u')} == 0u;`] : [] };
    }),
    reads: united([...commits.flatMap((c) => loadsOf(c.tensor, graph)), ...(status ? [accessOf(status)] : [])]),
    writes: commits.map((c) => accessOf(identityOf(c.variable))),
    contents: [{ graph, stored, commits }],
  };
}
