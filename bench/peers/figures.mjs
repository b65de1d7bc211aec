// From measurements to figures: medians of rounds, ratios within rounds, and both as objects and as text. Pure functions.

/**
 * @typedef {object} Measurement One turn of one contender.
 * @property {string} library
 * @property {string} backend
 * @property {number} round
 * @property {number} value in the unit of the case
 *
 * @typedef {object} About What the figures of a case have in common.
 * @property {string} name
 * @property {string} unit
 * @property {string} adapter
 * @property {boolean} software
 * @property {string} [how] what was measured, where the unit leaves it open
 *
 * @typedef {{ median: number, min: number, max: number, rounds: number[] }} Spread
 * @typedef {{ type: 'figure', suite: 'peers', library: string, backend: string } & About & Spread} Figure
 * @typedef {{ type: 'unable', suite: 'peers', name: string, library: string, backend: string, reason: string }} Unable
 * @typedef {{ type: 'ratio', suite: 'peers', to: string, backend: string, better: boolean } & About & Spread} Ratio
 */

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** @param {number[]} rounds @returns {Spread} */
export function spreadOf(rounds) {
  return { median: median(rounds), min: Math.min(...rounds), max: Math.max(...rounds), rounds };
}

/**
 * The figures of a case in the order in which the contenders first came, then Thalweg's ratio to each peer. Ratios are taken
 * within a round, which cancels most of a machine's drift; `better` marks the peer with the higher median.
 * @param {About} about
 * @param {readonly Measurement[]} measurements
 * @returns {(Figure | Ratio)[]}
 */
export function summarize(about, measurements) {
  const contenders = [...new Map(measurements.map((m) => [`${m.library} ${m.backend}`, m])).values()];
  const figures = contenders.map(({ library, backend }) => {
    const rounds = of(measurements, library, backend).map(({ value }) => value);
    return figure(about, library, backend, rounds);
  });
  const peers = figures.filter(({ library }) => library !== 'thalweg');
  const best = peers.reduce((a, b) => (b.median > a.median ? b : a), /** @type {any} */ (peers[0]));
  const ratios = peers.flatMap((peer) => {
    const rounds = ratiosWithin(measurements, peer);
    return rounds.length > 0 ? [ratio(about, peer, peer === best, rounds)] : [];
  });
  return [...figures, ...ratios];
}

/**
 * The contenders that could not run a case.
 * @param {{ name: string }} about
 * @param {readonly { library: string, backend: string, reason: string }[]} unable
 * @returns {Unable[]}
 */
export function unableOf({ name }, unable) {
  return unable.map(({ library, backend, reason }) => ({
    type: 'unable',
    suite: 'peers',
    name,
    library,
    backend,
    reason,
  }));
}

/**
 * @param {readonly Measurement[]} measurements
 * @param {string} library
 * @param {string} [backend]
 */
function of(measurements, library, backend) {
  return measurements.filter((m) => m.library === library && (backend === undefined || m.backend === backend));
}

/** Thalweg's value over the peer's, for each round in which both were measured. */
function ratiosWithin(/** @type {readonly Measurement[]} */ measurements, /** @type {Figure} */ { library, backend }) {
  return of(measurements, library, backend).flatMap(({ round, value }) => {
    const own = of(measurements, 'thalweg').find((m) => m.round === round);
    return own ? [own.value / value] : [];
  });
}

/** @returns {Figure} */
function figure(
  /** @type {About} */ { name, unit, adapter, software, how },
  /** @type {string} */ library,
  /** @type {string} */ backend,
  /** @type {number[]} */ rounds,
) {
  return {
    type: 'figure',
    suite: 'peers',
    name,
    library,
    backend,
    adapter,
    software,
    unit,
    ...(how && { how }),
    ...spreadOf(rounds),
  };
}

/** @returns {Ratio} */
function ratio(
  /** @type {About} */ { name, adapter, software },
  /** @type {Figure} */ { library: to, backend },
  /** @type {boolean} */ better,
  /** @type {number[]} */ rounds,
) {
  const unit = `thalweg / ${to}`;
  return { type: 'ratio', suite: 'peers', name, to, backend, better, adapter, software, unit, ...spreadOf(rounds) };
}

/**
 * The lines that people read: one for each contender, and one for the better peer.
 * @param {readonly (Figure | Ratio | Unable)[]} objects
 * @returns {string[]}
 */
export function linesOf(objects) {
  const ratios = objects.filter((o) => o.type === 'ratio');
  const lines = objects.flatMap((o) => {
    if (o.type === 'unable') return [`  ${`${o.library} ${o.backend}`.padEnd(12)} cannot run it: ${o.reason}`];
    if (o.type !== 'figure') return [];
    const found = ratios.find(({ to, backend }) => to === o.library && backend === o.backend);
    const beside = found ? `thalweg / ${o.library} ${o.backend} = ${within(found)}` : (o.how ?? '');
    return [
      `  ${`${o.library} ${o.backend}`.padEnd(12)} ${number(o.median).padStart(9)} ${o.unit}  (${range(o)})   ${beside}`.trimEnd(),
    ];
  });
  const best = ratios.find(({ better }) => better);
  if (best) lines.push(`  to the better peer, ${best.to} ${best.backend}: ${within(best)}`);
  return lines;
}

/** @param {Spread} spread */
function within(spread) {
  return `${number(spread.median)}${spread.rounds.length > 1 ? ` (${range(spread)})` : ''}`;
}

/** @param {Spread} spread */
function range({ min, max, rounds }) {
  return rounds.length > 1 ? `${number(min)} to ${number(max)}` : 'one round';
}

/** Three digits, more only before the point. @param {number} value */
export function number(value) {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
  return value.toFixed(digits);
}
