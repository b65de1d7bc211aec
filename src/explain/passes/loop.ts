// The loop over the dispatches of a step, or the persistent kernel that replaces them.

import type { PassResults } from '../../compile/index.ts';
import type { Loop } from '../../compile/plan.ts';
import { type Labels, plural } from '../labels.ts';
import { dispatchesOf } from '../seen.ts';
import { dispatchLines } from './pack.ts';

export function loopText({ loop }: PassResults, labels: Labels): string[] {
  const { lengths } = loop.plan[0] as Loop;
  const dispatches = dispatchesOf(loop);
  if (lengths)
    return ['one dispatch runs many steps; it reads their number from a buffer:', ...dispatchLines(dispatches, labels)];
  const names = dispatches.map((_, k) => `d${k}`).join(', ');
  return [`each step of a submit: ${names} (${plural(dispatches.length, 'dispatch', 'dispatches')})`];
}
