// Frames combine kernels into larger kernels, and into an entry point. Each kernel's statements become a function, and the threads of a
// workgroup, or the workgroups of a dispatch, are divided among them.
import type { Capabilities } from '../graph/capabilities.ts';
import { internal } from '../graph/errors.ts';
import { type Size3, SUBGROUPS } from '../graph/kernel.ts';
import type { RowKernel } from './builder.ts';
import { folded, united } from './kernels.ts';
import type { Access, Kernel, Names } from './plan.ts';

export function threadsOf([x, y, z]: Size3): number {
  return x * y * z;
}

/** Whether a kernel's threads advance together, so that it needs workgroups of its own size: it has barriers, or its lanes exchange values. */
export function inStep({ barriers, requires }: Pick<Kernel, 'barriers' | 'requires'>): boolean {
  return barriers || requires.includes(SUBGROUPS);
}

/** Statements in a block, where their names shadow those of the frame. */
function block(statements: string): string {
  return statements.replaceAll('\n', '\n    ');
}

/** The combined accesses and requirements of several kernels. */
function together(kernels: readonly Pick<Kernel, 'reads' | 'writes' | 'contents'>[]) {
  return {
    reads: united(kernels.flatMap(({ reads }) => reads)),
    writes: united(kernels.flatMap(({ writes }) => writes)),
    contents: kernels.flatMap(({ contents }) => contents),
  };
}

/** Coordinates along x, y and z as WGSL, from a linear index. */
function placeIn([x, y, z]: Size3, index: string): string {
  if (y === 1 && z === 1) return `vec3u(${index}, 0u, 0u)`;
  return `vec3u(${index} % ${x}u, (${index} / ${x}u)${z === 1 ? '' : ` % ${y}u`}, ${z === 1 ? '0u' : `${index} / ${x * y}u`})`;
}

function vec3u(size: Size3): string {
  return `vec3u(${size.map((n) => `${n}u`).join(', ')})`;
}

/**
 * Adds a kernel as a function of workgroup and thread index, in workgroups of `size` threads, and returns its name. If `size` is not the
 * kernel's, its threads are numbered linearly.
 */
function asFunction(kernel: Kernel, size: number, names: Names): string {
  const { workgroup, grid } = kernel;
  const own = threadsOf(workgroup);
  if (inStep(kernel) && size !== own)
    throw internal(`${kernel.name}: a kernel whose threads advance together, in workgroups of another size`);
  const name = names.unique('kernel');
  const places =
    size === own
      ? 'let g = w; let lane = thread;'
      : `let t = w * ${size}u + thread; let g = t / ${own}u; let lane = t % ${own}u;
  if (t >= ${own * threadsOf(grid)}u) { return; }`;
  const body = kernel.body(names);
  names.add(`// ${kernel.name}
fn ${name}(w: u32, thread: u32, zero: u32) {
  ${places}
  let group = ${placeIn(grid, 'g')};
  let local = ${placeIn(workgroup, 'lane')};
  let id = group * ${vec3u(workgroup)} + local;
  {
    ${block(body)}
  }
}`);
  return name;
}

/**
 * Independent kernels as one, with workgroups numbered linearly; also a single kernel with more workgroups along an axis than the adapter
 * allows. Kernels that are {@link inStep} must share one workgroup size.
 */
export function sideBySide(kernels: readonly Kernel[], gpu: Capabilities): Kernel {
  const [first] = kernels as [Kernel];
  const fits = first.opaque || Math.max(...first.grid) <= gpu.maxComputeWorkgroupsPerDimension;
  if (kernels.length === 1 && fits) return first;
  const threads = kernels.map(({ workgroup, grid }) => threadsOf(workgroup) * threadsOf(grid));
  const weights = kernels.map((kernel, k) =>
    inStep(kernel) ? Number.POSITIVE_INFINITY : kernel.sized ? threads[k]! : 0,
  );
  const size = threadsOf(kernels[weights.indexOf(Math.max(...weights))]!.workgroup);
  const ends: number[] = [];
  for (const n of threads) ends.push((ends.at(-1) ?? 0) + Math.ceil(n / size));
  const grid = folded(ends.at(-1)!, gpu);
  return {
    name: kernels.map(({ name }) => name).join(' | '),
    workgroup: [size, 1, 1],
    grid,
    ...together(kernels),
    shared: kernels.flatMap(({ shared }) => shared),
    barriers: kernels.some(({ barriers }) => barriers),
    requires: kernels.flatMap(({ requires }) => requires),
    sized: true,
    body: (names) => {
      // No else: compilers reject chains of more than 127 branches, and an assignment may have one branch for every size.
      const branches = kernels.map((kernel, k) => {
        const from = ends[k - 1] ?? 0;
        const own = `${from > 0 ? `w >= ${from}u && ` : ''}w < ${ends[k]}u`;
        return `if (${own}) { ${asFunction(kernel, size, names)}(w - ${from}u, lane, zero); }`;
      });
      return `let w = group.x${grid[1] > 1 ? ` + group.y * ${grid[0]}u` : ''};\n  ${branches.join('\n  ')}`;
    },
  };
}

