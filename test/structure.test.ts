// The project's floors, held by reading every import: a file imports only from its own floor or below, the entry point for
// pages reaches nothing of Node's, no imports go in a circle, and index files do nothing but re-export.
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The first entry that a path starts with is its floor. */
const FLOORS: readonly (readonly [prefix: string, floor: number])[] = [
  ['src/graph/', 0],
  ['src/gpu/', 1],
  ['src/cpu/', 1],
  ['src/ops/', 2],
  ['shaders/', 2],
  ['src/autodiff/', 3],
  ['src/compile/', 3],
  ['src/backend.ts', 3],
  ['src/nn/', 4],
  ['src/optim/', 4],
  ['src/loss/', 4],
  ['src/data/', 4],
  ['src/train/', 5],
  ['src/explain/', 5],
  ['src/cli/', 6],
  ['src/node/', 6],
  ['bench/', 6],
  // The page's build and tools run in Node, the rest of it never does.
  ['app/', 6],
  // Entry points: they bind what lies below them, and only floor 6 may use them.
  ['src/index.ts', 6],
  ['src/web.ts', 6],
];

/** What a page must never load. */
const OF_NODE = ['src/node/', 'src/cli/', 'bench/'];
/** The part of the page's folder that runs in Node: what builds it, and what drives it. */
const PAGE_TOOLS = ['app/build/', 'app/tools/'];

/** Packages, and the places that may import them. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'node:': [...OF_NODE, ...PAGE_TOOLS],
  webgpu: ['src/node/'],
  '@jsquash/png': ['src/node/'],
  '@jsquash/jpeg': ['src/node/'],
  commander: ['src/cli/'],
  'wgsl-preprocessor': ['shaders/wgsl.ts'],
  preact: ['app/'],
  '@preact/signals': ['app/'],
  uplot: ['app/charts/'],
  vite: [...PAGE_TOOLS, 'bench/size.mjs'],
  playwright: PAGE_TOOLS,
  '@sparticuz/chromium': [...OF_NODE, ...PAGE_TOOLS],
};

interface Import {
  readonly specifier: string;
  /** Erased by the compiler. */
  readonly typeOnly: boolean;
  readonly line: number;
}

interface Source {
  readonly path: string;
  readonly tree: ts.SourceFile;
  readonly imports: readonly Import[];
}

function sourceOf(path: string, text = readFileSync(join(ROOT, path), 'utf8')): Source {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
  const imports: Import[] = [];
  const add = (specifier: ts.Node, typeOnly: boolean) => {
    const { line } = tree.getLineAndCharacterOfPosition(specifier.getStart(tree));
    imports.push({ specifier: ts.isStringLiteralLike(specifier) ? specifier.text : '?', typeOnly, line: line + 1 });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly ?? false);
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0]!, false);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return { path, tree, imports };
}

/** bench/peers is a package of its own, which imports what it measures. */
const SOURCES = ['src', 'shaders', 'app', 'bench']
  .flatMap((folder) => list(folder))
  .filter((path) => !path.startsWith('bench/peers/'))
  .map((path) => sourceOf(path))
  .sort((a, b) => (a.path < b.path ? -1 : 1));

function list(folder: string): string[] {
  return ts.sys
    .readDirectory(join(ROOT, folder), ['.ts', '.tsx', '.mjs', '.js'])
    .filter((file) => !file.endsWith('.d.ts'))
    .map((file) => file.slice(ROOT.length).replaceAll('\\', '/'));
}

function floorOf(path: string): number | undefined {
  return FLOORS.find(([prefix]) => path.startsWith(prefix))?.[1];
}

/** The file that a relative specifier names, or undefined for a package. */
function target(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? normalize(join(dirname(from), specifier)).replaceAll('\\', '/') : undefined;
}

/** `src/a.ts:3 imports …`, for each import of these sources that breaks a rule. */
function violations(sources: readonly Source[], rule: (from: string, found: Import) => string | undefined): string[] {
  return sources.flatMap(({ path, imports }) =>
    imports.flatMap((found) => {
      const broken = rule(path, found);
      return broken ? [`${path}:${found.line} imports ${found.specifier}: ${broken}`] : [];
    }),
  );
}

