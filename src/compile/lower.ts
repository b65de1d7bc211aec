// From groups to dispatches: each becomes WGSL with its bindings and grid. Kernel ops get `loadK` and `storeK` with the
// chains fused into them; map groups get one thread an element; the last two dispatches check what is about to be
// assigned, and assign it.
import { internal } from '../graph/errors.ts';
import { type Capabilities, type KernelPlan, type Pass, type WgslType, wgslType } from '../graph/op.ts';
import { Tensor } from '../graph/tensor.ts';
import type { Commit } from './commit.ts';
import { type Binding, Body, ModuleText } from './emit.ts';
import type { Fusion, Group, Segment } from './fuse.ts';
import { isFill, keyOf, resolve } from './keep.ts';
import type { MemoryPlan, Place } from './memory.ts';

/** A dispatch as text. */
export interface Dispatch {
  readonly label: string;
  readonly code: string;
  readonly bindings: readonly Binding[];
  readonly workgroups: readonly [number, number, number];
}

/** Everything lowering needs to know of the program. */
export interface LowerContext {
  readonly fusion: Fusion;
  readonly plan: MemoryPlan;
  readonly gpu: Capabilities;
  readonly kernels: ReadonlyMap<Group, KernelPlan>;
  /** Keys of tensors that something reads from memory. */
  readonly wanted: ReadonlySet<string>;
}

/** Threads in a workgroup of a map kernel. */
const THREADS = 64;

/** Elements a thread computes one after another: workgroups are dear where a CPU pretends to be a GPU, but few idle cores. */
function elementsPerThread(size: number, gpu: Capabilities): number {
  return gpu.software ? Math.min(32, Math.ceil(size / (THREADS * 16))) : 1;
}

/** A kernel op's plan, with the groups' fusions known. */
export function planKernel(group: Group, fusion: Fusion, gpu: Capabilities): KernelPlan {
  const root = group.root!;
  return root.op!.kernel!(
    {
      inputs: root.inputs,
      outs: root.outs,
      gpu,
      direct: (k) => {
        const t = resolve(root.inputs[k]!);
        return t.dtype === 'f32' && fusion.keeping.inMemory(t) && !isFill(t);
      },
    },
    root.params,
  );
}

export function lowerGroup(group: Group, context: LowerContext): Dispatch[] {
  if (!group.root) return [lowerMap(group.segments, context)];
  const plan = context.kernels.get(group)!;
  return plan.passes.map((pass) => lowerPass(group, pass, plan, context));
}

function lowerPass(group: Group, pass: Pass, plan: KernelPlan, context: LowerContext): Dispatch {
  const root = group.root!;
  const module = new ModuleText();
  for (const k of pass.inputs) {
    const t = root.inputs[k]!;
    const type = wgslType(t.dtype);
    const body = new Body(module, context.fusion, context.plan);
    const value = body.value(t, 'i');
    module.add(`fn load${k}(i: u32) -> ${type} {\n  ${body.text()}\n  return ${value};\n}`);
    if (pass.vec4?.includes(k)) {
      module.add(`fn load${k}v(i: u32) -> vec4f { return ${module.readVec4(context.plan.place(t), 'i')}; }`);
    }
  }
  for (const output of pass.outs) module.add(storeFunction(group, output, module, context));
  const arrays = new Map((plan.scratch ?? []).map((s) => [s.name, s]));
  let code = pass.code;
  for (const [names, write] of [
    [pass.reads ?? [], false],
    [pass.writes ?? [], true],
  ] as const) {
    for (const name of names) {
      const type = arrays.get(name)?.type;
      if (!type) throw internal(`${root.name}: no scratch array is called ${name}`);
      const both = write || (pass.writes ?? []).includes(name);
      code = scratchAccess(code, name, (index) => module.element(context.plan.scratch(group, name), index, type, both));
    }
  }
  module.add(code);
  const label = [root.name, pass.label].filter(Boolean).join(' ');
  return { label: labelOf(label, group), ...module.finish(), workgroups: pass.workgroups };
}

/** Rewrites `NAME[index]` in a kernel's text. */
function scratchAccess(code: string, name: string, element: (index: string) => string): string {
  const start = new RegExp(`\\b${name}\\[`, 'g');
  let out = '';
  let from = 0;
  for (let found = start.exec(code); found; found = start.exec(code)) {
    let depth = 1;
    let end = found.index + found[0].length;
    for (; depth > 0; end++) depth += code[end] === '[' ? 1 : code[end] === ']' ? -1 : 0;
    const index = scratchAccess(code.slice(found.index + found[0].length, end - 1), name, element);
    out += code.slice(from, found.index) + element(index);
    from = end;
    start.lastIndex = end;
  }
  return out + code.slice(from);
}

function labelOf(name: string, group: Group): string {
  const chain = [...group.chains.values()].flat().map((t) => t.node.name);
  return [name, ...chain].join('+');
}

