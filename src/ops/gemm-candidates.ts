// The configurations a tuner tries for a product, about a dozen. Data; no page loads it.
import type { GemmConfiguration } from '../../shaders/gemm-frame.wgsl.ts';
import type { Capabilities } from '../graph/capabilities.ts';
import type { ProductWork } from '../graph/tuning.ts';
import { defaultConfiguration, fits, sharingBlocks } from './gemm-table.ts';

/** [rows, columns, x, y] */
const REGISTERS = [
  [4, 8, 4, 4],
  [8, 8, 2, 2],
  [8, 8, 4, 2],
  [4, 8, 8, 2],
  [4, 8, 2, 8],
  [8, 4, 4, 4],
  [4, 4, 4, 4],
  [8, 16, 4, 4],
] as const;

/** Rows, or columns, of an operand that the lanes of a subgroup share. */
const SHARED_COUNTS = [16, 32] as const;

/** [BM, BN, BK, TM, TN] */
const TILES = [
  [32, 32, 16, 4, 4],
  [32, 32, 32, 4, 4],
  [16, 32, 16, 4, 4],
  [32, 64, 16, 4, 4],
  [64, 32, 16, 4, 4],
  [64, 64, 16, 4, 4],
  [64, 64, 16, 8, 8],
  [64, 64, 8, 8, 4],
  [64, 128, 8, 8, 8],
  [128, 64, 8, 8, 8],
  [128, 128, 8, 8, 8],
] as const;

/** Numbers of parts to split a long K into. */
const PARTS = [2, 4, 8, 16];
/** The minimum length of a part of K. */
const LEAST = 128;

/** The candidates for a product on an adapter, without its default; blocks that the product would not half fill are left out. */
export function candidatesFor(product: ProductWork, gpu: Capabilities): readonly GemmConfiguration[] {
  const { M, N, K } = product;
  const lanes = gpu.subgroupLanes;
  const plain = REGISTERS.map(([rows, columns, x, y]) => ({ kernel: 'registers', rows, columns, x, y }) as const);
  const registers = plain.filter(({ rows, columns }) => rows < 2 * M && columns < 2 * N);
  const sharing = (lanes === undefined ? [] : sharingBlocks(SHARED_COUNTS, lanes)).filter(
    ({ rows, columns, x, y }) => rows * y < 2 * M && columns * x < 2 * N,
  );
  const tiles = TILES.filter(([BM, BN]) => BM < 2 * M && BN < 2 * N).map(
    ([BM, BN, BK, TM, TN]): GemmConfiguration => ({ kernel: 'tiles', BM, BN, BK, TM, TN }),
  );
  const usual = defaultConfiguration(product, gpu);
  const cut = PARTS.filter((parts) => K >= parts * LEAST && parts !== usual.splitK).map((splitK) => ({
    ...usual,
    splitK,
  }));
  // Tiles do not pay where barriers are expensive.
  const all =
    gpu.barriers === 'cheap'
      ? [...tiles, ...registers.slice(0, 2), ...cut]
      : [...sharing, ...registers, ...cut.slice(0, 2)];
  const same = JSON.stringify(usual);
  return all.filter((c) => JSON.stringify(c) !== same && fits(c, gpu));
}

/** A configuration as text: `registers 4x8, 4x4 threads`. */
export function configurationText(c: GemmConfiguration): string {
  const parts = c.splitK === undefined ? '' : `, K in ${c.splitK}`;
  return c.kernel === 'registers'
    ? `registers ${c.rows}x${c.columns}, ${c.x}x${c.y} threads${c.share ? ` that share ${c.share}` : ''}${parts}`
    : `tiles ${c.BM}x${c.BN}x${c.BK}, ${c.TM}x${c.TN} a thread${parts}`;
}
