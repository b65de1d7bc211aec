// Kernels that do one thing as fast as the adapter can: arithmetic without memory, memory without arithmetic, and nothing at
// all. What they reach is the ceiling that everything else is held against.
import { wgsl } from '../shaders/wgsl.ts';

export interface FmaVariant {
  readonly threads: number;
  /** Chains of dependent multiply-adds, each of four lanes: independent of each other, so that they overlap. */
  readonly chains: number;
  readonly iterations: number;
  /** `fma(c, a, b)`, or `c * a + b`, which some compilers turn into it and some drivers do better. */
  readonly builtin: boolean;
}

/** Multiply-adds of a chain in one turn of the loop. */
export const FMA_UNROLLED = 4;
/** How far apart the chains begin; equal chains would become one. */
export const CHAIN_STEP = 0.125;

/** y = Σ over chains of c, with c ← c · x + 0.5 many times over, from c = chain / 8; x and y (threads) of vec4f. */
export function fmaKernel({ threads, chains, iterations, builtin }: FmaVariant): string {
  const each = (line: (c: number) => string) => Array.from({ length: chains }, (_, c) => line(c)).join('\n');
  const turn = each((c) => (builtin ? `c${c} = fma(c${c}, a, b);` : `c${c} = c${c} * a + b;`));
  return wgsl`
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  let a = x[i];
  let b = vec4f(0.5);
  ${each((c) => `var c${c} = vec4f(${(c * CHAIN_STEP).toFixed(3)});`)}
  for (var k = 0u; k < ${iterations}u; k++) {
    ${Array.from({ length: FMA_UNROLLED }, () => turn).join('\n')}
  }
  y[i] = ${Array.from({ length: chains }, (_, c) => `c${c}`).join(' + ')};
}`;
}

/** y[i] = x[i], `each` vec4f a thread, a workgroup's together. */
export function copyKernel({ threads, each }: { readonly threads: number; readonly each: number }): string {
  const lines = Array.from({ length: each }, (_, k) => `y[i + ${k * threads}u] = x[i + ${k * threads}u];`);
  return wgsl`
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * ${threads * each}u + lane;
  ${lines.join('\n')}
}`;
}

/** y[i] = x[i] + 1 on a handful of numbers: a dispatch with next to nothing to do. */
export function tinyKernel(): string {
  return wgsl`
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) i: u32) {
  y[i] = x[i] + 1.0;
}`;
}
