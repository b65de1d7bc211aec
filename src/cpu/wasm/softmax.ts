// Softmax and cross-entropy over rows in WebAssembly.
import type { WasmCode, WasmPass, WasmScope } from '../../graph/op.ts';
import { double, loadBoth, storeRounded } from './doubles.ts';
import { exponential, logarithm } from './exp.ts';
import * as F32X4 from './f32x4.ts';
import * as F64X2 from './f64x2.ts';
import {
  ADD,
  AND,
  at,
  fill,
  get,
  i32,
  LESS_UNSIGNED,
  LOAD,
  LOAD_SPLAT,
  loadI32,
  MUL,
  STORE,
  STORE_LANE,
  set,
  simd,
  storeLanes,
  THREAD,
  unless,
  when,
} from './module.ts';
import {
  addPair,
  alongRow,
  begin,
  E,
  end,
  HIGH,
  K,
  LOW,
  largest,
  M,
  pair,
  pairs,
  Q,
  ROW,
  type Rows,
  rowAt,
  rowsPass,
  S,
  storePairs,
  T,
  U,
  V,
  X,
  Y,
  Z,
} from './rows.ts';

/** What an element with an exponential costs, and one without, in operations. */
const EXPONENTIAL = 64;
const ELEMENT = 12;

const [PLUS, MINUS, PRODUCT, QUOTIENT] = [simd(F64X2.ADD), simd(F64X2.SUB), simd(F64X2.MUL), simd(F64X2.DIV)];

/** S = Σ exp(x - M) of the row at address x; the exponentials are kept as doubles at E, if `kept` says where. */
function sumExp(x: number, C: number, kept?: number): WasmCode {
  const terms = (lanes: number) =>
    pairs(lanes, (p) => [
      [pair(X, p), get(M), MINUS, set(V), exponential(V, [K, U, Q])],
      kept === undefined ? [] : [get(E), get(V), at(STORE, p * 16)],
      addPair(S, p, lanes, get(V)),
    ]);
  const pointers =
    kept === undefined
      ? [[X, 16] as const]
      : ([
          [X, 16],
          [E, 32],
        ] as const);
  return [rowAt(X, x, C), toKept(kept), begin(S), alongRow(C, pointers, terms), end(S)];
}

const toKept = (kept: number | undefined): WasmCode => (kept === undefined ? [] : [THREAD, i32(kept), ADD, set(E)]);

/** The doubles of a row. */
const keptOf = (scope: WasmScope, C: number) => scope.scratch(Math.ceil(C / 4) * 32);

/** The exponential of pair p over S. */
const share = (p: number): WasmCode => [get(E), at(LOAD, p * 16), get(S), QUOTIENT];
const LOG_S = logarithm(S, [K, LOW, HIGH]);

export function softmaxPass(rows: Rows, scope: WasmScope, x: number, y: number): WasmPass {
  const { C } = rows;
  const kept = keptOf(scope, C);
  return rowsPass(rows, EXPONENTIAL, [
    [largest(x, C), sumExp(x, C, kept), rowAt(Y, y, C), toKept(kept)],
    alongRow(
      C,
      [
        [Y, 16],
        [E, 32],
      ],
      (lanes) => storePairs(lanes, Y, share),
    ),
  ]);
}

export function logSoftmaxPass(rows: Rows, x: number, y: number): WasmPass {
  const { C } = rows;
  return rowsPass(rows, EXPONENTIAL, [
    [largest(x, C), sumExp(x, C), LOG_S, rowAt(X, x, C), rowAt(Y, y, C)],
    alongRow(
      C,
      [
        [X, 16],
        [Y, 16],
      ],
      (lanes) => storePairs(lanes, Y, (p) => [pair(X, p), get(M), MINUS, get(S), MINUS]),
    ),
  ]);
}

/** M + log S, or M where it is infinite. */
export function logSumExpPass(rows: Rows, x: number, y: number): WasmPass {
  const isInfinite = [get(M), simd(F64X2.ABS), double(Infinity), simd(F64X2.EQUAL)];
  return rowsPass(rows, EXPONENTIAL, [
    [largest(x, rows.C), sumExp(x, rows.C), LOG_S],
    storeRounded([get(ROW), i32(4), MUL], y, [get(M), get(M), get(S), PLUS, isInfinite, simd(F32X4.SELECT)]),
  ]);
}

/** dx = y (dy - Σ dy·y). */
export function softmaxGradPass(rows: Rows, dy: number, y: number, dx: number): WasmPass {
  const { C } = rows;
  const starts = [rowAt(X, dy, C), rowAt(Y, y, C)];
  return rowsPass(rows, ELEMENT, [
    [starts, begin(S)],
    alongRow(
      C,
      [
        [X, 16],
        [Y, 16],
      ],
      (lanes) => pairs(lanes, (p) => addPair(S, p, lanes, [pair(X, p), pair(Y, p), PRODUCT])),
    ),
    [end(S), starts, rowAt(Z, dx, C)],
    alongRow(
      C,
      [
        [X, 16],
        [Y, 16],
        [Z, 16],
      ],
      (lanes) => storePairs(lanes, Z, (p) => [pair(Y, p), pair(X, p), get(S), MINUS, PRODUCT]),
    ),
  ]);
}