/** `storeK(i, v)`: what is computed from the value at its index, then the stores that somebody reads. */
function storeFunction(group: Group, output: number, module: ModuleText, context: LowerContext): string {
  const t = new Tensor(group.root!, output);
  const type: WgslType = wgslType(t.dtype);
  const body = new Body(module, context.fusion, context.plan);
  body.know(t, 'i', 'v');
  const members = group.chains.get(output) ?? [];
  const values = members.map((m) => body.evaluate(m, 'i'));
  for (const [k, x] of [t, ...members].entries()) {
    if (context.wanted.has(keyOf(x))) body.write(x, 'i', k === 0 ? 'v' : values[k - 1]!);
  }
  return `fn store${output}(i: u32, v: ${type}) {\n  ${body.text()}\n}`;
}

function lowerMap(segments: readonly Segment[], context: LowerContext): Dispatch {
  const module = new ModuleText();
  const ranges = segments.map(({ size, members }) => {
    const body = new Body(module, context.fusion, context.plan);
    const values = members.map((m) => body.evaluate(m, 'i'));
    for (const [k, m] of members.entries()) if (context.wanted.has(keyOf(m))) body.write(m, 'i', values[k]!);
    return { size, text: body.text() };
  });
  const label = segments.map((s) => s.members.map((m) => m.node.name).join('+')).join(' | ');
  return rangeKernel(label, module, ranges, '', context.gpu);
}

interface Range {
  readonly size: number;
  readonly text: string;
}

/** Threads over the indices of each range; ranges start at whole workgroups. */
function rangeKernel(
  label: string,
  module: ModuleText,
  ranges: readonly Range[],
  before: string,
  gpu: Capabilities,
): Dispatch {
  let start = 0;
  const branches = ranges.map(({ size, text }) => {
    const from = start;
    const each = elementsPerThread(size, gpu);
    start += Math.ceil(size / (THREADS * each));
    const lower = from === 0 ? '' : `w >= ${from}u && `;
    const first = `(w - ${from}u) * ${THREADS * each}u + lane`;
    const loop =
      each === 1
        ? `let i = ${first};\n  if (i < ${size}u)`
        : `let first = ${first};\n  for (var i = first; i < min(first + ${THREADS * each}u, ${size}u); i += ${THREADS}u)`;
    return `if (${lower}w < ${start}u) {\n  ${loop} {\n  ${text}\n  }\n}`;
  });
  const x = Math.min(start, gpu.maxComputeWorkgroupsPerDimension);
  const y = Math.ceil(start / x);
  module.add(`@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let w = group.x${y > 1 ? ` + group.y * ${x}u` : ''};
  ${before}
  ${branches.join('\n  else ')}
}`);
  return { label, ...module.finish(), workgroups: [x, y, 1] };
}

/** Whether the bits of an f32 are those of an infinity or a NaN: comparisons cannot be relied on to tell. */
const NOT_FINITE = 'fn notFinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u; }';

/** Looks at every value about to be assigned, and trips the guard where one is not finite. */
export function lowerCheck(
  checked: readonly Tensor[],
  stepNow: Tensor,
  status: Place,
  context: LowerContext,
): Dispatch {
  const module = new ModuleText();
  module.declare(NOT_FINITE);
  const step = new Body(module, context.fusion, context.plan);
  const now = step.value(stepNow, '0u');
  const flag = module.element(status, '0u', 'atomic', true);
  module.declare(
    `fn trip() {\n  ${step.text()}\n  if (atomicLoad(&${flag}) == 0u) { atomicStore(&${flag}, ${now} + 1u); }\n}`,
  );
  const ranges = bySize(checked, (t) => t.size).map(([size, tensors]) => {
    const body = new Body(module, context.fusion, context.plan);
    const tests = tensors.map((t) => `notFinite(${body.value(t, 'i')})`);
    return { size, text: `${body.text()}\n  if (${tests.join(' || ')}) { trip(); }` };
  });
  return rangeKernel('check', module, ranges, '', context.gpu);
}

/** Writes the variables: guarded ones only where no check ever failed. */
export function lowerCommit(
  commits: readonly Commit[],
  placeOf: (commit: Commit) => Place,
  status: Place | undefined,
  context: LowerContext,
): Dispatch {
  const module = new ModuleText();
  const before = status ? `let good = ${module.element(status, '0u', 'u32', false)} == 0u;` : '';
  const ranges = bySize(commits, (c) => c.tensor.size).map(([size, list]) => {
    const body = new Body(module, context.fusion, context.plan);
    const values = list.map((c) => body.value(c.tensor, 'i'));
    const stores = list.map((c, k) => {
      const store = module.write(placeOf(c), 'i', values[k]!, wgslType(c.tensor.dtype));
      return c.guarded && status ? `if (good) { ${store} }` : store;
    });
    return { size, text: [...body.lines, ...stores].join('\n  ') };
  });
  return rangeKernel('assign', module, ranges, before, context.gpu);
}

function bySize<T>(items: readonly T[], size: (item: T) => number): [number, T[]][] {
  const groups = new Map<number, T[]>();
  for (const item of items) groups.set(size(item), [...(groups.get(size(item)) ?? []), item]);
  return [...groups];
}
