// Pacing, by a clock of its own: few submits, none too long, none awaited too early.
import { describe, expect, it } from 'vitest';
import type { Program } from '../src/graph/executor.ts';
import { Pacer } from '../src/train/pacer.ts';
import { RING } from '../src/train/state.ts';

/** A device on which a step takes `ms`, one submit after another, and a submit costs the host `hostMs`. */
function device(each: number, { blocking = false, hostMs = 0.05 } = {}) {
  const step = { ms: each };
  let now = 0;
  let free = 0;
  let polled = 0;
  const sizes: number[] = [];
  const rests: number[] = [];
  const program = {
    submit(steps: number) {
      sizes.push(steps);
      free = Math.max(free, now) + steps * step.ms;
      const done = free;
      now = blocking ? done : now + hostMs;
      return {
        steps,
        values: async () => {
          if (done > now) {
            polled += done - now;
            now = done;
          }
          return [];
        },
      };
    },
  } as unknown as Program;
  const clock = {
    now: () => now,
    sleep: async (time: number) => {
      now += time;
      rests.push(now);
    },
  };
  return { step, program, clock, sizes, rests, elapsed: () => now, polled: () => polled };
}

async function steps(total: number, { program, clock }: ReturnType<typeof device>): Promise<number> {
  const pacer = new Pacer<undefined>({ clock });
  let most = 0;
  for (let made = 0; made < total; ) {
    const n = pacer.size(program, total - made);
    pacer.submit(program, n, [], undefined);
    made += n;
    most = Math.max(most, pacer.inFlight);
    while (pacer.full) await pacer.next();
  }
  while (pacer.inFlight > 0) await pacer.next();
  return most;
}

describe.each([0.01, 0.1, 0.5, 1, 2, 5, 20, 150, 400])('1,000 steps of %d ms', (ms) => {
  it.each([false, true])('blocking: %s', async (blocking) => {
    const it = device(ms, { blocking });
    const inFlight = await steps(1000, it);
    expect(it.sizes.reduce((a, b) => a + b)).toBe(1000);
    expect(it.sizes[0]).toBe(1);
    expect(Math.max(...it.sizes)).toBeLessThanOrEqual(RING);
    // One step may take longer than all the time there is for a submit.
    const allowed = ms <= 150 ? 10 + it.elapsed() / 150 : 1000;
    expect(it.sizes.length).toBeLessThanOrEqual(allowed);
    expect(Math.max(...it.sizes) * ms).toBeLessThanOrEqual(Math.max(ms, 300));
    expect(inFlight).toBeLessThanOrEqual(3);
  });
});

describe('Pacer', () => {
  it('sleeps for most of the time that the device needs', async () => {
    const it = device(5);
    await steps(1000, it);
    expect(it.elapsed()).toBeLessThan(5100);
    expect(it.polled()).toBeLessThan(0.2 * it.elapsed());
  });

  it('lets the event loop have its turn, though no submit takes long', async () => {
    const small = device(0.1, { blocking: true });
    for (let k = 0; k < 10; k++) {
      const pacer = new Pacer<undefined>({ clock: small.clock });
      for (let epoch = 0; epoch < 500; epoch++) {
        pacer.submit(small.program, pacer.size(small.program, 1), [], undefined);
        await pacer.next();
      }
    }
    expect(small.elapsed()).toBeCloseTo(500, 6);
    expect(small.rests).toHaveLength(9);
    const gaps = small.rests.map((at, k) => at - (small.rests[k - 1] ?? 0));
    expect(Math.max(...gaps)).toBeLessThan(51);
  });

  it('divides what is left evenly, so that no small rest remains', async () => {
    const fast = device(1);
    const pacer = new Pacer<undefined>({ clock: fast.clock });
    const sizes: number[] = [];
    for (const remaining of [18, 17, 13]) {
      const n = pacer.size(fast.program, remaining);
      sizes.push(n);
      pacer.submit(fast.program, n, [], undefined);
      await pacer.next();
    }
    expect(sizes).toEqual([1, 4, 13]);
    expect(pacer.size(fast.program, 65)).toBe(33);
  });

  it('awaits the first submit of a program, to know its time, and then has three under way', async () => {
    const slow = device(100);
    const pacer = new Pacer<undefined>({ clock: slow.clock });
    const submit = () => pacer.submit(slow.program, pacer.size(slow.program, 100), [], undefined);
    submit();
    expect(pacer.full).toBe(true);
    await pacer.next();
    for (const full of [false, false, true]) {
      submit();
      expect(pacer.full).toBe(full);
    }
  });

  it('follows a device that becomes slower, and one that stalled once', async () => {
    const changing = device(0.5);
    const pacer = new Pacer<undefined>({ clock: changing.clock });
    const settle = async (rounds: number) => {
      let n = 0;
      for (let k = 0; k < rounds; k++) {
        n = pacer.size(changing.program, 1e6);
        pacer.submit(changing.program, n, [], undefined);
        await pacer.next();
      }
      return n;
    };
    expect(await settle(10)).toBeGreaterThan(200);
    changing.step.ms = 10_000;
    await settle(1);
    changing.step.ms = 0.5;
    const stalled = changing.elapsed();
    expect(await settle(5)).toBeGreaterThan(200);
    expect(changing.elapsed() - stalled).toBeLessThan(1000);
    changing.step.ms = 20;
    expect(await settle(10)).toBeLessThan(15);
    changing.step.ms = 0.5;
    expect(await settle(20)).toBeGreaterThan(100);
  });
});
