// sin and cos of every finite f32. WGSL promises 2^-11 for them and nothing beyond π, so x is reduced here: whole turns are dropped in
// integers (Payne and Hanek 1983), exactly and whatever a compiler does with sums of floats, and what is left is a polynomial.
import type { Declaration } from '../src/graph/kernel.ts';
import { NAN_OF } from './special.wgsl.ts';

/** |x| / 2π without whole turns, in units of 2^-32 turns, from the bits of |x| > π/4; up to 3 units too little. */
const TURNS: Declaration = {
  name: 'turns',
  text: (name) => `fn ${name}(bits: u32) -> u32 {
  // 1 / 2π after the point, 32 bits a word. With |x| = m · 2^(e - 150), the 64 bits from place e - 118 times m are the turns left.
  var words = array<u32, 7>(0u, 0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u, 0x4f10e410u);
  let place = min((bits >> 23u) - 118u, 136u);
  let word = place >> 5u;
  let shift = place & 31u;
  let middle = words[word + 1u];
  let high = (words[word] << shift) | ((middle >> 1u) >> (31u - shift));
  let low = (middle << shift) | ((words[word + 2u] >> 1u) >> (31u - shift));
  let m = (bits & 0x7fffffu) | 0x800000u;
  let carry = (((m >> 12u) * (low >> 16u)) >> 4u) + (((m & 0xfffu) * (low >> 16u)) >> 16u) + (((m >> 8u) * (low & 0xffffu)) >> 24u);
  return m * high + carry;
}`,
};

/** sin(x + quarters · π/2). NaN and infinities give NaN. The first terms that the series leave out are below 3e-8. */
const SINE: Declaration = {
  name: 'sine',
  uses: [TURNS, NAN_OF],
  text: (name, turns, nanOf) => `fn ${name}(x: f32, quarters: u32) -> f32 {
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  let near = bits <= 0x3f490fdbu;
  let forward = ${turns}(bits);
  let turn = select(forward, 0u - forward, x < 0.0);
  let nearest = (turn + 0x20000000u) >> 30u;
  let r = select(f32(bitcast<i32>(turn - (nearest << 30u))) * 1.4629181e-9, x, near);
  let quarter = quarters + select(nearest, 0u, near);
  let r2 = r * r;
  let sine = r * (1.0 + r2 * (-0.16666667 + r2 * (0.0083333333 + r2 * (-0.00019841270 + r2 * 2.7557319e-6))));
  let cosine = 1.0 - r2 * (0.5 - r2 * (0.041666667 - r2 * (0.0013888889 - r2 * 2.4801587e-5)));
  let size = select(sine, cosine, (quarter & 1u) == 1u);
  return select(select(size, -size, (quarter & 2u) == 2u), ${nanOf}(x), bits >= 0x7f800000u);
}`,
};

export const SIN: Declaration = {
  name: 'sinExact',
  uses: [SINE],
  text: (name, sine) => `fn ${name}(x: f32) -> f32 { return ${sine}(x, 0u); }`,
};

export const COS: Declaration = {
  name: 'cosExact',
  uses: [SINE],
  text: (name, sine) => `fn ${name}(x: f32) -> f32 { return ${sine}(x, 1u); }`,
};
