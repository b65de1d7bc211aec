// The built page as files: small enough, from nowhere but its own folder, and nothing in it that its policy forbids.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { POLICY } from '../../app/build/policy.ts';

/**
 * Page, worker and service worker together, in bytes, gzipped. It was 150 kB until the page's two engines became fast: what fuses a
 * step into few dispatches, or many steps into one, is 7 kB, the family of matrix products 1.6 kB, what writes WebAssembly 2.5 kB.
 * 160 until the compiler became a list of passes: bindings by range, kernels of a user's own and what they may not do are 5 kB.
 * 165 until arguments were checked by name and kind, 3 kB, and memory was bounded and freed, 2 kB.
 * 172 until the trainer weighed examples, read weights of other frameworks, and named the causes of a divergence: 7 kB.
 * 181 until backends gave the values of tensors: 1 kB.
 * 182 until data sets, models and losses could be of several inputs and outputs, which the page's trainer brings along, 4 kB, and
 * parameters could be grouped and frozen: 3 kB.
 * 189 until what is given wrongly in data, names and ops was told where it is given: 2 kB.
 * 192 until integers held only what they can, options of data were never ignored, and callbacks were checked by their hooks: 2 kB.
 * 194 until memory was summed before it is allocated, classes had weights and smoothing, and the trainer augmented pictures: 3 kB.
 * 198 until the lanes of a subgroup shared what they load, and bytes were scaled by channel: 1 kB.
 */
const MOST_BYTES = 199_000;

const files = new Map<string, Buffer>();
let html: string;
beforeAll(async () => {
  const folder = inject('siteFolder');
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(path.slice(folder.length + 1), await readFile(path));
  }
  html = textOf('index.html');
});

const textOf = (name: string) => files.get(name)!.toString('utf8');
const named = (ending: string) => [...files.keys()].filter((name) => name.endsWith(ending));

/** Every address that a tag of the page loads something from. */
const addresses = (text: string) =>
  [...text.matchAll(/\b(?:src|href|action|poster|data)\s*=\s*"([^"]*)"/g)].map((m) => m[1]!);

test(`all of its JavaScript is at most ${MOST_BYTES / 1000} kB gzipped`, () => {
  const sizes = named('.js').map((name) => [name, gzipSync(files.get(name)!, { level: 9 }).length] as const);
  const sum = sizes.reduce((total, [, bytes]) => total + bytes, 0);
  const each = sizes.map(([name, bytes]) => `${name} ${(bytes / 1000).toFixed(1)}`).join(', ');
  console.log(`the page: ${(sum / 1000).toFixed(1)} kB of JavaScript gzipped (${each})`);
  expect(sizes).toHaveLength(3);
  expect(sum).toBeLessThanOrEqual(MOST_BYTES);
});

test('explanations of programs are left out', () => {
  for (const name of named('.js')) expect(textOf(name), name).not.toContain('computed one step ahead');
});

describe('index.html', () => {
  test('carries the policy, before anything that loads', () => {
    const found = /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/.exec(html);
    expect(found?.[1]?.replaceAll('&#39;', "'")).toBe(POLICY);
    expect(found!.index).toBeLessThan(html.search(/<(script|link|style|img)\b/));
  });

  test('has no script, style or handler in its text', () => {
    const scripts = [...html.matchAll(/<script\b([^>]*)>([\s\S]*?)<\/script>/g)];
    expect(scripts.length).toBeGreaterThan(0);
    for (const [, attributes, text] of scripts) {
      expect(attributes).toMatch(/\bsrc=/);
      expect(text).toBe('');
    }
    expect(html).not.toMatch(/<style\b|\sstyle\s*=|\son\w+\s*=/i);
  });

  test('loads files of this build only, by relative addresses: it works in any folder', () => {
    expect(addresses(html).length).toBeGreaterThan(2);
    for (const address of addresses(html)) {
      expect(address).toMatch(/^\.\//);
      expect([...files.keys()]).toContain(address.slice(2));
    }
  });
});

test('the styles load nothing from elsewhere', () => {
  expect(named('.css').length).toBeGreaterThan(0);
  for (const name of named('.css')) {
    expect(textOf(name), name).not.toMatch(/@import/);
    for (const [, address] of textOf(name).matchAll(/url\(\s*["']?([^"')]*)/g))
      expect(address).not.toMatch(/^(\w+:)?\/\//);
  }
});

test('the programs load no program from elsewhere and make none from text', () => {
  for (const name of named('.js')) {
    expect(textOf(name), name).not.toMatch(/\bimport(Scripts)?\s*\(\s*["'`](\w+:)?\/\//);
    expect(textOf(name), name).not.toMatch(/\bnew Function\b|[^.\w]eval\s*\(/);
  }
});

test('the service worker keeps every file of the build but data and itself', () => {
  const program = textOf('service-worker.js');
  const kept = [...files.keys()].filter((name) => !name.startsWith('data/') && name !== 'service-worker.js');
  expect(kept.length).toBeGreaterThan(4);
  for (const name of kept) expect(program, name).toContain(name);
});