/** Row kernels one after another: a few lanes process a row through all of them, with a barrier in between. */
export function rowByRow(stages: readonly RowKernel[], gpu: Capabilities): Kernel {
  const { rows } = stages[0]!;
  const { lanes, workgroups } = gpu;
  const size = workgroups === 'expensive' ? Math.min(64, Math.max(8, 2 ** Math.ceil(Math.log2(rows / 4)))) : 64;
  const grid = folded(Math.ceil((rows * lanes) / size), gpu);
  return {
    name: stages.map(({ name }) => name).join(' > '),
    workgroup: [size, 1, 1],
    grid,
    ...together(stages),
    shared: [],
    barriers: lanes > 1,
    requires: [],
    sized: true,
    body: (names) => {
      const calls = stages.map((stage) => {
        const name = names.unique('row');
        const body = stage.body(names);
        names.add(`// ${stage.name}\nfn ${name}(r: u32, lane: u32, zero: u32) {\n  {\n    ${block(body)}\n  }\n}`);
        return `if (r < ${rows}u) { ${name}(r, at % ${lanes}u, zero); }`;
      });
      const at = `let at = id.x${grid[1] > 1 ? ` + group.y * ${grid[0] * size}u` : ''};\n  let r = at / ${lanes}u;\n  `;
      return `${at}${calls.join(lanes > 1 ? '\n  storageBarrier();\n  ' : '\n  ')}`;
    },
    guarded: (watches) =>
      rowByRow(
        stages.map((stage) => stage.guarded(watches)),
        gpu,
      ),
  };
}

/**
 * All kernels one after another in a single workgroup, which synchronizes its threads after each kernel and repeats as often as the word
 * bound from `lengths` says. None of them may have barriers.
 */
export function looped(kernels: readonly Kernel[], lengths: Access, threads: number): Kernel {
  const { reads, writes, contents } = together(kernels);
  return {
    name: `steps: ${kernels.map(({ name }) => name).join('; ')}`,
    workgroup: [threads, 1, 1],
    grid: [1, 1, 1],
    reads: [...reads, lengths],
    writes,
    contents,
    shared: [],
    barriers: true,
    requires: kernels.flatMap(({ requires }) => requires),
    sized: true,
    body: (names) => {
      const runs = kernels.map((kernel) => {
        const size = threadsOf(kernel.workgroup);
        const name = asFunction(kernel, size, names);
        return `for (var t = lane; t < ${size * threadsOf(kernel.grid)}u; t += ${threads}u) { ${name}(t / ${size}u, t % ${size}u, zero); }
    storageBarrier();`;
      });
      return `let steps = ${names.load(lengths.value, '0u')};
  for (var step = 0u; step < steps; step++) {
    ${runs.join('\n    ')}
  }`;
    },
  };
}

/** The entry point of a dispatch, around its kernel. */
export function entryPoint(kernel: Kernel, names: Names): string {
  const { workgroup, grid } = kernel;
  const body = kernel.body(names);
  // The workgroup index along an axis of size one: 0, but unknown to compilers. Drivers that unroll every short loop take minutes.
  const axis = grid[1] === 1 ? 'group.y' : grid[2] === 1 ? 'group.z' : 'group.x >> 31u';
  return `@compute @workgroup_size(${workgroup.join(', ')})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(global_invocation_id) id: vec3u) {
  let zero = ${axis};
  {
    ${block(body)}
  }
}`;
}