function floorRule(from: string, { specifier }: Import): string | undefined {
  const to = target(from, specifier);
  if (to === undefined) return undefined;
  const [here, there] = [floorOf(from), floorOf(to)];
  if (there === undefined) return 'it has no floor';
  return there > here! ? `floor ${there}, from floor ${here}` : undefined;
}

/** Imports the module that a user names. */
const USERS_MODULE = 'src/cli/model-module.ts';

function packageRule(from: string, { specifier }: Import): string | undefined {
  if (from === USERS_MODULE && specifier === '?') return undefined;
  if (target(from, specifier) !== undefined) return undefined;
  const name = Object.keys(PACKAGES).find(
    (key) => specifier === key || specifier.startsWith(key.replace(/:?$/, (c) => c || '/')),
  );
  if (name === undefined) return 'no file may import this package';
  return PACKAGES[name]!.some((prefix) => from.startsWith(prefix))
    ? undefined
    : `only ${PACKAGES[name]!.join(' and ')} may`;
}

/** Every file that loading `entry` loads, sooner or later, with the imports that led there. */
function reachedFrom(entry: string): Source[] {
  const byPath = new Map(SOURCES.map((source) => [source.path, source]));
  const reached = new Set<string>();
  const open = [entry];
  while (open.length > 0) {
    const path = open.pop()!;
    if (reached.has(path)) continue;
    reached.add(path);
    const source = byPath.get(path);
    expect(source, `${path} is imported and does not exist`).toBeDefined();
    for (const { specifier, typeOnly } of source!.imports) {
      const to = target(path, specifier);
      if (to && !typeOnly && /\.tsx?$/.test(to)) open.push(to);
    }
  }
  return [...reached].map((path) => byPath.get(path)!);
}

test('the reader sees every kind of import', () => {
  const text = [
    "import a from './a.ts';",
    "import type { B } from './b.ts';",
    "export * from './c.ts';",
    "export type { D } from './d.ts';",
    "const e = () => import('./e.ts');",
    "let f: import('./f.ts').F;",
  ].join('\n');
  const { imports } = sourceOf('src/x.ts', text);
  expect(imports.map(({ specifier, typeOnly }) => `${specifier} ${typeOnly}`)).toEqual([
    './a.ts false',
    './b.ts true',
    './c.ts false',
    './d.ts true',
    './e.ts false',
    './f.ts true',
  ]);
  expect(violations([sourceOf('src/graph/x.ts', "import '../ops/index.ts'")], floorRule)).toEqual([
    'src/graph/x.ts:1 imports ../ops/index.ts: floor 2, from floor 0',
  ]);
  expect(violations([sourceOf('src/data/x.ts', "import { join } from 'node:path'")], packageRule)).toHaveLength(1);
});

test('every source file has a floor', () => {
  expect(SOURCES.length).toBeGreaterThan(100);
  expect(SOURCES.filter(({ path }) => floorOf(path) === undefined).map(({ path }) => path)).toEqual([]);
});

test('a file imports only from its own floor or below', () => {
  expect(violations(SOURCES, floorRule)).toEqual([]);
});

/** The imports of types that may close a circle: a tensor is a node of an op, and an op makes tensors. */
const IN_A_CIRCLE = [['src/graph/op.ts', 'src/graph/tensor.ts']];

