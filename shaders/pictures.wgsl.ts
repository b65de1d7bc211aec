// Where an element of a moved picture comes from, along one axis.
import type { Declaration } from '../src/graph/kernel.ts';

/**
 * `moved(at, n, by, flipped)`: `at + by`, mirrored if `flipped`; n or more outside. `by` below 0 wraps around. `reflect` reflects at the
 * edges, without repeating them, shifts of less than n.
 */
export const MOVED: Readonly<Record<'zeros' | 'reflect', Declaration>> = {
  zeros: {
    name: 'moved',
    text: (name) => `fn ${name}(at: u32, n: u32, by: u32, flipped: bool) -> u32 {
  let source = at + by;
  return select(source, n - 1u - source, flipped);
}`,
  },
  reflect: {
    name: 'movedReflected',
    text: (name) => `fn ${name}(at: u32, n: u32, by: u32, flipped: bool) -> u32 {
  let near = u32(abs(i32(at + by)));
  let source = select(near, 2u * (n - 1u) - near, near >= n);
  return select(source, n - 1u - source, flipped);
}`,
  },
};
