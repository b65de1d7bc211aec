// The default configuration of a product: a table from adapters and sizes to configurations; the first row
// that fits counts. A product tuned by `thalweg tune` uses its tuned configuration instead.
import { gemmKernel } from '../../shaders/gemm.wgsl.ts';
import type { GemmConfiguration, GemmVariant, RegisterConfiguration } from '../../shaders/gemm-frame.wgsl.ts';
import { tileBytes } from '../../shaders/gemm-tiles.wgsl.ts';
import type { Capabilities } from '../graph/capabilities.ts';
import type { KernelSpec } from '../graph/kernel.ts';
import { sizeOf } from '../graph/shape.ts';
import { formatFault, type ProductWork, type Tuning, workText } from '../graph/tuning.ts';

type Sizes = Pick<ProductWork, 'M' | 'N' | 'K'> & Partial<Pick<ProductWork, 'transposeA'>>;

/** What the table asks of an adapter. */
type Costs = Pick<Capabilities, 'name' | 'barriers' | 'subgroupLanes'>;

/** A row applies to these adapters, and to products with this many elements along the smaller side and in total. */
interface Row {
  /** Whether barriers are cheap. Default: either. */
  readonly cheapBarriers?: boolean;
  /** Part of the adapter's name, in lower case. Default: any. */
  readonly adapter?: string;
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

/**
 * Without cheap barriers: the fastest measured (SwiftShader pays for every load, lavapipe for spilled registers). Others: not measured.
 */
const TABLE: readonly Row[] = [
  { cheapBarriers: false, adapter: 'swiftshader', use: registers(8, 8, 2, 2) },
  { cheapBarriers: false, use: registers(4, 8, 4, 4) },
  { side: 128, elements: 2 ** 21, use: tiles(128, 128, 8, 8, 8) },
  { side: 33, elements: 2 ** 18, use: tiles(64, 64, 16, 8, 8) },
  { use: tiles(32, 32, 16, 4, 4) },
];

/**
 * Where the lanes of a subgroup can share an operand: how many of its rows, or columns, and whether it pays where both operands have K as
 * the outer axis. Measured, 512 x 512 x 512, in multiples of the kernel without: lavapipe 1.9 to 2.5, SwiftShader 1.1 to 1.4 and less than
 * half the time to compile. Only adapters known to number the lanes of a subgroup as the threads of a workgroup.
 */
const SHARING_ADAPTERS: readonly {
  readonly adapter: string;
  readonly counts: readonly number[];
  readonly outerK: boolean;
}[] = [
  { adapter: 'llvmpipe', counts: [8, 16, 24, 32], outerK: true },
  { adapter: 'swiftshader', counts: [8], outerK: false },
];

/** What a vec4 load costs, in multiplications of a number and a vec4: fitted to lavapipe's times. */
const LOAD = 7.5;

/** The configurations whose lanes share rows of a, or columns of b, `counts` of them. */
export function sharingBlocks(counts: readonly number[], lanes: number): RegisterConfiguration[] {
  return counts.flatMap((n): RegisterConfiguration[] => [
    { kernel: 'registers', rows: n, columns: 4, x: lanes, y: 1, share: 'a' },
    { kernel: 'registers', rows: 4, columns: n, x: 1, y: lanes, share: 'b' },
  ]);
}

/** The cheapest of `usual` and the configurations in which lanes share an operand. */
function cheapest(
  { M, N, transposeA = false }: Sizes,
  gpu: Costs,
  usual: RegisterConfiguration,
): RegisterConfiguration {
  const lanes = gpu.subgroupLanes;
  const known = SHARING_ADAPTERS.find(({ adapter }) => gpu.name.toLowerCase().includes(adapter));
  if (lanes === undefined || !known || (transposeA && !known.outerK)) return usual;
  const cost = ({ rows, columns, x, y, share }: RegisterConfiguration) => {
    const loads = rows / (share === 'a' ? lanes : 1) + columns / (share === 'b' ? lanes : 1);
    // Lanes that share compute past the edges too.
    const [high, wide] = share === undefined ? [rows, columns] : [rows * y, columns * x];
    const computed = Math.ceil(M / high) * high * Math.ceil(N / wide) * wide;
    return computed * (1 + (LOAD * loads) / (rows * columns));
  };
  return [usual, ...sharingBlocks(known.counts, lanes)].reduce((best, c) => (cost(c) < cost(best) ? c : best));
}

/** How many parts K is split into on a GPU, where few workgroups would each have a long loop (MLX's rule). */
function partsOf({ M, N, K }: Sizes): number {
  const groups = Math.ceil(M / 16) * Math.ceil(N / 16);
  // Below this, the second dispatch costs a training step more than the product gains.
  if (groups > 32 || K < 1024) return 1;
  return Math.min(16, Math.max(2, 2 ** Math.floor(Math.log2(K / 16 / groups))));
}

export function defaultConfiguration(v: Sizes, gpu: Costs): GemmConfiguration {
  const { name, barriers } = gpu;
  const cheap = barriers === 'cheap';
  const [side, elements] = [Math.min(v.M, v.N), v.M * v.N];
  const { use } = TABLE.find(
    (row) =>
      (row.cheapBarriers === undefined || row.cheapBarriers === cheap) &&
      (row.adapter === undefined || name.toLowerCase().includes(row.adapter)) &&
      side >= (row.side ?? 0) &&
      elements >= (row.elements ?? 0),
  )!;
  if (barriers === 'expensive' && use.kernel === 'registers') return cheapest(v, gpu, use);
  const splitK = cheap ? partsOf(v) : 1;
  return splitK > 1 ? { ...use, splitK } : use;
}

/** A product as a tuner sees it: its layout and sizes. */
export function productWork(v: Omit<ProductWork, 'kind' | 'batch'> & Pick<GemmVariant, 'batch'>): ProductWork {
  const { transposeA, transposeB, M, N, K, batch } = v;
  return { kind: 'product', transposeA, transposeB, M, N, K, batch: sizeOf(batch) };
}

/** The kernel of a product: tuned for this adapter, else from the table. */
export function productKernel(v: GemmVariant, gpu: Capabilities): readonly KernelSpec[] {
  const tuned = gpu.tuned?.(productWork(v)) as GemmConfiguration | undefined;
  return gemmKernel(v, tuned !== undefined && fits(tuned, gpu) ? tuned : defaultConfiguration(v, gpu));
}

/** Why data is not a valid tuning for an adapter with these limits, as the end of a sentence; undefined if it is valid. */
export function faultOf(data: unknown, gpu: Partial<Capabilities>): string | undefined {
  const fault = formatFault(data);
  if (fault !== undefined) return fault;
  for (const { work, use } of (data as Tuning).entries) {
    const what = `its entry "${workText(work)}" is ${JSON.stringify(use)}`;
    if (work.kind === 'steps') {
      if (typeof use !== 'boolean') return `${what}, not true or false`;
    } else if (!fits((use ?? {}) as GemmConfiguration, gpu))
      return `${what}, which is not a valid kernel for this adapter`;
  }
  return undefined;
}

/**
 * Whether a configuration can be used on an adapter: whole blocks, no more threads and workgroup memory than it has, and no barriers if
 * kernels without barriers are requested.
 */
export function fits(c: GemmConfiguration, gpu: Partial<Capabilities> = {}): boolean {
  const { maxComputeInvocationsPerWorkgroup: threads = 256, sharedBytes: bytes = 16384 } = gpu;
  const whole = (n: number, by: number) => Number.isInteger(n) && n > 0 && n <= 256 && n % by === 0;
  if (!whole(c.splitK ?? 1, 1)) return false;
  if (c.kernel === 'registers') {
    const { rows, columns, x, y, share } = c;
    const blocks = whole(rows, 4) && whole(columns, 4) && rows * columns <= 256;
    if (share !== undefined && !sharesWith(c, gpu)) return false;
    return blocks && whole(x, 1) && whole(y, 1) && x * y <= threads;
  }
  if (c.kernel !== 'tiles' || gpu.barriers === 'none') return false;
  const { BM, BN, BK, TM, TN } = c;
  const blocks = whole(BK, 4) && whole(TM, 4) && whole(TN, 4) && whole(BM, TM) && whole(BN, TN);
  return blocks && TM * TN <= 256 && (BM / TM) * (BN / TN) <= threads && tileBytes(c) <= bytes;
}

/** Whether the lanes of the adapter's subgroups can share an operand as a configuration says. */
function sharesWith({ x, y, share }: RegisterConfiguration, gpu: Partial<Capabilities>): boolean {
  const lanes = gpu.subgroupLanes;
  if (lanes === undefined || gpu.barriers === 'none' || x * y !== lanes) return false;
  return (share === 'a' && y === 1) || (share === 'b' && x === 1);
}
