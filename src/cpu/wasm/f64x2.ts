// WebAssembly's instructions on two doubles, and on their bits, by op.
export const EQUAL = 0x47;
export const LESS = 0x49;
export const GREATER = 0x4a;
export const ABS = 0xec;
export const SQRT = 0xef;
export const ADD = 0xf0;
export const SUB = 0xf1;
export const MUL = 0xf2;
export const DIV = 0xf3;
/** The lower two floats as doubles; two doubles as floats, with zeros above. */
export const PROMOTE = 0x5f;
export const DEMOTE = 0x5e;
