// What must be true of every plan, whatever recipe and adapter it is for: read from what the passes give, not from how they work.
import { Buffers } from '../src/compile/buffers.ts';
import type { Access, Dispatch, Kernel, Value } from '../src/compile/plan.ts';
import { ALIGNMENT, type Binding, type Memory, overlap, type Place } from '../src/gpu/memory.ts';
import type { Capabilities } from '../src/graph/capabilities.ts';
import { resolve } from '../src/graph/rewrite.ts';
import type { Node, Tensor } from '../src/graph/tensor.ts';
import { type Stages, stepOf, valueText } from './on-paper.ts';

/** What is wrong with a plan, as sentences. */
export function planFaults(stages: Stages, gpu: Capabilities): string[] {
  const persistent = 'lengths' in stages.loop.plan[0]! && stages.loop.plan[0].lengths !== undefined;
  return [
    ...countFaults(stages, gpu, persistent),
    ...orderFaults(stages),
    ...hazardFaults(stages),
    ...lifeFaults(stages),
    ...commitFaults(stages),
    ...guardFaults(stages),
    ...renderFaults(stages, gpu),
  ];
}

const accessesOf = ({ reads, writes }: Kernel): Access[] => [...reads, ...writes];

/** What packing counts for each dispatch is what it binds, and no more than it may. */
function countFaults({ prefetch, group, place, guard }: Stages, gpu: Capabilities, persistent: boolean): string[] {
  const carried = prefetch.carried.map(([variable]) => variable);
  const memoryOf = (leaf: Node) => guard.place(leaf.outputs[0]!).memory;
  const buffers = new Buffers(group, memoryOf, carried);
  const homes = place.dispatches.map(({ kernels }, id) => {
    const writes = kernels.flatMap((kernel) => kernel.writes.map(({ value }) => value));
    return { id, writes, arena: buffers.arenaOf(writes) };
  });
  const makers = new Map(homes.flatMap((home) => home.writes.map((value) => [value, home] as const)));
  const faults: string[] = [];
  for (const [at, { kernels }] of [...place.dispatches, ...place.commits].entries()) {
    const values = kernels.flatMap(accessesOf).map(({ value }) => value);
    const counted = new Set(values.map((value) => buffers.of(value, makers.get(value)))).size;
    const bound = memoriesOf({ kernels }, place.place).size;
    if (counted !== bound && !persistent) faults.push(`dispatch ${at}: counted ${counted} buffers, binds ${bound}`);
  }
  for (const [at, dispatch] of [...guard.dispatches, ...guard.commits].entries()) {
    const bound = memoriesOf(dispatch, guard.place).size;
    if (bound > gpu.maxStorageBuffersPerShaderStage) faults.push(`dispatch ${at}: binds ${bound} buffers`);
  }
  return faults;
}

function memoriesOf({ kernels }: Dispatch, place: (value: Value) => Place): Set<Memory> {
  return new Set(kernels.flatMap(accessesOf).map(({ value }) => place(value).memory));
}

/** The values that a read needs written: none for leaves, all parts of an arena. */
function sourcesOf(value: Value): Value[] {
  if ('array' in value) return [value];
  const x = resolve(value);
  if (!x.node.op) return [];
  return x.node.op.placement ? x.node.inputs.flatMap(sourcesOf) : [x];
}

/** What is read was written by a dispatch before, or by the same kernel; and each value is written once. */
function orderFaults({ guard }: Stages): string[] {
  const faults: string[] = [];
  const written = new Set<Value>();
  for (const [at, { kernels }] of [...guard.dispatches, ...guard.commits].entries()) {
    for (const { name, reads, writes } of kernels) {
      const own = new Set(writes.map(({ value }) => value));
      for (const { value } of reads)
        for (const source of sourcesOf(value))
          if (!written.has(source) && !own.has(source))
            faults.push(`dispatch ${at}: ${name} reads ${valueText(source)}, which nothing before it writes`);
    }
    for (const { value, width } of kernels.flatMap(({ writes }) => writes)) {
      const again = written.has(value) && width !== 'atomic';
      if (again && !('array' in value)) faults.push(`dispatch ${at}: ${valueText(value)} is written again`);
      written.add(value);
    }
  }
  return faults;
}

