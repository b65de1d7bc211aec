// The event loop rests while a software adapter computes, and only then.
import { afterEach, expect, it, vi } from 'vitest';
import { Rest } from '../src/node/rest.ts';

const pauses = vi.spyOn(Atomics, 'wait');
afterEach(() => void pauses.mockClear());

const after = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms));
const turns = async (n: number) => {
  for (let k = 0; k < n; k++) await new Promise((resolve) => void setImmediate(resolve));
};

it('pauses most of the time that something is awaited, and not after it', async () => {
  const rest = new Rest();
  // As long as it takes: of 60 ms, a busy machine may leave this process one turn.
  const wait = (async () => {
    while (pauses.mock.calls.length <= 20) await after(5);
  })();
  rest.during(wait);
  await wait;
  expect(pauses.mock.calls.length).toBeLessThanOrEqual(300);
  pauses.mockClear();
  await turns(100);
  expect(pauses).not.toHaveBeenCalled();
});

it('pauses once a turn, however many promises it has seen', async () => {
  const rest = new Rest();
  for (let k = 0; k < 50; k++) {
    rest.during(Promise.resolve());
    await Promise.resolve();
  }
  let done = () => {};
  const wait = new Promise<void>((resolve) => {
    done = resolve;
  });
  rest.during(wait);
  await turns(60);
  done();
  expect(pauses.mock.calls.length).toBeGreaterThan(20);
  expect(pauses.mock.calls.length).toBeLessThanOrEqual(61);
  await wait;
});

it('notices at once what takes a moment, and goes on after a promise that is rejected', async () => {
  const rest = new Rest();
  const failing = Promise.reject(new Error('lost'));
  rest.during(failing);
  await expect(failing).rejects.toThrow('lost');
  await turns(100);
  const short = turns(20);
  rest.during(short);
  await short;
  expect(pauses).not.toHaveBeenCalled();
});
