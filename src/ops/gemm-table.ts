// How a product is to be computed where nobody measured it: a table from adapters and sizes to configurations, the first row
// that fits. Where somebody did (`thalweg tune`), the configuration that is given for the very product.
import { gemmKernel } from '../../shaders/gemm.wgsl.ts';
import type { GemmConfiguration, GemmVariant } from '../../shaders/gemm-frame.wgsl.ts';
import { tileBytes } from '../../shaders/gemm-tiles.wgsl.ts';
import type { Capabilities, KernelPlan } from '../graph/op.ts';
import { sizeOf } from '../graph/shape.ts';

type Sizes = Pick<GemmVariant, 'M' | 'N' | 'K' | 'transposeA' | 'transposeB' | 'batch'>;

/** A row holds for adapters of this kind and name, and for products with this many elements along the smaller side and in all. */
interface Row {
  readonly software?: boolean;
  readonly adapter?: RegExp;
  readonly side?: number;
  readonly elements?: number;
  readonly use: GemmConfiguration;
}

function registers(rows: number, columns: number, x: number, y: number): GemmConfiguration {
  return { kernel: 'registers', rows, columns, x, y };
}

function tiles(BM: number, BN: number, BK: number, TM: number, TN: number): GemmConfiguration {
  return { kernel: 'tiles', BM, BN, BK, TM, TN };
}

/** Software: what was fastest where (SwiftShader pays for every load, lavapipe for registers it spills). Others: never measured. */
const TABLE: readonly Row[] = [
  { adapter: /swiftshader/i, use: registers(8, 8, 2, 2) },
  { software: true, use: registers(4, 8, 4, 4) },
  { side: 128, elements: 2 ** 21, use: tiles(128, 128, 8, 8, 8) },
  { side: 33, elements: 2 ** 18, use: tiles(64, 64, 16, 8, 8) },
  { use: tiles(32, 32, 16, 4, 4) },
];

/** How many parts K is cut into on a GPU, where few workgroups would each walk a long way (the rule is MLX's). */
function partsOf({ M, N, K }: Sizes): number {
  const groups = Math.ceil(M / 16) * Math.ceil(N / 16);
  // Below, a training step loses more by the second dispatch than the product gains.
  if (groups > 32 || K < 1024) return 1;
  return Math.min(16, Math.max(2, 2 ** Math.floor(Math.log2(K / 16 / groups))));
}

export function defaultConfiguration(v: Sizes, { name, software }: Pick<Capabilities, 'name' | 'software'>) {
  const [side, elements] = [Math.min(v.M, v.N), v.M * v.N];
  const { use } = TABLE.find(
    (row) =>
      (row.software === undefined || row.software === software) &&
      (row.adapter === undefined || (software && row.adapter.test(name))) &&
      side >= (row.side ?? 0) &&
      elements >= (row.elements ?? 0),
  )!;
  const splitK = software ? 1 : partsOf(v);
  return splitK > 1 ? { ...use, splitK } : use;
}

/** What a tuner calls a product: its layout and sizes, `NT 64x128x784`, with the batch behind (` x6`). */
export function productName({ M, N, K, transposeA, transposeB, batch }: Sizes): string {
  const layout = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`;
  return `matmul ${layout} ${M}x${N}x${K}${batch.length > 0 ? ` x${sizeOf(batch)}` : ''}`;
}

/** The kernel of a product: as it was tuned on this adapter, else as the table says. */
export function productKernel(v: GemmVariant, gpu: Capabilities): KernelPlan {
  const tuned = gpu.tuned?.(productName(v));
  const given = tuned !== undefined && misfitOf(tuned, gpu) === undefined;
  return gemmKernel(v, given ? (tuned as GemmConfiguration) : defaultConfiguration(v, gpu));
}

const NAME = /^matmul [NT][NT] \d+x\d+x\d+( x\d+)?$/;

/** Why a tuner's table cannot be used on an adapter of these limits, as the end of a sentence; undefined where it can. */
export function faultOf(tuning: unknown, gpu: Partial<Capabilities>): string | undefined {
  const { entries } = (tuning ?? {}) as { readonly entries?: unknown };
  if (typeof entries !== 'object' || entries === null || Array.isArray(entries)) return 'it has no object of entries';
  for (const [name, entry] of Object.entries(entries)) {
    if (!NAME.test(name)) return `its entry ${JSON.stringify(name)} names no product`;
    const misfit = misfitOf(entry, gpu);
    if (misfit !== undefined) return `its entry ${JSON.stringify(name)} cannot be used: ${misfit}`;
  }
  return undefined;
}

const NUMBERS = { registers: ['rows', 'columns', 'x', 'y'], tiles: ['BM', 'BN', 'BK', 'TM', 'TN'] } as const;

/** Why something is no configuration, or none for this adapter; undefined where it can be used. */
export function misfitOf(given: unknown, gpu: Partial<Capabilities> = {}): string | undefined {
  const c = (typeof given === 'object' ? given : undefined) as Readonly<Record<string, unknown>> | null | undefined;
  const names = NUMBERS[c?.['kernel'] as keyof typeof NUMBERS];
  if (!c || !names) return 'its kernel is neither registers nor tiles';
  const one = (name: string, most: number) => {
    const n = c[name];
    return Number.isInteger(n) && Number(n) >= 1 && Number(n) <= most;
  };
  const wrong =
    names.find((name) => !one(name, 256)) ?? (c['splitK'] === undefined || one('splitK', 64) ? '' : 'splitK');
  if (wrong !== '') return `its ${wrong} is ${JSON.stringify(c[wrong])}`;
  return limits(c as unknown as GemmConfiguration, gpu);
}

function limits(c: GemmConfiguration, gpu: Partial<Capabilities>): string | undefined {
  const { maxComputeInvocationsPerWorkgroup: threads = 256, maxComputeWorkgroupStorageSize: bytes = 16384 } = gpu;
  if (c.kernel === 'tiles' && ([c.BK, c.TM, c.TN].some((n) => n % 4 > 0) || c.BM % c.TM > 0 || c.BN % c.TN > 0))
    return 'its tiles are not whole blocks of 4 x 4';
  if (c.kernel === 'registers' && c.columns % 4 > 0) return 'its columns are not whole vec4s';
  const [block, workgroup] =
    c.kernel === 'tiles' ? [c.TM * c.TN, (c.BM / c.TM) * (c.BN / c.TN)] : [c.rows * c.columns, c.x * c.y];
  if (block > 256) return `a thread would own ${block} elements`;
  if (workgroup > threads) return `it has ${workgroup} threads in a workgroup, and this adapter allows ${threads}`;
  const needed = c.kernel === 'tiles' ? tileBytes(c) : 0;
  return needed > bytes ? `it takes ${needed} bytes of workgroup memory, and this adapter has ${bytes}` : undefined;
}
