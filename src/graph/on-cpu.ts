// Calls an op's own loops on the CPU, and checks that they write their result.
import { OptionError } from './errors.ts';
import type { NdArray } from './op.ts';
import { show } from './options.ts';
import type { Node } from './tensor.ts';

/** Runs an op's `cpu` on arrays. @throws OptionError if it returns its result instead of writing it. */
export function onCpu({ op, params }: Node, inputs: readonly NdArray[], outs: readonly NdArray[]): void {
  const returned: unknown = op!.cpu(inputs, outs, params);
  if (returned !== undefined)
    throw new OptionError(
      `${op!.name}: its cpu returned ${show(returned)}. Write the result into outs: outs[0].data[i] = …, and return nothing.`,
    );
}