/** Nothing is written in a dispatch that reads it, but by the thread that reads it; nothing is written twice in one. */
function hazardFaults({ guard }: Stages): string[] {
  const faults: string[] = [];
  const place = guard.place;
  for (const [at, { kernels }] of [...guard.dispatches, ...guard.commits].entries()) {
    for (const [k, writer] of kernels.entries())
      for (const write of writer.writes) {
        if (write.width === 'atomic') continue;
        for (const [n, other] of kernels.entries()) {
          const touched = n === k ? other.reads : accessesOf(other);
          for (const { value } of touched) {
            if (!overlap(place(write.value), place(value))) continue;
            const safe = n === k && isOwnRead(writer, write.value, value, place);
            if (!safe) faults.push(`dispatch ${at}: ${other.name} touches what ${writer.name} writes`);
          }
        }
      }
  }
  return faults;
}

/** Whether a kernel reads `value` only where the same thread writes `written`. */
function isOwnRead(kernel: Kernel, written: Value, value: Value, place: (value: Value) => Place): boolean {
  if (value === written) {
    // Row kernels: those that follow read what the lanes of their row wrote.
    if (kernel.contents.length > 1) return true;
  }
  const commits = kernel.contents.flatMap(({ graph, commits: list = [] }) => list.map((commit) => ({ graph, commit })));
  if (commits.length === 0) return false;
  const [a, b] = [place(written), place(value)];
  if (a.offset !== b.offset) return false;
  const reads = commits.flatMap(({ graph, commit }) => graph.readsOfInput(commit.tensor));
  return reads.every(({ tensor, identity }) => identity || !overlap(place(tensor), a));
}

interface Life {
  readonly value: Value;
  readonly place: Place;
  readonly from: number;
  until: number;
}

/** No two values lie in the same words while both are needed. */
function lifeFaults({ guard, prefetch }: Stages): string[] {
  const lives = new Map<Value, Life>();
  const all = [...guard.dispatches, ...guard.commits];
  for (const [variable] of prefetch.carried)
    lives.set(variable, { value: variable, place: guard.place(variable), from: -1, until: Number.POSITIVE_INFINITY });
  for (const [at, { kernels }] of all.entries())
    for (const { value } of kernels.flatMap(({ writes }) => writes))
      if ('array' in value || value.node.op)
        lives.set(value, { value, place: guard.place(value), from: lives.get(value)?.from ?? at, until: at });
  const use = (value: Value, at: number) => {
    for (const source of sourcesOf(value)) {
      const life = lives.get(source);
      if (life) life.until = Math.max(life.until, at);
    }
  };
  for (const [at, { kernels }] of all.entries()) for (const { value } of kernels.flatMap(accessesOf)) use(value, at);
  for (const [, t] of guard.graph.recipe.outputs) use(t, Number.POSITIVE_INFINITY);
  const list = [...lives.values()];
  return list.flatMap((a, k) =>
    list
      .slice(k + 1)
      .filter((b) => a.from <= b.until && b.from <= a.until && overlap(a.place, b.place))
      .map((b) => `${valueText(a.value)} and ${valueText(b.value)} lie in the same words at once`),
  );
}

/** Every assignment of the recipe is made once. */
function commitFaults({ prefetch, guard }: Stages): string[] {
  const { assignments = [], records = [] } = prefetch.recipe;
  const made = guard.commits.flatMap(({ kernels }) => kernels.flatMap(({ contents }) => contents));
  const counts = new Map<Node, number>();
  for (const { commits = [] } of made)
    for (const { variable } of commits) counts.set(variable.node, (counts.get(variable.node) ?? 0) + 1);
  return [...assignments, ...records]
    .map(([variable]) => counts.get(variable.node) ?? 0)
    .flatMap((count, k) => (count === 1 ? [] : [`assignment ${k} is made ${count} times`]));
}

/** Every guarded assignment of floats and every checked tensor is tested once, in all its parts. */
function guardFaults({ hazards, prefetch, loop }: Stages): string[] {
  if (!hazards.guard) return [];
  const carried = new Set(prefetch.carried.map(([variable]) => variable.node));
  const guarded = hazards.commits.flat().filter((commit) => commit.guarded && !carried.has(commit.variable.node));
  const expected = [
    ...hazards.guard.checked.map((t) => [t, t] as const),
    ...guarded.map(({ tensor, original }) => [tensor, original] as const),
  ].filter(([tensor]) => tensor.dtype === 'f32');
  const tests = testsOf(stepOf(loop));
  const wanted = new Map<Tensor, number>();
  for (const [tensor, seen] of expected) {
    const key = tests.has(resolve(tensor)) ? resolve(tensor) : resolve(seen);
    wanted.set(key, (wanted.get(key) ?? 0) + 1);
  }
  const keys = new Set([...wanted.keys(), ...tests.keys()]);
  return [...keys].flatMap((t) => {
    const [due, done] = [wanted.get(t) ?? 0, tests.get(t) ?? 0];
    return due === done ? [] : [`${valueText(t)} is tested ${done} times, not ${due}`];
  });
}

