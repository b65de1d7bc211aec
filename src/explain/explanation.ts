// The result of a compilation as plain data that JSON can hold, with methods that print it.

import type { PassName } from '../compile/pass-names.ts';
import type { WgslType } from '../graph/kernel.ts';
import { kernelName, plural, shortened, sizeText, workgroupsText } from './labels.ts';
import { formatBytes, formatInteger, table } from './table.ts';

/** A value in a buffer. */
export interface ValueExplanation {
  readonly value: string;
  /** Bytes from the start of the buffer, and how many. */
  readonly offset: number;
  readonly bytes: number;
  /** The first and the last dispatch of a step that touch it. */
  readonly from: string;
  readonly to: string;
  /** Whether it outlives a step: variables, data, carried values. */
  readonly lasting: boolean;
}

export interface BufferExplanation {
  /** `b4` */
  readonly name: string;
  readonly label: string;
  readonly bytes: number;
  /** The owner: the program, the State with its variables, or the data set. */
  readonly owner: 'program' | 'state' | 'data';
  readonly values: readonly ValueExplanation[];
}

/** How a dispatch touches a value. */
export interface AccessExplanation {
  readonly value: string;
  readonly type: WgslType;
  readonly width: 'scalar' | 'vec4' | 'atomic';
  readonly access: 'read' | 'write';
  /** The buffer that holds the value, and the value's first byte in it. */
  readonly buffer: string;
  readonly offset: number;
}

/** A range of a buffer that a dispatch binds; `index` is its `@binding`. */
export interface BindingExplanation {
  readonly index: number;
  readonly buffer: string;
  readonly offset: number;
  readonly bytes: number;
  readonly access: 'read' | 'write';
}

/** A kernel that shares a dispatch. */
export interface KernelExplanation {
  readonly name: string;
  /** The groups in it (`g3`, `g4 > g5`), or the values that it checks or assigns. */
  readonly parts: string;
  readonly workgroup: readonly [number, number, number];
  readonly workgroups: readonly [number, number, number];
  readonly barriers: boolean;
  /** Bytes of workgroup memory. */
  readonly sharedBytes: number;
}

/** Operations, a multiply-add as two, and bytes moved. */
export interface DispatchWork {
  readonly flops: number;
  readonly bytes: number;
}

/** A dispatch; `flops` and `bytes` are what a roofline counts: see {@link DispatchWork}. */
export interface DispatchExplanation extends DispatchWork {
  /** `d0`; `s0` if it runs once per submit, before the first step. */
  readonly name: string;
  readonly label: string;
  readonly once: boolean;
  readonly kernels: readonly KernelExplanation[];
  readonly accesses: readonly AccessExplanation[];
  readonly bindings: readonly BindingExplanation[];
  readonly workgroups: readonly [number, number, number];
  readonly wgsl: string;
}

/** Sizes of a plan. */
export interface PlanCounts {
  /** Ops after simplify, and after hazards, without views. */
  readonly ops: number;
  readonly planned: number;
  /** Stored values. */
  readonly stored: number;
  readonly prefetched: number;
  readonly copies: number;
  readonly groups: number;
  /** Dispatches of a step; 1 for a persistent kernel. */
  readonly dispatches: number;
  /** Dispatches that run once per submit, before the first step. */
  readonly once: number;
}

/** The fields of an {@link Explanation}. */
export interface ExplanationFacts {
  readonly title: string;
  readonly adapter: string;
  readonly maxBindings: number;
  readonly persistent: boolean;
  readonly counts: PlanCounts;
  readonly passes: Readonly<Record<PassName, readonly string[]>>;
  readonly buffers: readonly BufferExplanation[];
  readonly dispatches: readonly DispatchExplanation[];
}

/** A compiled program, pass by pass and dispatch by dispatch. Its fields are plain data. */
export class Explanation implements ExplanationFacts {
  /** The program's name. */
  readonly title: string;
  /** The adapter it was compiled for, and the storage buffers that a dispatch may bind there. */
  readonly adapter: string;
  /** The storage buffers that a dispatch may bind on the adapter. */
  readonly maxBindings: number;
  /** Whether one dispatch runs many steps. */
  readonly persistent: boolean;
  /** The plan's numbers of ops, stored values, groups and dispatches. */
  readonly counts: PlanCounts;
  /** The printed result of each pass, line by line. */
  readonly passes: Readonly<Record<PassName, readonly string[]>>;
  /** The buffers that the dispatches bind, with the values in each. */
  readonly buffers: readonly BufferExplanation[];
  /** The dispatches of a step in order, then those that run once per submit. */
  readonly dispatches: readonly DispatchExplanation[];

