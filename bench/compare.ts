// A run against an earlier one of `--json` or `--save`: what got faster or slower, and by how much, beyond what the rounds of
// either run differ among themselves.
import { DataError } from '../src/graph/errors.ts';
import type { Figure, Finding } from './findings.ts';
import { UNITS } from './findings.ts';
import { deviceWord, type Format, formatFigure, tableOf } from './report.ts';

/** The version of the JSON Lines that this reads: that of src/cli/output.ts. */
export const READS_SCHEMA = 1;

/** A run as its file tells it. */
export interface EarlierRun {
  readonly file: string;
  readonly figures: readonly Figure[];
}

/** A figure that is in both runs. */
export interface Change {
  readonly type: 'change';
  readonly suite: string;
  readonly name: string;
  readonly backend: 'gpu' | 'cpu';
  readonly adapter: string;
  readonly software: boolean;
  readonly unit: Figure['unit'];
  /** The earlier run's, and the adapter it was measured on. */
  readonly before: number;
  readonly beforeAdapter: string;
  readonly median: number;
  /** How many times as fast it is now: above 1 is faster. */
  readonly speedup: number;
  /** `same`: the rounds of the two runs overlap. */
  readonly verdict: 'faster' | 'slower' | 'same';
}

export interface Comparison {
  readonly file: string;
  readonly changes: readonly Change[];
  /** Figures that only one of the runs has. */
  readonly onlyBefore: number;
  readonly onlyNow: number;
}

/** Reads a file of `thalweg bench --save`. @throws DataError that says what is wrong with it and what to do. */
export function readEarlier(text: string, file: string): EarlierRun {
  const again = 'Make it again with thalweg bench --save FILE';
  if (text.trim() === '') throw new DataError(`${file}: it is empty. ${again}.`);
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const objects = lines.map((line, k) => {
    const value = parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    if (k > 0 && k === lines.length - 1)
      throw new DataError(`${file}: it is cut: line ${k + 1} ends amid an object. ${again}.`);
    throw new DataError(`${file}: line ${k + 1} is not a JSON object. Give a file that thalweg bench --save made.`);
  });
  const [header] = objects;
  if (header!['type'] !== 'bench')
    throw new DataError(`${file}: it does not begin as a benchmark does. Give a file that thalweg bench --save made.`);
  if (header!['schema'] !== READS_SCHEMA) {
    const made = (header!['versions'] as Record<string, unknown> | undefined)?.['thalweg'] ?? 'another version';
    throw new DataError(
      `${file}: its format is version ${header!['schema']} (made by thalweg ${made}), and this reads version ${READS_SCHEMA}. ${again} by this version.`,
    );
  }
  const last = objects.at(-1)!['type'];
  if (last !== 'end' && last !== 'interrupted')
    throw new DataError(`${file}: it is cut: its end is missing. ${again}.`);
  return { file, figures: objects.filter((o) => o['type'] === 'figure').map((o) => figureIn(o, file)) };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** What a comparison needs of a figure, checked. */
function figureIn(object: Record<string, unknown>, file: string): Figure {
  const { suite, name, unit, backend, adapter, median, min, max } = object;
  const texts = [suite, name, backend, adapter].every((text) => typeof text === 'string');
  const numbers = [median, min, max].every((n) => typeof n === 'number' && Number.isFinite(n));
  if (texts && numbers && typeof unit === 'string' && Object.hasOwn(UNITS, unit)) return object as unknown as Figure;
  throw new DataError(
    `${file}: the figure ${JSON.stringify(name)} is damaged. Make it again with thalweg bench --save FILE.`,
  );
}

const keyOf = ({ suite, name, backend, unit }: Figure) => [suite, name, backend, unit].join('\n');

/** Each figure of this run against its like in the earlier one, the largest changes first. */
export function comparisonOf({ file, figures }: EarlierRun, findings: readonly Finding[]): Comparison {
  const before = new Map(figures.map((f) => [keyOf(f), f]));
  const now = findings.filter((f) => f.type === 'figure');
  const pairs = now.flatMap((f) => {
    const old = before.get(keyOf(f));
    return old ? [[old, f] as const] : [];
  });
  const changes = pairs.map(([old, f]) => changeOf(old, f));
  const size = ({ speedup }: Change) => Math.abs(Math.log(speedup)) || 0;
  return {
    file,
    changes: changes.sort((a, b) => size(b) - size(a)),
    onlyBefore: figures.length - pairs.length,
    onlyNow: now.length - pairs.length,
  };
}

function changeOf(old: Figure, now: Figure): Change {
  const { suite, name, backend, adapter, software, unit, median } = now;
  const lower = UNITS[unit] === 'lower';
  const [faster, slower] = lower ? [now.max < old.min, now.min > old.max] : [now.min > old.max, now.max < old.min];
  return {
    type: 'change',
    suite,
    name,
    backend,
    adapter,
    software,
    unit,
    before: old.median,
    beforeAdapter: old.adapter,
    median,
    speedup: lower ? old.median / median : median / old.median,
    verdict: faster ? 'faster' : slower ? 'slower' : 'same',
  };
}

export function comparisonReport({ file, changes, onlyBefore, onlyNow }: Comparison, format: Format): string {
  const text = `Against ${file}`;
  const parts = [format === 'text' ? text : `### ${text}`];
  const others = changes.filter((c) => c.adapter !== c.beforeAdapter);
  if (others.length > 0) {
    const { adapter, beforeAdapter } = others[0]!;
    parts.push(
      `The earlier run was on ${beforeAdapter}, this one is on ${adapter}: this compares adapters, not versions.`,
    );
  }
  const beyond = changes.filter(({ verdict }) => verdict !== 'same');
  if (beyond.length > 0) {
    const rows = beyond.map((c) => [
      c.verdict,
      `${formatFigure(c.speedup)}x`,
      c.suite,
      c.name,
      deviceWord(c),
      formatFigure(c.before),
      formatFigure(c.median),
      c.unit,
    ]);
    const right = { align: 'right' } as const;
    const columns = [
      { title: '' },
      { title: 'speed', ...right },
      { title: 'suite' },
      { title: 'case' },
      { title: 'on' },
      { title: 'before', ...right },
      { title: 'now', ...right },
      { title: 'unit' },
    ];
    parts.push(tableOf(columns, rows, format));
  }
  const same = changes.length - beyond.length;
  parts.push(
    `${beyond.length} of ${changes.length} figures changed beyond the spread of their rounds, ${same} did not; ${onlyNow} are new, ${onlyBefore} were measured only before.`,
  );
  return parts.join('\n\n');
}
