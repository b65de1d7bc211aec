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
    ).toBe('Tensor(reindex f32 [5])');
  });

  test('with tensors as exponents too, and pow itself brings them', async () => {
    const raised = 'console.log(String(constant([2]).pow(constant([3]))));';
    const without = `import { constant } from 'thalweg';\ntry { ${raised} } catch (e) { console.log(e.name, e.message); }`;
    // The name of the class is minified.
    expect(await printed(without)).toMatch(
      /^OptionError pow: the exponent is an? \w+\. Give a finite number\. A tensor as exponent needs import { pow } from 'thalweg\/ops'\.$/,
    );
    const used = `import { constant } from 'thalweg';\nimport { pow } from 'thalweg/ops';\nconsole.log(pow.length);\n${raised}`;
    expect(await printed(used)).toMatch(/Tensor\(pow f32 \[1\]\)$/);
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

  const pictures =
    'const set = datasets.array({ shape: [2, 2, 2, 1], data: new Uint8Array(8) }, [0, 1]);\nconst show = (x) => console.log(JSON.stringify(x.augmentation.options));';

  test('of data sets that are left out say what to call instead', async () => {
    const code = `import { datasets } from 'thalweg';\n${pictures}\ntry { set.augment(); } catch (e) { console.log(e.name, e.message); }`;
    expect(await printed(code)).toBe(
      'OptionError augment: this program does not import it. Call datasets.augment(data, …) instead.',
    );
  });

  test('of data sets work where the function is used', async () => {
    const code = `import { datasets } from 'thalweg';\n${pictures}\nshow(datasets.augment(set, { cutout: 1 }).x);\nshow(set.augment({ cutout: 2 }).x);`;
    expect(await printed(code)).toBe('{"cutout":1}\n{"cutout":2}');
  });
});
