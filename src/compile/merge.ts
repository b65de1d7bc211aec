// Several kernels side by side in one dispatch: each becomes a function with names of its own, and the workgroups are shared out
// among them. It works on the text of kernels, whatever wrote them.
import { internal } from '../graph/errors.ts';

/** A kernel: WGSL with one entry point `main`, and its grid. */
export interface Kernel {
  readonly label: string;
  readonly code: string;
  readonly workgroups: readonly [number, number, number];
  /** Whether its workgroup size matters: a kernel op's does, a map's does not. */
  readonly sized?: boolean;
}

/** What an entry point asks for. */
export interface Entry {
  /** Threads in a workgroup, and along its first axis. */
  readonly size: number;
  readonly width: number;
  /** Its builtins, by the names it gives them. */
  readonly builtins: readonly { readonly builtin: string; readonly name: string }[];
  /** Whether its threads wait for each other. */
  readonly barriers: boolean;
}

const ENTRY = /@compute\s+@workgroup_size\((\d+)(?:,\s*(\d+))?\)\s*fn main\(((?:@builtin\(\w+\)\s*\w+:\s*\w+,?\s*)*)\)/;

export function entryOf(code: string): Entry {
  const found = ENTRY.exec(code);
  if (!found) throw internal('a kernel without an entry point main');
  const width = Number(found[1]);
  const parameters = [...found[3]!.matchAll(/@builtin\((\w+)\)\s*(\w+):/g)];
  return {
    size: width * Number(found[2] ?? 1),
    width,
    builtins: parameters.map(([, builtin, name]) => ({ builtin: builtin!, name: name! })),
    barriers: /\w+Barrier\(/.test(code),
  };
}

/** The kernels as one. Those with barriers must have one workgroup size; threads of the others are counted through. */
export function sideBySide(kernels: readonly Kernel[], mostGroups: number): Kernel {
  if (kernels.length === 1) return kernels[0]!;
  const entries = kernels.map(({ code }) => entryOf(code));
  const threads = kernels.map(({ workgroups: [x, y, z] }, k) => x * y * z * entries[k]!.size);
  const weights = threads.map((n, k) => (entries[k]!.barriers ? Number.POSITIVE_INFINITY : kernels[k]!.sized ? n : 0));
  const { size } = entries[weights.indexOf(Math.max(...weights))]!;
  let start = 0;
  const branches = kernels.map((_, k) => {
    const from = start;
    start += Math.ceil(threads[k]! / size);
    return `if (w < ${start}u) { part${k}(w - ${from}u, lane); }`;
  });
  const x = Math.min(start, mostGroups);
  const y = Math.ceil(start / x);
  const code = `${kernels.map((kernel, k) => part(kernel, entries[k]!, k, size, threads[k]!)).join('\n')}
@compute @workgroup_size(${size})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let w = group.x${y > 1 ? ` + group.y * ${x}u` : ''};
  ${branches.join(' else ')}
}`;
  return { label: kernels.map(({ label }) => label).join(' | '), code, workgroups: [x, y, 1] };
}

/** A kernel as functions: `partK(w, lane)` does the work of lane `lane` in its workgroup `w` of `size` threads, of `threads` in all. */
export function part(
  kernel: Kernel,
  entry: Entry,
  k: number,
  size: number,
  threads = Number.POSITIVE_INFINITY,
): string {
  const [x, y] = kernel.workgroups;
  const whole = entry.size === size;
  const values: Readonly<Record<string, string>> = {
    workgroup_id: 'group',
    local_invocation_id: 'local',
    global_invocation_id: `group * vec3u(${entry.width}u, ${entry.size / entry.width}u, 1u) + local`,
    local_invocation_index: 'lane',
    num_workgroups: `vec3u(${kernel.workgroups.map((n) => `${n}u`).join(', ')})`,
  };
  const given = entry.builtins.map(({ builtin }) => values[builtin]!);
  const parameters = entry.builtins.map(
    ({ builtin, name }) => `${name}: ${builtin.endsWith('index') ? 'u32' : 'vec3u'}`,
  );
  const code = kernel.code.replace(ENTRY, `fn main(${parameters.join(', ')})`);
  const places = whole
    ? 'let g = w; let lane = thread;'
    : `let t = w * ${size}u + thread; let g = t / ${entry.size}u; let lane = t % ${entry.size}u;
  if (t >= ${threads}u) { return; }`;
  return `${suffixed(code, k)}
fn part${k}(w: u32, thread: u32) {
  ${places}
  let group = vec3u(g % ${x}u, (g / ${x}u) % ${y}u, g / ${x * y}u);
  let local = vec3u(lane % ${entry.width}u, lane / ${entry.width}u, 0u);
  main_${k}(${given.join(', ')});
}`;
}

const DECLARED = /^\s*(?:(?:const|fn|alias|struct)\s+|var(?:<[^>]*>)?\s+)(\w+)/gm;

/** The text with `_k` after every name that it declares (local ones too: it is enough that names stay apart). */
export function suffixed(code: string, k: number): string {
  const names = new Set([...code.matchAll(DECLARED)].map(([, name]) => name!));
  return code.replace(/(?<![.@\w])[A-Za-z_]\w*/g, (word) => (names.has(word) ? `${word}_${k}` : word));
}
