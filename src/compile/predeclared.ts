// WGSL's predeclared function and type names. Redeclaring one would shadow it for every kernel of a module.

/** https://www.w3.org/TR/WGSL/#builtin-functions and #predeclared-types, without what compute shaders with storage cannot use. */
const NAMES = `
  all any select arrayLength bitcast abs acos acosh asin asinh atan atanh atan2 ceil clamp cos cosh countLeadingZeros countOneBits
  countTrailingZeros cross degrees determinant distance dot exp exp2 extractBits faceForward firstLeadingBit firstTrailingBit floor
  fma fract frexp insertBits inverseSqrt ldexp length log log2 max min mix modf normalize pow quantizeToF16 radians reflect refract
  reverseBits round saturate sign sin sinh smoothstep sqrt step storageBarrier tan tanh transpose trunc workgroupBarrier
  workgroupUniformLoad bool f16 f32 i32 u32 array ptr `.replaceAll('\n', ' ');

/** Prefixes of whole families of names. */
const FAMILIES = ['atomic', 'dot4', 'mat', 'pack', 'quad', 'subgroup', 'unpack', 'vec'];

export function isPredeclared(name: string): boolean {
  return NAMES.includes(` ${name} `) || FAMILIES.some((family) => name.startsWith(family));
}
