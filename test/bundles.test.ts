// The package inside a page: what a bundler takes of it weighs no more than its bound, and holds nothing of Node.
import { spawnSync } from 'node:child_process';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ROOT, requireFreshDist } from './dist.ts';

interface Bundle {
  readonly name: string;
  readonly code: string;
  readonly most: { readonly vite: number };
}
interface Bundled {
  readonly code: string;
  readonly imports: readonly string[];
  readonly modules: readonly string[];
}
const {
  BUNDLES,
  bundle,
  gzipped,
}: {
  readonly BUNDLES: readonly Bundle[];
  bundle(code: string): Promise<Bundled>;
  gzipped(code: string): number;
} = await import(/* @vite-ignore */ join(ROOT, 'bench/size.mjs'));

const SLOW = 180_000;

beforeAll(requireFreshDist);

test.each(BUNDLES)(
  '$name: at most $most.vite bytes',
  async ({ name, code, most }) => {
    const bytes = gzipped((await bundle(code)).code);
    console.log(`${name}: ${(bytes / 1000).toFixed(1)} kB`);
    expect(bytes).toBeLessThan(most.vite);
  },
  SLOW,
);

test(
  'a page can have all of it, and nothing of Node',
  async () => {
    const { code, imports, modules } = await bundle(BUNDLES.find(({ name }) => name.startsWith('everything'))!.code);
    expect(imports).toEqual([]);
    expect(modules.length).toBeGreaterThan(80);
    const ofNode = (name: string) =>
      /^node:|__vite-browser-external|\/(webgpu|commander)\//.test(name) || builtinModules.includes(name);
    expect(modules.filter(ofNode)).toEqual([]);
    expect(modules.filter((name) => /dist\/(src\/(node|cli)|bench)\//.test(name))).toEqual([]);
    expect(code).not.toMatch(/\bprocess\.|\brequire\(|\bBuffer\b/);
  },
  SLOW,
);

describe('methods in a bundle', () => {
  /** Bundles a program, runs it, and gives what it prints. */
  async function printed(code: string): Promise<string> {
    const args = ['--input-type=module'];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, {
      input: (await bundle(code)).code,
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
    return stdout.trim();
  }
  const shown =
    "const rows = constant([0], { dtype: 'u32' });\nconsole.log(String(constant([[1, 2]]).gatherRows(rows)));";

  test('of an op that is left out say what to call instead', async () => {
    const code = `import { constant } from 'thalweg';\ntry { ${shown} } catch (e) { console.log(e.name, e.message); }`;
    expect(await printed(code)).toBe(
      "OptionError gatherRows: this method needs its op, which this program does not import. Call gatherRows(x, …) instead: import { gatherRows } from 'thalweg/ops'.",
    );
  });

  test('a pad with a mode too, and constants need nothing', async () => {
    const code = `import { constant } from 'thalweg';
const x = constant([1, 2, 3]);
console.log(String(x.pad([1], [1], 7)));
try { x.pad([1], [1], { mode: 'reflect' }); } catch (e) { console.log(e.message); }`;
    expect(await printed(code)).toBe(
      "Tensor(pad f32 [5])\npad: this method needs its op, which this program does not import. Call pad(x, …) instead: import { pad } from 'thalweg/ops'.",
    );
    const layer = "import { constant, nn } from 'thalweg';\nnew nn.ReflectionPad2d(1);";
    expect(
      await printed(`${layer}\nconsole.log(String(constant([1, 2, 3]).pad([1], [1], { mode: 'reflect' })));`),
    ).toBe('Tensor(take f32 [5])');
  });

  test('come with thalweg/ops alone', async () => {
    const code = `import { neg } from 'thalweg/ops';\nconsole.log(String(neg(1).mul(2).relu()));`;
    expect(await printed(code)).toBe('Tensor(relu f32 [])');
  });

  test.each([
    ['the op', "import { gatherRows } from 'thalweg/ops';\nconsole.log(gatherRows.length);"],
    ['a layer', "import { nn } from 'thalweg';\nnew nn.Embedding(2, 3);"],
  ])('of such an op work where %s is used', async (_, use) => {
    const out = await printed(`import { constant } from 'thalweg';\n${use}\n${shown}`);
    expect(out).toMatch(/Tensor\(gatherRows f32 \[1, 2\]\)$/);
  });
});
