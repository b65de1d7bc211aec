// From groups to dispatches: each becomes WGSL with its bindings and grid. Kernel ops get `loadK` and `storeK` with the
// chains fused into them; map groups get one thread an element; the last two dispatches check what is about to be
// assigned, and assign it.
import { internal } from '../graph/errors.ts';
import {
  type Capabilities,
  type KernelPlan,
  type KernelScope,
  type Pass,
  type RowStage,
  type WgslType,
  wgslType,
} from '../graph/op.ts';
import { type Node, Tensor } from '../graph/tensor.ts';
import { chainKernel, lanesOf } from './chain.ts';
import type { Commit } from './commit.ts';
import { type Binding, Body, ModuleText } from './emit.ts';
import type { Fusion, Group } from './fuse.ts';
import { isFill, keyOf, resolve } from './keep.ts';
import type { Launch } from './launch.ts';
import type { MemoryPlan, Place } from './memory.ts';
import { type Kernel, sideBySide } from './merge.ts';
import { type Watches, watchesOf } from './watch.ts';

/** A dispatch as text. */
export interface Dispatch {
  readonly label: string;
  readonly code: string;
  readonly bindings: readonly Binding[];
  readonly workgroups: readonly [number, number, number];
  readonly contents: Contents;
}

/** What a dispatch is made of, for whoever counts its work: groups, or values that it checks or assigns. */
export interface Contents {
  readonly context: LowerContext;
  readonly groups?: readonly Group[];
  /** Which of the passes of its one group it is, where there are several. */
  readonly pass?: Pass;
  readonly checked?: readonly Tensor[];
  readonly commits?: readonly Commit[];
}

/** Everything lowering needs to know of the program. */
export interface LowerContext {
  readonly fusion: Fusion;
  readonly plan: MemoryPlan;
  readonly gpu: Capabilities;
  readonly kernels: ReadonlyMap<Group, KernelPlan>;
  readonly stages: ReadonlyMap<Group, RowStage>;
  /** Keys of tensors that something reads from memory. */
  readonly wanted: ReadonlySet<string>;
  readonly watches: Watches;
  /** The guard's flag and the step counter. */
  readonly guard: { readonly status: Place; readonly step: Tensor } | undefined;
}

/** Threads in a workgroup of a map kernel. */
const THREADS = 64;

/** Elements a thread computes one after another: workgroups are dear where a CPU pretends to be a GPU, but few idle cores. */
function elementsPerThread(size: number, gpu: Capabilities): number {
  return gpu.software ? Math.min(32, Math.ceil(size / (THREADS * 16))) : 1;
}

/** A kernel op's plan, with the groups' fusions known. */
export function planKernel(group: Group, fusion: Fusion, gpu: Capabilities): KernelPlan {
  return group.root!.op!.kernel!(scopeOf(group.root!, fusion, gpu), group.root!.params);
}

/** The same as a link of a chain, where it can be one. */
export function planStage({ root }: Group, fusion: Fusion, gpu: Capabilities): RowStage | undefined {
  return root!.op!.rows?.({ ...scopeOf(root!, fusion, gpu), lanes: lanesOf(gpu) }, root!.params);
}

function scopeOf(root: Node, fusion: Fusion, gpu: Capabilities): KernelScope {
  const direct = (k: number) => {
    const t = resolve(root.inputs[k]!);
    return t.dtype === 'f32' && fusion.keeping.inMemory(t) && !isFill(t);
  };
  return { inputs: root.inputs, outs: root.outs, gpu, direct };
}

/** A kernel to be written into the module of the dispatch that will hold it. */
export interface Stage {
  readonly contents: Contents;
  write(module: ModuleText): Kernel;
}

/** The kernels of a launch: one, or the passes of its one kernel op. */
export function lowerLaunch({ parts }: Launch, context: LowerContext): Stage[] {
  const groups = parts.flat();
  const first = groups[0]!;
  const passes = context.kernels.get(first)?.passes ?? [];
  if (passes.length > 1) {
    return passes.map((pass) => ({
      contents: { context, groups, pass },
      write: (module) => passKernel(first, pass, module, context),
    }));
  }
  const write = (module: ModuleText) => {
    const kernels = parts.map((part) => partKernel(part, module, context));
    return sideBySide(kernels, context.gpu.maxComputeWorkgroupsPerDimension);
  };
  return [{ contents: { context, groups }, write }];
}

