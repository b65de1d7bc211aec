// The guide as programs: the code blocks of a Markdown file, run against `src/` in this process, and what they print.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatWithOptions } from 'node:util';
import { digits } from '../src/data/digits.ts';
import { idxOf } from './idx.ts';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** A fenced block. Its first line reads ```` ```js program ````: a language, then marks. */
export interface Block {
  /** `docs/guide/data.md:12` */
  readonly at: string;
  readonly language: string;
  readonly marks: readonly string[];
  readonly code: string;
}

export function blocksOf(file: string): Block[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/^```([^\n`]*)\n([\s\S]*?)^```$/gm)].map(({ index, 1: info, 2: code }) => {
    const [language = '', ...marks] = info!.trim().split(/\s+/);
    return { at: `${file}:${text.slice(0, index).split('\n').length}`, language, marks, code: code! };
  });
}

/** A block of a program, and the output that the text shows after it. */
export interface Part {
  readonly block: Block;
  readonly output: string | undefined;
}

/** Blocks that run in Node: those without a mark are one program, each marked `program` is one of its own. */
export function programsOf(file: string): Part[][] {
  const [chapter, own]: [Part[], Part[][]] = [[], []];
  const blocks = blocksOf(file);
  for (const [k, block] of blocks.entries()) {
    if (block.language !== 'js') continue;
    const next = blocks[k + 1];
    const part = { block, output: next?.marks.includes('output') ? next.code : undefined };
    if (block.marks.length === 0) chapter.push(part);
    else if (block.marks.includes('program')) own.push([part]);
  }
  return [chapter, ...own].filter((parts) => parts.length > 0);
}

const IMPORT = /^import\s+(?:\*\s+as\s+(\w+)|\{([^}]*)\})\s+from\s+'([^']+)';$/gm;

/** The names that a module imports, and its text without the imports, line by line as before. */
async function hoisted(parts: readonly Part[]): Promise<{ names: Map<string, unknown>; texts: string[] }> {
  const names = new Map<string, unknown>();
  const found: { all: string | undefined; list: string; from: string; at: string }[] = [];
  const texts = parts.map(({ block: { code, at } }) =>
    code.replace(IMPORT, (statement, all, list, from) => {
      found.push({ all, list, from, at });
      return statement.replace(/[^\n]/g, '');
    }),
  );
  for (const { all, list, from, at } of found) {
    const module = await moduleOf(from);
    const wanted = all ? [] : list.split(',').map((entry) => entry.trim().split(/\s+as\s+/));
    for (const [name, as = name] of wanted.filter(([name]) => name !== '')) {
      if (!(name! in module)) throw new Error(`${at}: ${from} has no export ${name}`);
      if (names.has(as!)) throw new Error(`${at}: ${as} is imported twice in this program`);
      names.set(as!, module[name!]);
    }
    if (all) names.set(all, module);
  }
  return { names, texts };
}

type Module = Readonly<Record<string, unknown>>;

/** An entry point of the package, from its sources; or what Node has. `createBackend()` is the CPU, on every machine. */
async function moduleOf(name: string): Promise<Module> {
  const file = entryPoints()[name];
  if (file === undefined) return import(/* @vite-ignore */ name);
  const module: Module = await import(/* @vite-ignore */ file);
  const { createBackend: open } = module as { createBackend?: (...given: unknown[]) => unknown };
  if (!open) return module;
  return {
    ...module,
    createBackend: (...given: unknown[]) => open(...(given.length > 0 ? given : [{ device: 'cpu' }])),
  };
}

/** The source of a file that package.json names: `./dist/src/index.js` to `src/index.ts` of this folder. */
export function sourceOf(built: string): string {
  return join(ROOT, built.replace('./dist/', '').replace(/\.js$/, '.ts'));
}

/** The sources of the package's entry points, by the names that programs import. */
export function entryPoints(): Record<string, string> {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const entries = Object.entries<string | { readonly default: string }>(exports);
  return Object.fromEntries(
    entries.flatMap(([path, to]) =>
      typeof to === 'string' ? [] : [[path.replace('.', 'thalweg'), sourceOf(to.default)]],
    ),
  );
}

/** Runs a program and gives what each of its parts printed. @throws Error that names the part which failed. */
export async function run(parts: readonly Part[]): Promise<string[]> {
  const { names, texts } = await hoisted(parts);
  const printed = parts.map(() => '');
  let now = 0;
  const print = (...values: unknown[]) => {
    printed[now] += `${formatWithOptions({ colors: false }, ...values)}\n`;
  };
  const AsyncFunction = (async () => {}).constructor as new (
    ...text: string[]
  ) => (...given: unknown[]) => Promise<void>;
  const body = texts.map((text, k) => `$begin(${k}); ${text}`).join('\n');
  const begin = (k: number) => {
    now = k;
  };
  try {
    const program = new AsyncFunction('console', '$begin', ...names.keys(), `'use strict'; ${body}`);
    await program({ log: print, warn: print }, begin, ...names.values());
  } catch (error) {
    throw new Error(`${parts[now]!.block.at}: ${(error as Error).stack}`, { cause: error });
  }
  return printed;
}

/** Whether `printed` is what the text shows: line by line, `…` standing for anything on its line. */
export function fits(shown: string, printed: string): boolean {
  const pattern = shown
    .trimEnd()
    .split('…')
    .map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('[^\\n]*');
  return new RegExp(`^${pattern}$`).test(printed.trimEnd());
}

/** A folder to run programs in, and to return from: they write files where they run, and find a few digits as the kept MNIST. */
export async function workplace(): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'thalweg-guide-'));
  const { THALWEG_DATA } = process.env;
  const before = process.cwd();
  mkdirSync(join(folder, 'mnist'));
  const { train, test } = await digits({ train: 200, test: 50 });
  for (const [role, { size, x, y }] of [['train', train] as const, ['t10k', test] as const]) {
    const file = (name: string) => join(folder, 'mnist', `${role}-${name}-ubyte`);
    writeFileSync(file('images-idx3'), idxOf('u8', [size, 28, 28], [...x.data]));
    writeFileSync(file('labels-idx1'), idxOf('u8', [size], [...y.data]));
  }
  process.env['THALWEG_DATA'] = folder;
  process.chdir(folder);
  return () => {
    process.chdir(before);
    if (THALWEG_DATA === undefined) delete process.env['THALWEG_DATA'];
    else process.env['THALWEG_DATA'] = THALWEG_DATA;
    rmSync(folder, { recursive: true, force: true });
  };
}