/** dx = dy - exp(y) Σ dy. */
export function logSoftmaxGradPass(rows: Rows, dy: number, y: number, dx: number): WasmPass {
  const { C } = rows;
  return rowsPass(rows, EXPONENTIAL, [
    [rowAt(X, dy, C), begin(S)],
    alongRow(C, [[X, 16]], (lanes) => pairs(lanes, (p) => addPair(S, p, lanes, pair(X, p)))),
    [end(S), rowAt(X, dy, C), rowAt(Y, y, C), rowAt(Z, dx, C)],
    alongRow(
      C,
      [
        [X, 16],
        [Y, 16],
        [Z, 16],
      ],
      (lanes) =>
        storePairs(lanes, Z, (p) => [
          [pair(Y, p), set(V), exponential(V, [K, U, Q])],
          [pair(X, p), get(V), get(S), PRODUCT, MINUS],
        ]),
    ),
  ]);
}

/** The places of a cross-entropy's arrays. */
interface CrossEntropy {
  readonly logits: number;
  readonly targets: number;
  readonly loss: number;
  readonly residual?: number | undefined;
}

/** Targets are class numbers: the loss log S - (x[label] - M), and softmax less 1 at the label; NaN if there is no such class. */
export function indexCrossEntropyPass(
  rows: Rows,
  scope: WasmScope,
  { logits, targets, loss, residual }: CrossEntropy,
): WasmPass {
  const { C } = rows;
  const place = [get(ROW), i32(4), MUL];
  const label = [place, loadI32(targets)];
  const atLabel = (address: number) => [rowAt(X, address, C), get(X), label, i32(4), MUL, ADD, set(X)];
  const isDefined = [get(M), get(M), MINUS, double(0), simd(F64X2.EQUAL), simd(ANY_TRUE)];
  const kept = residual === undefined ? undefined : keptOf(scope, C);
  const residuals = (of: (lanes: number) => WasmCode) =>
    residual === undefined
      ? []
      : [
          rowAt(Y, residual, C),
          toKept(kept),
          alongRow(
            C,
            [
              [Y, 16],
              [E, 32],
            ],
            of,
          ),
        ];
  const right = [
    [sumExp(logits, C, kept), residuals((lanes) => storePairs(lanes, Y, share)), LOG_S, atLabel(logits)],
    storeRounded(place, loss, [get(S), loadBoth(get(X), 0), get(M), MINUS, MINUS]),
    residual === undefined
      ? []
      : [atLabel(residual), [get(X), get(X), at(LOAD_SPLAT, 0), fill(1), simd(F32X4.SUB), at(STORE_LANE, 0), 0]],
  ];
  const wrong = [
    storeLanes(1, place, loss, fill(Number.NaN)),
    residuals((lanes) => storeLanes(lanes, get(Y), 0, fill(Number.NaN))),
  ];
  // Z: whether the row has a loss.
  return rowsPass(rows, EXPONENTIAL, [
    [largest(logits, C), label, i32(C), LESS_UNSIGNED, isDefined, AND, set(Z)],
    [when(get(Z), right), unless(get(Z), wrong)],
  ]);
}
const ANY_TRUE = 0x53;

/** Targets t (C) for each row: the loss log S · Σt - Σ t (x - M), and softmax · Σt - t. */
export function denseCrossEntropyPass(
  rows: Rows,
  scope: WasmScope,
  { logits, targets, loss, residual }: CrossEntropy,
): WasmPass {
  const { C } = rows;
  const kept = residual === undefined ? undefined : keptOf(scope, C);
  const sums = (lanes: number) =>
    pairs(lanes, (p) => [
      addPair(T, p, lanes, pair(Z, p)),
      addPair(U, p, lanes, [pair(Z, p), pair(X, p), get(M), MINUS, PRODUCT]),
    ]);
  const residuals = (lanes: number) => storePairs(lanes, Y, (p) => [share(p), get(T), PRODUCT, pair(Z, p), MINUS]);
  return rowsPass(rows, EXPONENTIAL, [
    [largest(logits, C), sumExp(logits, C, kept), begin(T, U), rowAt(X, logits, C), rowAt(Z, targets, C)],
    [
      alongRow(
        C,
        [
          [X, 16],
          [Z, 16],
        ],
        sums,
      ),
      end(T, U),
    ],
    residual === undefined
      ? []
      : [
          [rowAt(Y, residual, C), rowAt(Z, targets, C), toKept(kept)],
          alongRow(
            C,
            [
              [Y, 16],
              [Z, 16],
              [E, 32],
            ],
            residuals,
          ),
        ],
    LOG_S,
    storeRounded([get(ROW), i32(4), MUL], loss, [get(T), get(S), PRODUCT, get(U), MINUS]),
  ]);
}
