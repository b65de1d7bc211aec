// What tests of ops outside the library share: the ops that docs/guide/own-ops.md shows, the truth of a program from the CPU in doubles,
// and programs held against it.
import { expect } from 'vitest';
import { interpret } from '../src/cpu/interpreter.ts';
import { type Capabilities, costsOf } from '../src/graph/capabilities.ts';
import type { HostArray } from '../src/graph/dtype.ts';
import type { CompileOptions } from '../src/graph/executor.ts';
import type { Op } from '../src/graph/op.ts';
import type { Node, Tensor } from '../src/graph/tensor.ts';
import * as ops from '../src/ops/index.ts';
import { openTestDevice, testExecutor } from './gpu.ts';
import { blocksOf } from './guide.ts';
import { expectClose } from './sample.ts';

/** Adapters as the compiler sees them; the second number of buffers is as many as the device has. */
export const ADAPTERS: readonly (readonly [string, Partial<Capabilities>])[] = [
  ['a software adapter, 8 buffers', { ...costsOf(true), maxStorageBuffersPerShaderStage: 8 }],
  ['a software adapter, 16 buffers', { ...costsOf(true), maxStorageBuffersPerShaderStage: 16 }],
  ['a GPU, 8 buffers', { ...costsOf(false), maxStorageBuffersPerShaderStage: 8 }],
  ['a GPU, 16 buffers', { ...costsOf(false), maxStorageBuffersPerShaderStage: 16 }],
];

export interface DocumentedOps {
  softsign(x: Tensor): Tensor;
  cumsum(x: Tensor, options?: { readonly reverse?: boolean }): Tensor;
  unitRows(x: Tensor): Tensor;
}

/** The ops of docs/guide/own-ops.md, as they stand there. */
export function documentedOps(): DocumentedOps {
  const blocks = blocksOf('docs/guide/own-ops.md').filter(
    ({ language, code }) => language === 'js' && /^const \w+Op = /.test(code),
  );
  const code = `${blocks.map(({ code }) => code).join('\n')}
    return { softsign, cumsum, unitRows };`;
  return new Function('apply', 'apply1', code)(ops.apply, ops.apply1) as DocumentedOps;
}

export function wave(n: number, pitch = 0.7): Float32Array {
  return Float32Array.from({ length: n }, (_, i) => Math.sin(i * pitch) * 2);
}

/** Runs a program, fused and with every op in a dispatch of its own, and compares all that it gives with the CPU in doubles. */
export async function expectTruth(
  capabilities: Partial<Capabilities>,
  outputs: Record<string, Tensor>,
  inputs: Record<string, HostArray> = {},
  options: CompileOptions = {},
): Promise<void> {
  const { limits } = (await openTestDevice()).device;
  const most = Math.min(limits.maxStorageBuffersPerShaderStage, capabilities.maxStorageBuffersPerShaderStage ?? 8);
  const executor = await testExecutor({ ...capabilities, maxStorageBuffersPerShaderStage: most });
  const feed = (leaf: Node) => (leaf.source?.kind === 'input' ? inputs[leaf.source.name] : undefined);
  const wanted = interpret(Object.values(outputs), feed, 'float64');
  for (const fuse of [true, false]) {
    const program = await executor.compile({ outputs }, { fuse, ...options });
    const got = await program.run(inputs);
    program.dispose();
    for (const [k, key] of Object.keys(outputs).entries())
      expectClose(`${key} ${fuse ? 'fused' : 'unfused'}`, got[key]!, wanted[k]!);
  }
  expect(Object.keys(outputs)).not.toHaveLength(0);
}

/** An op of tests: shapes as stated, values by `cpu`. */
export function testOp(op: Partial<Op<void>> & Pick<Op<void>, 'name' | 'shape' | 'cpu'>): Op<void> {
  return op;
}
