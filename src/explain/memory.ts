// The buffers of a plan: their values with offsets and lifetimes.
import type { Placed } from '../compile/passes/place.ts';
import type { Dispatch, Value } from '../compile/plan.ts';
import type { Memory } from '../gpu/memory.ts';
import type { BufferExplanation, ValueExplanation } from './explanation.ts';
import type { Labels } from './labels.ts';

/** The names of a plan's buffers, numbered in the order in which dispatches touch them. */
export function numberBuffers(dispatches: readonly Dispatch[], place: Placed['place']): Map<Memory, string> {
  const names = new Map<Memory, string>();
  for (const value of touched(dispatches).keys()) {
    const { memory } = place(value);
    if (!names.has(memory)) names.set(memory, `b${names.size}`);
  }
  return names;
}

/** Every value with the first and the last dispatch that touches it. */
function touched(dispatches: readonly Dispatch[]): Map<Value, [first: number, last: number]> {
  const found = new Map<Value, [number, number]>();
  for (const [at, { kernels }] of dispatches.entries())
    for (const { reads, writes } of kernels)
      for (const { value } of [...reads, ...writes]) found.set(value, [found.get(value)?.[0] ?? at, at]);
  return found;
}

export function buffersOf(
  dispatches: readonly Dispatch[],
  { place, owned, carried }: Pick<Placed, 'place' | 'owned' | 'carried'>,
  labels: Labels,
  names = numberBuffers(dispatches, place),
): BufferExplanation[] {
  const values = new Map<Memory, ValueExplanation[]>();
  for (const [value, [from, to]] of touched(dispatches)) {
    const { memory, offset, words } = place(value);
    const leaf = !('array' in value) && !value.node.op;
    values.set(memory, [
      ...(values.get(memory) ?? []),
      {
        value: labels.value(value),
        offset: offset * 4,
        bytes: words * 4,
        from: `d${from}`,
        to: `d${to}`,
        lasting: leaf && (carried.has(value.node) || value.node.source!.kind !== 'input'),
      },
    ]);
  }
  const made = new Set(owned);
  return [...values].map(([memory, own]) => ({
    name: names.get(memory)!,
    label: memory.label,
    bytes: memory.bytes,
    owner: made.has(memory) || memory.label === 'lengths' ? 'program' : ownerOf(memory),
    values: own.sort((a, b) => a.offset - b.offset),
  }));
}

function ownerOf({ label }: Memory): 'state' | 'data' | 'program' {
  if (label === 'arena' || label === 'variable') return 'state';
  return label === 'data' ? 'data' : 'program';
}
