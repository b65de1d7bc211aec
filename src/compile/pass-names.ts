// The names of the compiler's passes.

/** The passes in order. */
export const PASSES = [
  'simplify',
  'prefetch',
  'hazards',
  'materialize',
  'group',
  'fuse-rows',
  'pack',
  'place',
  'guard',
  'loop',
  'render',
] as const;

export type PassName = (typeof PASSES)[number];
