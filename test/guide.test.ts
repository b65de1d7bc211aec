// The guide is true: each of its blocks runs, prints what the text shows, and every name and link in it leads somewhere.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fits, programsOf, ROOT, run, workplace } from './guide.ts';

const GUIDE = 'docs/guide';
const chapters = readdirSync(join(ROOT, GUIDE))
  .filter((file) => file.endsWith('.md'))
  .map((file) => `${GUIDE}/${file}`);

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
