// The guide is true: each of its programs runs and prints what the text shows, and its names and links lead somewhere.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as thalweg from '../src/node/index.ts';
import { blocksOf, entryPoints, fits, programsOf, ROOT, run, workplace } from './guide.ts';

const GUIDE = 'docs/guide';
const chapters = readdirSync(join(ROOT, GUIDE))
  .filter((file) => file.endsWith('.md'))
  .map((file) => `${GUIDE}/${file}`);
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

let leave = () => {};
beforeAll(async () => {
  leave = await workplace();
});
afterAll(() => leave());

const programs = chapters.flatMap((file) => programsOf(file).map((parts) => ({ at: parts[0]!.block.at, parts })));

it.each(programs)('the program at $at runs, and prints what is shown', async ({ parts }) => {
  const printed = await run(parts);
  for (const [k, { block, output }] of parts.entries()) {
    if (output === undefined || fits(output, printed[k]!)) continue;
    expect(printed[k], `what ${block.at} prints`).toBe(output);
  }
});

describe('blocks', () => {
  const all = chapters.flatMap(blocksOf);
  const marked = (mark: RegExp) => all.filter(({ marks }) => marks.some((m) => mark.test(m)));

  it('are programs, files of a page, output, or said not to run', () => {
    const kinds = all.map(({ at, language, marks }) => {
      const kind = [language, ...marks.map((mark) => mark.replace(/:.*/, ''))].join(' ');
      return /^(js|js program|(js|html) page|text output|(js|sh) not-run)$/.test(kind) ? undefined : `${at}: ${kind}`;
    });
    expect(kinds.filter(Boolean)).toEqual([]);
    // The installation, the command line, and folders of files that are too large to have here.
    expect(marked(/^not-run$/).map(({ at }) => at.replace(/:.*/, ''))).toEqual([
      ...new Array(4).fill('docs/guide/command-line.md'),
      'docs/guide/data.md',
      'docs/guide/data.md',
      'docs/guide/data.md',
      'docs/guide/first-network.md',
      'docs/guide/first-network.md',
    ]);
  });

  it('of output follow what printed it', () => {
    const lost = all.filter(({ marks }, k) => marks.includes('output') && !/^(js|html)$/.test(all[k - 1]!.language));
    expect(lost.map(({ at }) => at)).toEqual([]);
  });
});

describe('links', () => {
  const pages = [
    ...chapters,
    'README.md',
    'CONTRIBUTING.md',
    'docs/design.md',
    'docs/compiler.md',
    'docs/performance.md',
  ];
  const prose = (file: string) => read(file).replace(/^```[\s\S]*?^```$/gm, '');
  const anchors = (file: string) =>
    [...prose(file).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );

  it.each(pages)('of %s lead to files and sections', (page) => {
    const links = [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, to]) => to!)
      .filter((to) => !/^https?:/.test(to));
    const broken = links.filter((link) => {
      const [path, anchor] = link.split('#');
      const file = path ? join(dirname(page), path) : page;
      if (!existsSync(join(ROOT, file))) return true;
      return anchor !== undefined && !anchors(file).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it('of the index lead to every chapter', () => {
    const missing = chapters.filter(
      (file) => !read(`${GUIDE}/README.md`).includes(`](${file.slice(GUIDE.length + 1)})`),
    );
    expect(missing).toEqual([`${GUIDE}/README.md`]);
  });
});

describe('names for people who come from elsewhere', () => {
  /** Our names: the code of each row's second column. */
  const ours = [...read(`${GUIDE}/coming-from.md`).matchAll(/^\| `.*$/gm)].flatMap(([row]) =>
    [...row.split(/(?<!\\)\|/)[2]!.matchAll(/`([^`]+)`/g)].map(([, code]) => code!),
  );
  const methodsOf: Readonly<Record<string, object>> = {
    trainer: thalweg.Trainer.prototype,
    train: thalweg.datasets.array([[0]], [0]),
    backend: thalweg.createCpuBackend(),
    x: thalweg.Tensor.prototype,
    variable: new thalweg.Variable([1], { initial: thalweg.nn.init.zeros, trainable: true }),
  };
  /** What is no export: parts of sentences, and fields that other tests hold. */
  const APART = ['forward', 'submitMs', 'trainer.history'];

  it('are names of ours', async () => {
    const modules = await Promise.all(Object.values(entryPoints()).map((file) => import(/* @vite-ignore */ file)));
    const exported: Readonly<Record<string, unknown>> = Object.assign({}, ...modules);
    const isOurs = (name: string): boolean => {
      const [first, ...rest] = name.split('.');
      if (APART.includes(name)) return true;
      if (Object.hasOwn(methodsOf, first!)) return rest.length === 1 && rest[0]! in methodsOf[first!]!;
      const value = rest.reduce<unknown>(
        (at, key) => (at as Record<string, unknown> | undefined)?.[key],
        exported[first!],
      );
      return value !== undefined;
    };
    // Every name in a call too, options apart: `trainer.fit(datasets.array(x, y), …)`.
    const names = ours.flatMap((code) => [
      /^(?:new )?([\w.]+)/.exec(code)![1]!,
      ...[...code.matchAll(/\b(?:nn|optim|losses|datasets)\.[\w.]+/g)].map(([name]) => name),
    ]);
    expect(names.length).toBeGreaterThan(90);
    expect(names.filter((name) => !isOurs(name))).toEqual([]);
  });
});
