// The page's worker, driven in Node: how far compilation is, told where it takes seconds, and over when it is over.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { WorkerEvent } from '../app/protocol.ts';
import { CompileWatch } from '../app/worker/compiling.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => void vi.useRealTimers());

function watched() {
  const told: string[] = [];
  const post = (event: WorkerEvent) =>
    void (event.type === 'compiling' && told.push(`${event.done} of ${event.total}`));
  const counters = { pipelines: 3, compiled: 3 };
  const state = { going: false };
  const watch = new CompileWatch(
    { post, now: () => performance.now() },
    () => counters,
    () => state.going,
  );
  return { told, counters, state, watch };
}

test('two seconds of compiling are told with counts, each count once, until it is done', async () => {
  const { told, counters, watch } = watched();
  let finish = () => {};
  const call = watch.during(() => new Promise<void>((resolve) => (finish = resolve)));
  counters.pipelines += 4;
  vi.advanceTimersByTime(1900);
  expect(told).toEqual([]);
  counters.compiled += 1;
  vi.advanceTimersByTime(1000);
  expect(told).toEqual(['1 of 4']);
  counters.compiled += 1;
  counters.pipelines += 2;
  vi.advanceTimersByTime(1000);
  expect(told).toEqual(['1 of 4', '2 of 6']);
  counters.compiled += 4;
  vi.advanceTimersByTime(500);
  expect(told).toEqual(['1 of 4', '2 of 6', '0 of 0']);
  finish();
  await call;
  vi.advanceTimersByTime(500);
  expect(vi.getTimerCount()).toBe(0);
});

test('a run goes on being watched after its call, and one that failed to compile is not told for ever', async () => {
  const { told, counters, state, watch } = watched();
  state.going = true;
  await watch.during(() => {});
  vi.advanceTimersByTime(60_000);
  counters.pipelines += 2;
  vi.advanceTimersByTime(2500);
  expect(told).toEqual(['0 of 2']);
  state.going = false;
  vi.advanceTimersByTime(500);
  expect([told.at(-1), vi.getTimerCount()]).toEqual(['0 of 0', 0]);
  await watch.during(() => {});
  vi.advanceTimersByTime(5000);
  expect(told).toHaveLength(2);
});

test('short compilations are not told', async () => {
  const { told, counters, state, watch } = watched();
  state.going = true;
  await watch.during(() => {});
  for (let k = 0; k < 20; k++) {
    counters.pipelines += 1;
    vi.advanceTimersByTime(1000);
    counters.compiled += 1;
    vi.advanceTimersByTime(300);
  }
  expect(told).toEqual([]);
});