function partKernel(part: readonly Group[], module: ModuleText, context: LowerContext): Kernel {
  const first = part[0]!;
  if (part.length > 1) {
    const links = part.map((link) => opKernel(link, context.stages.get(link)!, module, context));
    return chainKernel(links, context.stages.get(first)!.rows, context.gpu);
  }
  const pass = context.kernels.get(first)?.passes[0];
  return pass ? passKernel(first, pass, module, context) : mapKernel(first, module, context);
}

/** The dispatch of one kernel. */
export function dispatchOf({ contents, write }: Stage, { maxStorageBuffersPerShaderStage }: Capabilities): Dispatch {
  const module = new ModuleText();
  const { label, code, workgroups } = write(module);
  return { label, ...module.finish(code, maxStorageBuffersPerShaderStage), workgroups, contents };
}

/** The text of a kernel op with the functions that it calls, and its label. */
function opKernel(
  group: Group,
  pass: Pick<Pass, 'code' | 'inputs' | 'outs' | 'vec4'>,
  module: ModuleText,
  context: LowerContext,
): Omit<Kernel, 'workgroups'> {
  const root = group.root!;
  const functions: string[] = [];
  for (const k of pass.inputs) {
    const t = root.inputs[k]!;
    const type = wgslType(t.dtype);
    const body = new Body(module, context.fusion, context.plan);
    const value = body.value(t, 'i');
    functions.push(`fn load${k}(i: u32) -> ${type} {\n  ${body.text()}\n  return ${value};\n}`);
    if (pass.vec4?.includes(k)) {
      functions.push(`fn load${k}v(i: u32) -> vec4f { return ${module.readVec4(context.plan.place(t), 'i')}; }`);
    }
  }
  for (const output of pass.outs) functions.push(storeFunction(group, output, module, context));
  return { label: labelOf(root.name, group), code: [...functions, pass.code].join('\n') };
}

function passKernel(group: Group, pass: Pass, module: ModuleText, context: LowerContext): Kernel {
  const kernel = opKernel(group, pass, module, context);
  const arrays = new Map((context.kernels.get(group)!.scratch ?? []).map((s) => [s.name, s]));
  let { code } = kernel;
  for (const [names, write] of [
    [pass.reads ?? [], false],
    [pass.writes ?? [], true],
  ] as const) {
    for (const name of names) {
      const type = arrays.get(name)?.type;
      if (!type) throw internal(`${kernel.label}: no scratch array is called ${name}`);
      const both = write || (pass.writes ?? []).includes(name);
      code = scratchAccess(code, name, (index) => module.element(context.plan.scratch(group, name), index, type, both));
    }
  }
  const label = [kernel.label, pass.label].filter(Boolean).join(' ');
  return { label, code, workgroups: pass.workgroups, sized: true };
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
  store(group, [t, ...members], ['v', ...values], body, module, context);
  return `fn store${output}(i: u32, v: ${type}) {\n  ${body.text()}\n}`;
}

/** Stores the products that somebody reads, and lets the guard look at their values. */
function store(
  group: Group,
  products: readonly Tensor[],
  values: readonly string[],
  body: Body,
  module: ModuleText,
  context: LowerContext,
): void {
  for (const [k, t] of products.entries()) {
    const value = values[k]!;
    if (context.wanted.has(keyOf(t))) body.write(t, 'i', value);
    for (const { tensor, part } of watchesOf(context.watches, group, t)) {
      if (part) {
        const at = body.let('u32', part.offset === 0 ? 'i' : `i + ${part.offset}u`);
        body.know(part.arena, at, value);
        watch(body.value(tensor, at), body, module, context);
      } else watch(value, body, module, context);
    }
  }
}

function mapKernel(group: Group, module: ModuleText, context: LowerContext): Kernel {
  const members = group.chains.get(0)!;
  const body = new Body(module, context.fusion, context.plan);
  const values = members.map((m) => body.evaluate(m, 'i'));
  store(group, members, values, body, module, context);
  const label = members.map((m) => m.node.name).join('+');
  return rangeKernel(label, [{ size: members[0]!.size, text: body.text() }], '', context.gpu);
}

interface Range {
  readonly size: number;
  readonly text: string;
  /** What is the same at every index. */
  readonly before?: readonly string[];
}

