// One process at a time writes to a folder. The lock is a file that names its holder; a lock whose holder is gone is taken over.
// Process ids repeat, especially in containers, so a holder is identified by its id, its start time and the namespace of both. If that
// cannot be looked up (another container, another machine), only time tells: a holder touches its lock every few seconds.
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  linkSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, FileError, fileError } from './file-error.ts';
import { readText } from './read-file.ts';

/** The name of the lock in its folder. */
export const LOCK = '.lock';

/** Milliseconds between touches, and without one after which the holder is presumed dead. */
const [BEAT, SILENCE] = [4000, 20_000];
const MOST_BYTES = 4096;

/** Who holds a lock. */
interface Holder {
  readonly pid: number;
  /** Its start time as the system counts it; undefined if the system does not report it. */
  readonly started?: string | undefined;
  /** The scope of the id: a boot and a PID namespace, as far as known. */
  readonly place: string;
  readonly host: string;
  /** A new value each time. */
  readonly token: string;
}

export interface LockOptions {
  /** Called if it takes seconds to find out whether a lock's holder is alive. */
  onWait?(text: string): void;
  /** Aborts the wait; the promise then rejects with an AbortError. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without a touch after which a holder is presumed dead. Default 20,000. */
  readonly silence?: number | undefined;
}

/**
 * Locks a folder until the function it returns is called, or the process ends.
 * @throws FileError if another process holds the lock.
 */
export async function lockFolder(
  folder: string,
  { onWait, signal, silence = SILENCE }: LockOptions = {},
): Promise<() => void> {
  const path = join(folder, LOCK);
  const token = randomBytes(8).toString('hex');
  const me: Holder = { pid: process.pid, started: startOf('self'), place: placeOf(), host: hostname(), token };
  while (!create(path, JSON.stringify(me))) {
    const text = textOf(path);
    if (text === undefined) continue; // released meanwhile
    const holder = holderIn(text);
    const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another process';
    const wait = () => onWait?.(`Waiting to see whether ${who} still writes to ${folder} ...`);
    if (await isAlive(path, holder, { onWait: wait, signal, silence }))
      throw new FileError(
        `${folder}: cannot write: ${who} writes there. Wait until it ends, or choose another folder (EBUSY).`,
        'EBUSY',
      );
    takeAway(path, text);
  }
  return hold(path, token);
}

/** Creates the lock; false if one exists. */
function create(path: string, text: string): boolean {
  try {
    const file = openSync(path, 'wx');
    try {
      writeSync(file, text);
    } finally {
      closeSync(file);
    }
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw fileError('write', path, error);
  }
}

/** The text of a lock; undefined if it is gone. */
function textOf(path: string): string | undefined {
  try {
    return readText(path, MOST_BYTES);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Undefined if it is unreadable: half written, or not our lock. */
function holderIn(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Partial<Holder> | null;
    const known = Number.isSafeInteger(holder?.pid) && typeof holder?.place === 'string';
    return known ? (holder as Holder) : undefined;
  } catch {
    return undefined;
  }
}

async function isAlive(
  path: string,
  holder: Holder | undefined,
  { onWait, signal, silence }: { onWait: () => void; signal: AbortSignal | undefined; silence: number },
): Promise<boolean> {
  if (holder?.place === placeOf()) {
    if (holder.started !== undefined) return startOf(String(holder.pid)) === holder.started;
    if (!isThere(holder.pid)) return false;
  }
  const touched = touchOf(path);
  const end = performance.now() + silence - (Date.now() - touched);
  if (performance.now() < end) onWait();
  while (performance.now() < end) {
    await sleep(Math.min(500, silence / 4), undefined, { signal });
    if (touchOf(path) !== touched) return true; // touched or replaced: the next look tells
  }
  return false;
}

function touchOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** Removes a lock that still has `text`; a lock created meanwhile is put back. */
function takeAway(path: string, text: string): void {
  const aside = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  try {
    renameSync(path, aside);
    if (textOf(aside) !== text) linkSync(aside, path);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes(codeOf(error))) throw fileError('remove', path, error);
  }
  try {
    unlinkSync(aside);
  } catch {}
}

function hold(path: string, token: string): () => void {
  const touch = () => {
    try {
      utimesSync(path, new Date(), new Date());
    } catch {}
  };
  const beat = setInterval(touch, BEAT);
  beat.unref();
  return () => {
    clearInterval(beat);
    try {
      if (textOf(path)?.includes(token)) unlinkSync(path);
    } catch {} // The next run takes it over.
  };
}

/** Whether /proc belongs to this process's namespace; a namespace may lack its own /proc. */
function hasProc(): boolean {
  try {
    return readlinkSync('/proc/self') === String(process.pid);
  } catch {
    return false;
  }
}

/** A process's start time, in ticks since boot; undefined if it is gone, or the system does not report it. */
function startOf(pid: string): string | undefined {
  if (!hasProc()) return undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may contain anything. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function placeOf(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
