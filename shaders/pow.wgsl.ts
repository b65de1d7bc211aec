// x to the power of y for all f32, as the C library defines it. The built-in pow is left only positive finite x and finite y.
import type { Declaration } from '../src/graph/kernel.ts';
import { NAN_OF } from './special.wgsl.ts';

export const POW_OF: Declaration = {
  name: 'powOf',
  uses: [NAN_OF],
  text: (name, nanOf) => `fn ${name}(x: f32, y: f32) -> f32 {
  let size = bitcast<u32>(x) & 0x7fffffffu;
  let power = bitcast<u32>(y) & 0x7fffffffu;
  let negative = (bitcast<u32>(x) >> 31u) == 1u;
  let inverse = (bitcast<u32>(y) >> 31u) == 1u;
  let limit = size == 0u || size == 0x7f800000u;
  // From 2^23 on every f32 is whole, from 2^24 on even.
  let whole = power >= 0x4b000000u || trunc(y) == y;
  let odd = power < 0x4b800000u && whole && (u32(abs(y)) & 1u) == 1u;
  let ofLimit = bitcast<f32>(select(size, size ^ 0x7f800000u, inverse));
  let toLimit = bitcast<f32>(select(0u, 0x7f800000u, (size > 0x3f800000u) != inverse));
  let finite = select(pow(bitcast<f32>(size), y), ofLimit, limit);
  let positive = select(finite, toLimit, power == 0x7f800000u);
  let signed = select(positive, -positive, negative && odd);
  let none = size > 0x7f800000u || power > 0x7f800000u || (negative && !whole && !limit);
  let one = power == 0u || (size == 0x3f800000u && (!negative || power == 0x7f800000u));
  // At the largest floats the built-in overflows to the power of 1.
  let same = bitcast<u32>(y) == 0x3f800000u;
  return select(select(select(signed, ${nanOf}(x), none), x, same), 1.0, one);
}`,
};
