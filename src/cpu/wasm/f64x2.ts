// WebAssembly's instructions on two doubles, and on their bits, by op.
export const SPLAT = 0x14;
export const EQUAL = 0x47;
export const NEG = 0xed;
export const SQRT = 0xef;
export const ADD = 0xf0;
export const SUB = 0xf1;
export const MUL = 0xf2;
export const DIV = 0xf3;
/** NaN where either is. */
export const MINIMUM = 0xf4;
export const MAXIMUM = 0xf5;
/** The lower two floats as doubles; two doubles as floats, with zeros above. */
export const PROMOTE = 0x5f;
export const DEMOTE = 0x5e;