/** A shortest circle of imports through each file that is in one, each circle once: `a.ts > b.ts > a.ts`. */
function circlesOf(sources: readonly Source[]): string[] {
  const next = new Map(
    sources.map(({ path, imports }) => {
      const targets = imports.flatMap(({ specifier, typeOnly }) => {
        const to = target(path, specifier);
        const allowed = typeOnly && IN_A_CIRCLE.some(([a, b]) => a === path && b === to);
        return to === undefined || allowed ? [] : [to];
      });
      return [path, targets] as const;
    }),
  );
  const circles = new Map<string, string>();
  for (const start of next.keys()) {
    const from = new Map<string, string>();
    const open = [start];
    for (const path of open)
      for (const to of next.get(path) ?? []) {
        if (from.has(to)) continue;
        from.set(to, path);
        open.push(to);
      }
    if (!from.has(start)) continue;
    const circle = [start];
    for (let at = from.get(start)!; at !== start; at = from.get(at)!) circle.unshift(at);
    const key = [...circle].sort().join();
    if (!circles.has(key)) circles.set(key, [circle.at(-1), ...circle].join(' > '));
  }
  return [...circles.values()];
}

test('imports go in no circle, except tensor and op, by type', () => {
  const written = (texts: Record<string, string>) =>
    circlesOf(Object.entries(texts).map(([path, text]) => sourceOf(path, text)));
  expect(
    written({
      'src/graph/a.ts': "import type { B } from './b.ts';",
      'src/graph/b.ts': "export * from '../gpu/c.ts';",
      'src/gpu/c.ts': "const a = () => import('../graph/a.ts');",
      'src/gpu/d.ts': "import '../graph/a.ts';",
    }),
  ).toEqual(['src/graph/a.ts > src/graph/b.ts > src/gpu/c.ts > src/graph/a.ts']);
  const tensor = "import type { Op } from './op.ts';";
  expect(
    written({ 'src/graph/tensor.ts': tensor, 'src/graph/op.ts': "import type { Tensor } from './tensor.ts';" }),
  ).toEqual([]);
  expect(
    written({ 'src/graph/tensor.ts': tensor, 'src/graph/op.ts': "import { Tensor } from './tensor.ts';" }),
  ).toHaveLength(1);
  expect(circlesOf(SOURCES)).toEqual([]);
});

test('packages are imported only where they belong', () => {
  expect(violations(SOURCES, packageRule)).toEqual([]);
});

test('run-time dependencies are those that are imported', () => {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(Object.keys(dependencies).sort()).toEqual(['@jsquash/png', 'commander', 'wgsl-preprocessor']);
  const imported = (name: string) =>
    SOURCES.some(({ imports }) =>
      imports.some(({ specifier, typeOnly }) => !typeOnly && (specifier === name || specifier.startsWith(`${name}/`))),
    );
  expect(Object.keys({ ...dependencies, webgpu: '', '@jsquash/jpeg': '' }).filter((name) => !imported(name))).toEqual(
    [],
  );
  expect(Object.keys(peerDependencies).sort()).toEqual(['@jsquash/jpeg', '@sparticuz/chromium', 'webgpu']);
});

test('every package is locked with its digest', () => {
  for (const path of ['package-lock.json', 'bench/peers/package-lock.json']) {
    const { packages } = JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as {
      packages: Record<string, { integrity?: string }>;
    };
    const without = Object.keys(packages).filter((name) => name !== '' && !packages[name]!.integrity);
    expect(without, path).toEqual([]);
  }
});

test('thalweg reaches nothing of Node, thalweg/node does', () => {
  const page = reachedFrom('src/index.ts');
  const ofNode = page.filter(({ path }) => OF_NODE.some((prefix) => path.startsWith(prefix)));
  expect(ofNode.map(({ path }) => path)).toEqual([]);
  const packages = (sources: readonly Source[]) =>
    new Set(
      sources.flatMap(({ path, imports }) =>
        imports.filter((i) => !i.typeOnly && target(path, i.specifier) === undefined).map((i) => i.specifier),
      ),
    );
  expect([...packages(page)]).toEqual(['wgsl-preprocessor/wgsl-preprocessor.js']);
  expect(packages(reachedFrom('src/node/index.ts'))).toContain('webgpu');
});

test('the page leaves the engine to its worker', () => {
  const loaded = reachedFrom('app/main.tsx').map(({ path }) => path);
  expect(loaded.filter((path) => path.startsWith('src/') || path.startsWith('app/worker/'))).toEqual([]);
  const worker = reachedFrom('app/worker/worker.ts');
  expect(worker.map(({ path }) => path)).toContain('src/train/trainer.ts');
  expect(worker.filter(({ path }) => OF_NODE.some((prefix) => path.startsWith(prefix)))).toEqual([]);
});

