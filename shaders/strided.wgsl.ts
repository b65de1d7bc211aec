// The place in memory of an element of a strided array, as WGSL text.
import { mergeAxes, type Shape } from '../src/graph/shape.ts';
import { modulo, quotient, u32 } from './wgsl.ts';

/** WGSL for offset + Σ coordinate · stride, the coordinates being those of flat index `i` in `shape`. */
export function stridedIndex(i: string, shape: Shape, strides: readonly number[], offset: number): string {
  const axes = mergeAxes(shape, strides);
  const terms: string[] = offset === 0 ? [] : [u32(offset)];
  let inner = axes.reduce((product, axis) => product * axis.size, 1);
  const total = inner;
  for (const { size, stride } of axes) {
    const outer = inner;
    inner /= size;
    if (stride === 0 || size === 1) continue;
    const coordinate =
      outer === total ? quotient(i, inner, total) : modulo(quotient(i, inner, total), size, total / inner);
    terms.push(stride === 1 ? coordinate : `${coordinate} * ${u32(stride)}`);
  }
  return terms.length === 0 ? '0u' : terms.join(' + ');
}
