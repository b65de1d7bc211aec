// The rendered dispatches: workgroups, bindings, and the length of the text.

import type { PassResults } from '../../compile/index.ts';
import { type Labels, plural, shortened, workgroupsText } from '../labels.ts';

export function renderText({ render }: PassResults, _: Labels): string[] {
  return render.plan.map(({ label, workgroups, bindings, code }, k) => {
    const written = bindings.filter(({ access }) => access === 'write').length;
    const facts = [
      workgroupsText(workgroups),
      `${plural(bindings.length, 'binding')}, ${written} written`,
      plural(code.split('\n').length, 'line'),
    ];
    return `d${k}  ${shortened(label, 72)}: ${facts.join('; ')}`;
  });
}