  /** @internal */
  constructor({ title, adapter, maxBindings, persistent, counts, passes, buffers, dispatches }: ExplanationFacts) {
    this.title = title;
    this.adapter = adapter;
    this.maxBindings = maxBindings;
    this.persistent = persistent;
    this.counts = counts;
    this.passes = passes;
    this.buffers = buffers;
    this.dispatches = dispatches;
  }

  /** The summary, or the result of one pass. */
  text(pass?: PassName): string {
    return pass === undefined ? this.#summary() : this.passes[pass].join('\n');
  }

  /** One dispatch in full. */
  dispatchText({ name, label, kernels, accesses, bindings, wgsl, ...dispatch }: DispatchExplanation): string {
    const titles = (names: readonly string[]) => names.map((title) => ({ title }));
    const buffer = (b: string) => `${b} ${this.buffers.find((known) => known.name === b)?.label ?? ''}`.trimEnd();
    const parts = [
      `${name}  ${label}\n${workgroupsText(dispatch.workgroups)}, ${formatInteger(Math.round(dispatch.flops))} FLOP, ${formatInteger(dispatch.bytes)} bytes`,
      table(
        titles(['kernel', 'of', 'workgroups', 'threads', 'barriers']),
        kernels.map((k) => [k.name, k.parts, sizeText(k.workgroups), sizeText(k.workgroup), k.barriers ? 'yes' : 'no']),
      ),
      table(
        titles(['access', 'value', 'type', 'width', 'buffer', 'byte']),
        accesses.map((a) => [a.access, a.value, a.type, a.width, a.buffer, formatInteger(a.offset)]),
      ),
      table(
        titles(['binding', 'buffer', 'access', 'byte', 'bytes']),
        bindings.map((b) => [
          `m${b.index}`,
          shortened(buffer(b.buffer), 60),
          b.access === 'read' ? 'read' : 'read and write',
          formatInteger(b.offset),
          formatInteger(b.bytes),
        ]),
      ),
      wgsl,
    ];
    return parts.filter((part) => part.split('\n').length > 2 || part === parts[0]).join('\n\n');
  }

  #summary(): string {
    const { ops, planned, stored, prefetched, copies, groups, dispatches, once } = this.counts;
    const owned = (owner: BufferExplanation['owner']) =>
      formatBytes(this.buffers.reduce((sum, b) => sum + (b.owner === owner ? b.bytes : 0), 0));
    const more = once > 0 ? `, ${once} more once per submit` : '';
    const step = this.persistent ? 'one for many steps (persistent kernel)' : `${dispatches} per step`;
    return [
      `${this.title}, compiled for ${this.adapter} (${this.maxBindings} storage buffers per dispatch)`,
      [
        `graph       ${plural(ops, 'op')} after simplify, ${formatInteger(planned)} planned (${formatInteger(prefetched)} prefetched, ${plural(copies, 'copy', 'copies')}), ${plural(stored, 'value')} stored`,
        `groups      ${formatInteger(groups)}`,
        `dispatches  ${step}${more}`,
        `memory      ${owned('program')} program, ${owned('state')} state, ${owned('data')} data`,
      ].join('\n'),
      this.#dispatchTable(),
    ].join('\n\n');
  }

  #dispatchTable(): string {
    const right = (title: string) => ({ title, align: 'right' as const });
    const columns = [
      { title: '' },
      { title: 'kernels' },
      right('workgroups'),
      right('bindings'),
      right('FLOP'),
      right('bytes'),
    ];
    const rows = this.dispatches.flatMap(({ name, label, kernels, workgroups, bindings, flops, bytes }) => {
      const names = kernels.length > 0 ? kernels.map((k) => kernelName(k.parts, k.name)) : [label];
      const figures = [
        sizeText(workgroups),
        `${bindings.length}`,
        formatInteger(Math.round(flops)),
        formatInteger(bytes),
      ];
      return names.map((text, k) => [k === 0 ? name : '', shortened(text, 72), ...(k === 0 ? figures : [])]);
    });
    const sum = (of: (d: DispatchExplanation) => number) =>
      formatInteger(Math.round(this.dispatches.reduce((total, d) => total + (d.once ? 0 : of(d)), 0)));
    return table(columns, rows, [['', 'per step', '', '', sum((d) => d.flops), sum((d) => d.bytes)]]);
  }
}
