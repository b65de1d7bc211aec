// The error function in doubles, by W. J. Cody's rational approximations (Math. Comp. 23, 1969): accurate to the last few bits, as finite
// differences of gelu need.

const A = [3.1611237438705655, 113.86415415105016, 377.485237685302, 3209.3775891384694, 0.18577770618460315];
const B = [23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171];
const C = [
  0.5641884969886701, 8.883149794388377, 66.11919063714163, 298.6351381974001, 881.952221241769, 1712.0476126340707,
  2051.0783778260716, 1230.3393547979972, 2.1531153547440383e-8,
];
const D = [
  15.744926110709835, 117.6939508913125, 537.1811018620099, 1621.3895745666903, 3290.7992357334597, 4362.619090143247,
  3439.3676741437216, 1230.3393548037495,
];
const P = [
  0.30532663496123236, 0.36034489994980445, 0.12578172611122926, 0.016083785148742275, 0.0006587491615298378,
  0.016315387137302097,
];
const Q = [2.568520192289822, 1.8729528499234673, 0.5279051029514285, 0.06051834131244132, 0.0023352049762686918];

/** erf(x) in doubles. */
export function erfOf(x: number): number {
  const a = Math.abs(x);
  if (a <= 0.46875) return x * quotient(A, B, x * x);
  if (a > 6) return Math.sign(x);
  const complement = a <= 4 ? Math.exp(-a * a) * quotient(C, D, a) : tail(a);
  return x < 0 ? complement - 1 : 1 - complement;
}

/** Cody's form: the last numerator coefficient leads, and the denominator's leading one is 1. */
function quotient(numerator: readonly number[], denominator: readonly number[], z: number): number {
  const n = denominator.length;
  let top = numerator[n]! * z;
  let bottom = z;
  for (let k = 0; k < n - 1; k++) {
    top = (top + numerator[k]!) * z;
    bottom = (bottom + denominator[k]!) * z;
  }
  return (top + numerator[n - 1]!) / (bottom + denominator[n - 1]!);
}

/** erfc(a) for a > 4. */
function tail(a: number): number {
  const z = 1 / (a * a);
  return (Math.exp(-a * a) / a) * (1 / Math.sqrt(Math.PI) - z * quotient(P, Q, z));
}
