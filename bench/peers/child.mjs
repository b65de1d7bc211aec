// Processes of their own: asks one thing of measure.mjs in a new process, one at a time. Ctrl-C ends the one under way.
import { fork } from 'node:child_process';

/** The user pressed Ctrl-C. */
export class Interrupted extends Error {
  name = 'Interrupted';
}

/** Minutes after which a measurement is given up. */
const MINUTES = 10;
const MEASURE = new URL('measure.mjs', import.meta.url);

/** @type {import('node:child_process').ChildProcess | undefined} */
let running;
let interrupted = false;

/** From now on Ctrl-C makes {@link ask} fail with Interrupted; a second one ends the process with `code` at once. */
export function listenForInterrupt(/** @type {number} */ code) {
  process.on('SIGINT', () => {
    if (interrupted) process.exit(code);
    interrupted = true;
    running?.kill('SIGKILL');
  });
}

/**
 * The answer to a message, from a new process.
 * @param {object} message
 * @returns {Promise<any>}
 * @throws Error of the type and with the message that the process told, or with the end of what it wrote; Interrupted
 */
export function ask(message) {
  return new Promise((resolve, reject) => {
    if (interrupted) return reject(new Interrupted());
    const child = fork(MEASURE, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    running = child;
    /** @type {any} */
    let reply;
    let [late, written] = [false, ''];
    const limit = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, MINUTES * 60_000);
    const keep = (text) => {
      written = `${written}${text}`.slice(-2000);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.on('message', (answer) => {
      reply = answer;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      if (interrupted) reject(new Interrupted());
      else if (late) reject(new Error(`it took more than ${MINUTES} minutes`));
      else if (reply === undefined) reject(new Error(`its process ended (${signal ?? code}): ${written.trim()}`));
      else if (reply.failure !== undefined) reject(Object.assign(new Error(reply.failure), { name: reply.type }));
      else resolve(reply);
    });
    child.send(message);
  });
}
