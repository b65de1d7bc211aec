// One axis of a convolution, as sliding over a padded copy of its source: forward, and the gradient of the input, which is the forward
// of dy with the kernel turned around. A stride s divides that gradient into s phases: every s-th element sees every s-th weight.

/** One axis of a window. */
export interface Axis {
  /** The sizes of x and of y along the axis. */
  readonly size: number;
  readonly places: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  /** Elements before the first of x. */
  readonly before: number;
}

/** Results at `first`, `first + step`, …, from a window that begins at `begin` in the padded source. */
export interface Phase {
  readonly first: number;
  readonly count: number;
  readonly step: number;
  readonly begin: number;
  /** The weights it sees: how many, the first, and from one to the next. */
  readonly taps: number;
  readonly tap: number;
  readonly tapStep: number;
}

export interface Slide {
  readonly phases: readonly Phase[];
  /** How far the window moves from one result to the next, and the distance of its elements. */
  readonly stride: number;
  readonly dilation: number;
  /** The padded source: its size, where the first element is, and how far apart they are. */
  readonly padded: number;
  readonly before: number;
  readonly spread: number;
}

/** Sliding over x. */
export function overInput({ size, places, kernel, stride, dilation, before }: Axis): Slide {
  const reach = (places - 1) * stride + (kernel - 1) * dilation + 1;
  // Without padding, x itself.
  const padded = before === 0 && reach <= size ? size : reach;
  const phase = { first: 0, count: places, step: 1, begin: 0, taps: kernel, tap: 0, tapStep: 1 };
  return { phases: [phase], stride, dilation, padded, before, spread: 1 };
}

/** Sliding over dy, for the gradient of x. */
export function overOutput(axis: Axis): Slide {
  const { size, places, kernel, stride, dilation, before } = axis;
  // Dilated and strided: dy with zeros in between, as if the stride were 1.
  const spread = dilation > 1 ? stride : 1;
  const s = stride / spread;
  const phases = Array.from({ length: s }, (_, r) => {
    const first = (((r - before) % s) + s) % s;
    const taps = Math.max(0, Math.ceil((kernel - r) / s));
    // x[first] lies at place `at` of the window's last weight; the window reaches back from it.
    const at = (first + before - r) / s;
    const begin = at - Math.max(0, taps - 1) * dilation;
    return { first, count: Math.ceil((size - first) / s), step: s, begin, taps, tap: r + s * (taps - 1), tapStep: -s };
  }).filter(({ count }) => count > 0);
  const head = Math.max(0, ...phases.map(({ begin }) => -begin));
  const ends = phases.map(({ begin, taps, count }) => head + begin + Math.max(0, taps - 1) * dilation + count);
  const whole = (places - 1) * spread + 1;
  const reach = Math.max(...ends);
  const padded = head === 0 && reach <= whole ? whole : reach;
  return {
    phases: phases.map((phase) => ({ ...phase, begin: phase.begin + head })),
    stride: 1,
    dilation,
    padded,
    before: head,
    spread,
  };
}
