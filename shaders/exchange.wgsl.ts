// Values that the lanes of a subgroup load between them and give to each other: a load costs a software adapter as much as several
// multiplications, so a value that all lanes need is loaded once.
import { lines } from './wgsl.ts';

// A workgroup is one subgroup whose lanes are numbered as its threads: `lane` is `subgroup_invocation_id`. WGSL does not promise that; the
// table of products names the adapters that are known to do it, and a tuner compares results.

/** How `count` values are loaded by `lanes` lanes. */
export interface Exchange {
  /** How many a lane loads. */
  readonly loads: number;
  /** Which of the values a lane's load `l` is, as a u32 expression. */
  own(l: number): string;
  /** The value `i` of all as an expression, `name` and a number being the loaded ones. Only in uniform control flow. */
  value(i: number, name: string): string;
}

/** An exchange in workgroups of one subgroup of `lanes` lanes. */
export function exchange(count: number, lanes: number): Exchange {
  return {
    loads: Math.ceil(count / lanes),
    own: (l) => {
      const at = l === 0 ? 'lane' : `(lane + ${l * lanes}u)`;
      return count % lanes === 0 ? at : `min(${at}, ${count - 1}u)`;
    },
    value: (i, name) => `subgroupBroadcast(${name}${Math.floor(i / lanes)}, ${i % lanes}u)`,
  };
}

/** Statements that declare `name(i)` for each of `count` values, of which `load(i)` is the one at the u32 expression `i`; `loaded` begins the names of a lane's own. */
export function exchanged(
  loaded: string,
  count: number,
  lanes: number,
  load: (i: string) => string,
  name: (i: number) => string,
): string {
  const shared = exchange(count, lanes);
  return `${lines(shared.loads, (l) => `let ${loaded}${l} = ${load(shared.own(l))};`)}
${lines(count, (i) => `let ${name(i)} = ${shared.value(i, loaded)};`)}`;
}