/** Threads over the indices of each range; ranges start at whole workgroups. */
function rangeKernel(label: string, ranges: readonly Range[], before: string, gpu: Capabilities): Kernel {
  let start = 0;
  const branches = ranges.map(({ size, text, before: once = [] }) => {
    const from = start;
    const each = elementsPerThread(size, gpu);
    start += Math.ceil(size / (THREADS * each));
    const lower = from === 0 ? '' : `w >= ${from}u && `;
    const first = `(w - ${from}u) * ${THREADS * each}u + lane`;
    const loop =
      each === 1
        ? `let i = ${first};\n  if (i < ${size}u)`
        : `let first = ${first};\n  for (var i = first; i < min(first + ${THREADS * each}u, ${size}u); i += ${THREADS}u)`;
    return `if (${lower}w < ${start}u) {\n  ${[...once, loop].join('\n  ')} {\n  ${text}\n  }\n}`;
  });
  const x = Math.min(start, gpu.maxComputeWorkgroupsPerDimension);
  const y = Math.ceil(start / x);
  const code = `@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let w = group.x${y > 1 ? ` + group.y * ${x}u` : ''};
  ${before}
  ${branches.join('\n  else ')}
}`;
  return { label, code, workgroups: [x, y, 1] };
}

/** Whether the bits of an f32 are those of an infinity or a NaN: comparisons cannot be relied on to tell. */
const NOT_FINITE = 'fn notFinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u; }';

/** Trips the guard where `value` is not finite. */
function watch(value: string, body: Body, module: ModuleText, context: LowerContext): void {
  const { step, status } = context.guard!;
  module.declare(NOT_FINITE);
  const before = new Body(module, context.fusion, context.plan);
  const now = before.value(step, '0u');
  const flag = module.element(status, '0u', 'atomic', true);
  module.declare(
    `fn trip() {\n  ${before.text()}\n  if (atomicLoad(&${flag}) == 0u) { atomicStore(&${flag}, ${now} + 1u); }\n}`,
  );
  body.lines.push(`if (notFinite(${value})) { trip(); }`);
}

/** Looks at values about to be assigned that no dispatch before could look at. */
export function lowerCheck(checked: readonly Tensor[], context: LowerContext): Stage {
  return { contents: { context, checked }, write: (module) => checkKernel(checked, module, context) };
}

function checkKernel(checked: readonly Tensor[], module: ModuleText, context: LowerContext): Kernel {
  const ranges = bySize(checked, (t) => t.size).map(([size, tensors]) => {
    const body = new Body(module, context.fusion, context.plan, { apart: true });
    for (const t of tensors) watch(body.value(t, 'i'), body, module, context);
    return { size, text: body.text(), before: body.before };
  });
  return rangeKernel('check', ranges, '', context.gpu);
}

/** Writes the variables: guarded ones only where no check ever failed. */
export function lowerCommit(
  commits: readonly Commit[],
  placeOf: (commit: Commit) => Place,
  context: LowerContext,
): Stage {
  return { contents: { context, commits }, write: (module) => commitKernel(commits, placeOf, module, context) };
}

function commitKernel(
  commits: readonly Commit[],
  placeOf: (commit: Commit) => Place,
  module: ModuleText,
  context: LowerContext,
): Kernel {
  const status = context.guard?.status;
  const before = status ? `let good = ${module.element(status, '0u', 'u32', false)} == 0u;` : '';
  const ranges = bySize(commits, (c) => c.tensor.size).map(([size, list]) => {
    const body = new Body(module, context.fusion, context.plan, { apart: true });
    const values = list.map((c) => body.value(c.tensor, 'i'));
    const stores = (guarded: boolean) =>
      list.flatMap((c, k) =>
        c.guarded === guarded ? module.write(placeOf(c), 'i', values[k]!, wgslType(c.tensor.dtype)) : [],
      );
    const guarded = stores(true).join('\n  ');
    const whileGood = status && guarded !== '' ? `if (good) {\n  ${guarded}\n  }` : guarded;
    return { size, text: [...body.lines, whileGood, ...stores(false)].join('\n  '), before: body.before };
  });
  return rangeKernel('assign', ranges, before, context.gpu);
}

function bySize<T>(items: readonly T[], size: (item: T) => number): [number, T[]][] {
  const groups = new Map<number, T[]>();
  for (const item of items) groups.set(size(item), [...(groups.get(size(item)) ?? []), item]);
  return [...groups];
}