/** The list of passes: to read it is to read the compiler, and what else would be its one idea? */
const NO_BARREL = 'src/compile/index.ts';

test('index files only re-export', () => {
  const indexes = SOURCES.filter(
    ({ path }) => path.startsWith('src/') && path.endsWith('/index.ts') && path !== NO_BARREL,
  );
  expect(indexes.length).toBeGreaterThan(4);
  const doing = indexes.flatMap(({ path, tree }) =>
    tree.statements
      .filter((s) => !(ts.isExportDeclaration(s) && s.moduleSpecifier))
      .filter((s) => !/^import '(\.\/(ops\/)?methods|\.\.\/ops\/index)\.ts';$/.test(s.getText(tree))) // attach the methods of tensors
      .map(
        (s) =>
          `${path}:${tree.getLineAndCharacterOfPosition(s.getStart(tree)).line + 1} ${s.getText(tree).slice(0, 60)}`,
      ),
  );
  expect(doing).toEqual([]);
});

/** What may name a device: the engine's floor for it, and a stand-in that times its calls. */
const OF_DEVICES = ['src/gpu/', 'bench/dawn-time.ts'];

test('only src/gpu uses a GPUDevice', () => {
  const names = (node: ts.Node): boolean =>
    (ts.isIdentifier(node) && node.text === 'GPUDevice') ||
    (ts.forEachChild(node, (child) => names(child) || undefined) ?? false);
  const using = SOURCES.filter(({ tree }) => names(tree)).map(({ path }) => path);
  expect(using.length).toBeGreaterThan(0);
  expect(using.filter((path) => !OF_DEVICES.some((prefix) => path.startsWith(prefix)))).toEqual([]);
});

/** Methods of strings that take a string for a regular expression. */
const BY_PATTERN = ['match', 'matchAll', 'search'];

/** `src/a.ts:3 /x/`, for each regular expression that the sources write or make. */
function regularExpressionsIn(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, tree }) => {
    const found: string[] = [];
    const visit = (node: ts.Node): void => {
      const isOne =
        ts.isRegularExpressionLiteral(node) ||
        (ts.isIdentifier(node) && node.text === 'RegExp') ||
        (ts.isPropertyAccessExpression(node) && BY_PATTERN.includes(node.name.text));
      if (isOne)
        found.push(`${path}:${tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1} ${node.getText(tree)}`);
      ts.forEachChild(node, visit);
    };
    visit(tree);
    return found;
  });
}

test('the compiler never looks into WGSL with regular expressions', () => {
  const text = "const a = /x/;\nnew RegExp('x');\nconst b = RegExp;\n'x'.match('y');\n'/* not one */'.split('/');";
  expect(regularExpressionsIn([sourceOf('src/compile/x.ts', text)])).toEqual([
    'src/compile/x.ts:1 /x/',
    'src/compile/x.ts:2 RegExp',
    'src/compile/x.ts:3 RegExp',
    "src/compile/x.ts:4 'x'.match",
  ]);
  const compiler = SOURCES.filter(({ path }) => path.startsWith('src/compile/'));
  expect(compiler.length).toBeGreaterThan(15);
  expect(regularExpressionsIn(compiler)).toEqual([]);
});

test('every file begins by saying what it is', () => {
  const silent = SOURCES.filter(({ tree }) => !/^(#!.*\n)?\/(\/|\*)/.test(tree.text)).map(({ path }) => path);
  expect(silent.filter((path) => !path.endsWith('.d.ts'))).toEqual([]);
});

test('no folder is named after nothing in particular', () => {
  const vague = SOURCES.filter(({ path }) => /(^|\/)(utils?|common|core|lib|helpers?)\//.test(path));
  expect(vague.map(({ path }) => path)).toEqual([]);
});