/** How often dispatches test each tensor. */
function testsOf(dispatches: readonly Dispatch[]): Map<Tensor, number> {
  const tests = new Map<Tensor, number>();
  const add = (t: Tensor, count: number) => tests.set(resolve(t), (tests.get(resolve(t)) ?? 0) + count);
  for (const { contents } of dispatches.flatMap(({ kernels }) => kernels)) {
    for (const { checked = [], watches = [], group, outputs = [0] } of contents) {
      for (const t of checked) add(t, 1);
      const products = outputs.flatMap((k) => [group?.root?.outputs[k], ...(group?.chains.get(k) ?? [])]);
      for (const { host, tensor, part } of watches)
        if (products.includes(host)) add(tensor, part ? 1 / part.arena.node.inputs.length : 1);
    }
  }
  return new Map([...tests].map(([t, count]) => [t, Math.round(count * 1e6) / 1e6]));
}

/** What is rendered binds what its text declares, once each, and names nothing twice. */
function renderFaults({ start, render }: Stages, gpu: Capabilities): string[] {
  return [...start, ...render.plan].flatMap(({ label, code, bindings }) => [
    ...(bindings.length > gpu.maxStorageBuffersPerShaderStage ? [`${label}: ${bindings.length} bindings`] : []),
    ...moduleFaults(code, bindings.length).map((fault) => `${label}: ${fault}`),
    ...bindingFaults(bindings).map((fault) => `${label}: ${fault}`),
  ]);
}

/** WebGPU forbids a buffer that is written a second binding that is not, or that overlaps; ranges start where it allows it. */
function bindingFaults(bindings: readonly Binding[]): string[] {
  return bindings.flatMap((a, k) => {
    const clash = bindings.slice(k + 1).some((b) => {
      const writes = [a, b].filter(({ access }) => access === 'write').length;
      return a.memory === b.memory && (writes === 1 || (writes === 2 && overlap(a, b)));
    });
    return [
      ...(clash ? [`${a.memory.label} is written and bound twice`] : []),
      ...(a.offset % ALIGNMENT === 0 ? [] : [`${a.memory.label} is bound from ${a.offset}`]),
    ];
  });
}

/** What is wrong with the text of a module that binds so many ranges. */
export function moduleFaults(code: string, bindings: number): string[] {
  const faults: string[] = [];
  const numbers = [...code.matchAll(/@binding\((\d+)\)/g)].map(([, n]) => Number(n));
  if (numbers.join() !== [...Array(bindings).keys()].join()) faults.push(`binds ${numbers}, of ${bindings}`);
  const names = atModuleScope(code).flatMap((line) => DECLARED.exec(line)?.[1] ?? []);
  const twice = names.filter((name, k) => names.indexOf(name) < k);
  if (twice.length > 0) faults.push(`declares ${twice} twice`);
  for (const [, name] of code.matchAll(/var<storage, read> (\w+)/g))
    if (code.includes(`&${name}[`) || new RegExp(`\\b${name}\\[[^;]*\\] = `).test(code))
      faults.push(`stores to ${name}`);
  const enables = [...code.matchAll(/^enable /gm)].map(({ index }) => index);
  const first = code.search(/^(?!enable )/m);
  if (enables.some((index) => index > first)) faults.push('enables a feature after other text');
  return faults;
}

/** The name that a line declares. */
const DECLARED = /^(?:fn|(?:@group\S* @binding\S* )?var<[^>]*>|const|alias|struct|override) (\w+)/;

/** The lines outside of all braces. */
function atModuleScope(code: string): string[] {
  let depth = 0;
  return code.split('\n').filter((line) => {
    const outside = depth === 0;
    for (const c of line) depth += c === '{' ? 1 : c === '}' ? -1 : 0;
    return outside;
  });
}
