// Files that are whole or absent: what stays on the disk when writing fails, and what the error says.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileError, fileError } from '../src/node/file-error.ts';
import { prepareFile, prepareFolder, removeTemporaries, writeAtomic } from '../src/node/files.ts';
import { LOCK, lockFolder } from '../src/node/folder-lock.ts';
import { appendLines } from '../src/node/lines.ts';
import { readText, readWhole, withFile } from '../src/node/read-file.ts';

let folder = '';
let code = '';
beforeEach(() => {
  code = mkdtempSync(join(tmpdir(), 'thalweg-code-'));
  folder = mkdtempSync(join(tmpdir(), 'thalweg-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(code, { recursive: true, force: true });
});

async function refusal(work: Promise<unknown>): Promise<FileError> {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(FileError);
  return error as FileError;
}

describe('writeAtomic', () => {
  it('writes and replaces text and bytes, leaving nothing else', async () => {
    const path = join(folder, 'a.json');
    await writeAtomic(path, 'one');
    await writeAtomic(path, Uint8Array.of(116, 119, 111));
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(readdirSync(folder)).toEqual(['a.json']);
  });

  it('takes many writes of one path at once: one of them wins, whole', async () => {
    const path = join(folder, 'a');
    const texts = Array.from({ length: 8 }, (_, i) => `${i}`.repeat(10_000));
    await Promise.all(texts.map((text) => writeAtomic(path, text)));
    expect(texts).toContain(readFileSync(path, 'utf8'));
    expect(readdirSync(folder)).toEqual(['a']);
  });

  it('says that the folder is missing', async () => {
    const path = join(folder, 'gone', 'a');
    const error = await refusal(writeAtomic(path, 'x'));
    expect(error.code).toBe('ENOENT');
    expect(error.message).toBe(
      `${path}: cannot write: it does not exist, or the folder it is in does not. Check the path (ENOENT).`,
    );
  });

  it('leaves no temporary file when the rename fails', async () => {
    await mkdir(join(folder, 'taken'));
    const error = await refusal(writeAtomic(join(folder, 'taken'), 'x'));
    expect(error.message).toMatch(/taken: cannot write: /);
    expect(readdirSync(folder)).toEqual(['taken']);
  });

  it('takes another name where a killed process left its file', async () => {
    const left = join(folder, '.a.0000000000000000.tmp');
    writeFileSync(left, 'half');
    const names = ['0000000000000000', '0000000000000001'];
    await writeAtomic(join(folder, 'a'), 'x', () => names.shift()!);
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('x');
    expect(readdirSync(folder).sort()).toEqual(['.a.0000000000000000.tmp', 'a']);
    expect((await refusal(writeAtomic(join(folder, 'a'), 'y', () => '0000000000000000'))).code).toBe('EEXIST');
    expect(readFileSync(left, 'utf8')).toBe('half');
  });

  it('says that a part of the path is a file', async () => {
    writeFileSync(join(folder, 'f'), '');
    expect((await refusal(writeAtomic(join(folder, 'f', 'a'), 'x'))).message).toMatch(/is a file and not a folder/);
  });

  it.skipIf(spawnSync('bash', ['--version']).status !== 0)(
    'keeps the old file and no half of the new one when there is no room (ulimit -f)',
    () => {
      const path = join(folder, 'a');
      writeFileSync(path, 'old');
      // A child process, since the limit cannot be lifted again, and JavaScript, since Node 20 does not run TypeScript.
      const compilerOptions = {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
      };
      for (const name of ['file-error', 'read-file', 'files', 'lines']) {
        const source = readFileSync(new URL(`../src/node/${name}.ts`, import.meta.url), 'utf8');
        writeFileSync(join(code, `${name}.js`), ts.transpileModule(source, { compilerOptions }).outputText);
      }
      writeFileSync(join(code, 'package.json'), '{ "type": "module" }');
      writeFileSync(
        join(code, 'main.mjs'),
        `import { writeAtomic } from './files.js';
      import { appendLines } from './lines.js';
      process.on('SIGXFSZ', () => {});
      const said = [];
      const log = await appendLines(${JSON.stringify(join(folder, 'log'))}, { flushMs: 0 });
      try { for (;;) log.write('x'.repeat(3000)); } catch (e) { said.push(e.message); }
      await writeAtomic(${JSON.stringify(path)}, 'y'.repeat(100_000)).catch((e) => said.push(e.message));
      console.log(JSON.stringify(said));`,
      );
      const child = spawnSync(
        'bash',
        ['-c', 'ulimit -f 40; exec "$0" "$1"', process.execPath, join(code, 'main.mjs')],
        { encoding: 'utf8' },
      );
      expect(child.stderr).toBe('');
      const said = JSON.parse(child.stdout) as string[];
      expect(said[0]).toMatch(/log: cannot append: the file would be larger than .* \(EFBIG\)/);
      expect(said[1]).toMatch(/a: cannot write: the file would be larger than .* \(EFBIG\)/);
      expect(readFileSync(path, 'utf8')).toBe('old');
      expect(readdirSync(folder).sort()).toEqual(['a', 'log']);
      const log = readFileSync(join(folder, 'log'), 'utf8');
      expect(log.length).toBeGreaterThan(3000);
      expect(log.length % 3001).toBe(0); // whole lines only
    },
  );
});

describe('fileError', () => {
  const system = (code: string) => Object.assign(new Error(`${code}: said the system`), { code });
  it.each([
    ['ENOSPC', /run\/a: cannot write: the disk is full\. Free some space \(ENOSPC\)\./],
    ['EDQUOT', /quota is used up/],
    ['EACCES', /permission denied\. Choose a place you may write to/],
    ['EPERM', /permission denied/],
    ['EROFS', /the file system is read-only\. Choose another place/],
    ['ENOENT', /does not exist/],
    ['EWHAT', /cannot write: EWHAT: said the system/],
  ])('makes a sentence of %s', (code, message) => {
    const error = fileError('write', 'run/a', system(code));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
    expect((error.cause as Error).message).toContain('said the system');
  });
});

describe('prepareFolder', () => {
  it('makes the folders and leaves nothing in them', async () => {
    const path = await prepareFolder(join(folder, 'a', 'b'));
    expect(statSync(path).isDirectory()).toBe(true);
    expect(readdirSync(path)).toEqual([]);
    expect(await prepareFolder(path)).toBe(path);
  });

  it('removes what killed processes left, but not what somebody writes now', async () => {
    const [old, fresh, other] = ['.a.0123456789abcdef.tmp', '.b.0123456789abcdef.tmp', '.c.1-2.tmp'];
    for (const name of [old, fresh, other]) writeFileSync(join(folder, name), '');
    utimesSync(join(folder, old), 0, 0);
    utimesSync(join(folder, other), 0, 0);
    await prepareFolder(folder);
    expect(readdirSync(folder).sort()).toEqual([fresh, other]);
    removeTemporaries(folder, { alone: true });
    expect(readdirSync(folder)).toEqual([other]);
  });

  it('says that it is a file, or below one', async () => {
    writeFileSync(join(folder, 'f'), '');
    expect((await refusal(prepareFolder(join(folder, 'f')))).message).toMatch(
      /f: it is a file and not a folder\. Choose another place/,
    );
    expect((await refusal(prepareFolder(join(folder, 'f', 'g')))).message).toMatch(/a part of the path is a file/);
  });

  it('says that a link leads nowhere', async () => {
    await symlink(join(folder, 'gone'), join(folder, 'link'));
    expect((await refusal(prepareFolder(join(folder, 'link')))).message).toMatch(/link: cannot create the folder: /);
  });

  it.skipIf(!existsSync('/proc/sys'))('says where no folder can be made (/proc)', async () => {
    expect((await refusal(prepareFolder('/proc/thalweg/run'))).message).toBe(
      '/proc/thalweg/run: cannot create the folder: the file system does not allow new folders there. Choose another place (ENOENT).',
    );
  });

  it.skipIf(!existsSync('/proc/sys'))(
    'finds out that a folder cannot be written, also as root (/proc/sys)',
    async () => {
      expect((await refusal(prepareFolder('/proc/sys'))).message).toMatch(
        /\/proc\/sys: cannot write into the folder: /,
      );
    },
  );
});

describe('appendLines', () => {
  const path = () => join(folder, 'metrics.jsonl');
  const text = () => readFileSync(path(), 'utf8');

  it('writes whole lines, late unless flushed, and starts empty', async () => {
    writeFileSync(path(), 'old\n');
    const log = await appendLines(path(), { flushMs: 1e9 });
    log.write('a');
    expect(text()).toBe('');
    log.flush();
    expect(text()).toBe('a\n');
    log.write('b');
    log.close();
    log.close();
    expect(text()).toBe('a\nb\n');
  });

  it('does not wait when told not to, nor with much in memory', async () => {
    const prompt = await appendLines(path(), { flushMs: 0 });
    prompt.write('a');
    expect(text()).toBe('a\n');
    prompt.close();
    const late = await appendLines(path(), { flushMs: 1e9 });
    for (let i = 0; i < 100; i++) late.write('x'.repeat(1000));
    expect(text().length).toBeGreaterThan(65_000);
    expect(text().endsWith('\n')).toBe(true);
    late.close();
  });

  it.each([
    ['a half line', '{"step":1}\n{"st', '{"step":1}\n{"step":9}\n'],
    ['only a half line', '{"st', '{"step":9}\n'],
    ['whole lines', '{"step":1}\n', '{"step":1}\n{"step":9}\n'],
    ['nothing', '', '{"step":9}\n'],
  ])('goes on after %s', async (_name, before, after) => {
    writeFileSync(path(), before);
    const log = await appendLines(path(), { keep: true });
    log.write('{"step":9}');
    log.close();
    expect(text()).toBe(after);
  });

  it('appends after what others appended', async () => {
    const log = await appendLines(path(), { flushMs: 0 });
    log.write('a');
    appendFileSync(path(), 'b\n');
    log.write('c');
    log.close();
    expect(text()).toBe('a\nb\nc\n');
  });

  it('says that the folder is missing', async () => {
    expect((await refusal(appendLines(join(folder, 'gone', 'm'), { keep: true }))).message).toMatch(
      /cannot append: it does not exist/,
    );
  });
});

describe('reading', () => {
  const path = () => join(folder, 'f');
  const refused = (work: () => unknown) => refusal((async () => work())());

  it.skipIf(process.platform === 'win32')(
    'refuses pipes, devices and folders by what they are, and does not wait',
    async () => {
      execFileSync('mkfifo', [path()]);
      const began = performance.now();
      expect((await refused(() => readText(path()))).message).toBe(
        `${path()}: cannot read: it is a named pipe and not a regular file. Name a file.`,
      );
      expect((await refusal(writeAtomic(path(), 'x'))).message).toMatch(/f: cannot write: it is a named pipe and not/);
      expect((await refusal(prepareFile(path()))).message).toMatch(/f: cannot write: it is a named pipe and not/);
      expect((await refused(() => readWhole('/dev/zero'))).message).toMatch(/cannot read: it is a device and not/);
      expect((await refused(() => readText(folder))).message).toMatch(/it is a folder and not a file.* \(EISDIR\)/);
      expect(performance.now() - began).toBeLessThan(10_000);
      expect(statSync(path()).isFIFO()).toBe(true);
    },
  );

  it('refuses a file that is too large before it reads it', async () => {
    writeFileSync(path(), 'text');
    expect(readText(path(), 4)).toBe('text');
    truncateSync(path(), 2 ** 40);
    expect((await refused(() => readText(path()))).message).toBe(
      `${path()}: cannot read: it has ${2 ** 40} bytes, but at most ${2 ** 26} are expected. Check the path.`,
    );
    const head = withFile(path(), (file) => file.read(0, 6));
    expect([...head]).toEqual([116, 101, 120, 116, 0, 0]);
    expect((await refused(() => readWhole(path()))).message).toMatch(/no memory for its 1099511627776 bytes/);
  });

  it.each([
    ['a\0b', /no path can hold a NUL character\. Check the path \(ERR_INVALID_ARG_VALUE\)/],
    ['x'.repeat(300), /the name is too long/],
    ['loop', /its symbolic links form a loop\. Check the path \(ELOOP\)/],
    ['gone', /it does not exist/],
  ])('says what is wrong with the path %j', async (name, message) => {
    if (name === 'loop') await symlink(join(folder, 'loop'), join(folder, 'loop'));
    expect((await refused(() => readText(join(folder, name)))).message).toMatch(message);
  });
});

describe('lockFolder', () => {
  const lock = () => join(folder, LOCK);
  const written = () => JSON.parse(readFileSync(lock(), 'utf8'));
  const SILENCE = 400;

  it('lets one process in at a time, and leaves nothing', async () => {
    const unlock = await lockFolder(folder);
    expect((await refusal(lockFolder(folder))).message).toBe(
      `${folder}: cannot write: process ${process.pid} on ${hostname()} writes there. Wait until it ends, or choose another folder (EBUSY).`,
    );
    unlock();
    unlock();
    expect(readdirSync(folder)).toEqual([]);
    (await lockFolder(folder))();
  });

  it('takes over from a process of the same number that started at another time', async () => {
    const before = await lockFolder(folder);
    const holder = written();
    before();
    writeFileSync(lock(), JSON.stringify({ ...holder, ...(holder.started ? { started: '1' } : { pid: 2 ** 22 + 1 }) }));
    const began = performance.now();
    const unlock = await lockFolder(folder);
    expect(performance.now() - began).toBeLessThan(5000);
    expect(written().token).not.toBe(holder.token);
    unlock();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    [
      'another container',
      JSON.stringify({ pid: process.pid, started: '5', place: 'elsewhere', host: 'b', token: 't' }),
    ],
    ['half a lock', '{"pid":'],
  ])('waits to see whether the holder is there: %s', async (_, text) => {
    writeFileSync(lock(), text);
    const said: string[] = [];
    const beat = setInterval(() => utimesSync(lock(), new Date(), new Date()), 50);
    const held = await refusal(lockFolder(folder, { onWait: (told) => said.push(told), silence: SILENCE }));
    expect(held.code).toBe('EBUSY');
    clearInterval(beat);
    const ended = lockFolder(folder, { silence: SILENCE, signal: AbortSignal.abort() });
    await expect(ended).rejects.toMatchObject({ name: 'AbortError' });
    const unlock = await lockFolder(folder, { onWait: (told) => said.push(told), silence: SILENCE });
    expect(said).toHaveLength(2);
    expect(said[0]).toMatch(/^Waiting to see whether .* still writes to /);
    unlock();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('gives nobody a lock that another took over', async () => {
    const unlock = await lockFolder(folder);
    writeFileSync(lock(), '{"token":"another"}');
    unlock();
    expect(readFileSync(lock(), 'utf8')).toBe('{"token":"another"}');
  });
});
