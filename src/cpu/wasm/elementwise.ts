// A chain of elementwise ops in one loop over memory, four elements at a time: the ops' own instructions, one after another.
import type { Op, WasmCode, WasmPass } from '../../graph/op.ts';
import { sizeOf } from '../../graph/shape.ts';
import { fillOf, Node, type Tensor } from '../../graph/tensor.ts';
import { at, count, EQUAL, fill, get, i32, LOAD, LOAD_SPLAT, MUL, set, storeLanes, when } from './module.ts';

/** An op's instructions on the values that `codes` put on the stack; undefined where it has none for these inputs. */
export function lanesOf(node: Node, codes: readonly WasmCode[] = [0, 0, 0]): WasmCode | undefined {
  return (node.op as Op | undefined)?.lanes?.(codes, node.inputs, node.params);
}

/** The bytes of a unit: 1024 elements. */
const UNIT = 4096;

/** What an op on an element costs, in operations. */
const ELEMENT = 8;

/** The loop that computes `root` at address `to`. `originOf` gives an input's address, or the node to compute inline. */
export function elementwise(root: Node, originOf: (t: Tensor) => number | Node, to: number): WasmPass {
  const FROM = 0;
  const TO = 1;
  const I = 2;
  const END = 3;
  const size = sizeOf(root.outs[0]!.shape);
  const rest = size % 4;
  const body: WasmCode[] = [];
  let locals = 4;
  let ops = 0;

  const kept = (code: WasmCode) => {
    body.push(code, set(locals));
    return get(locals++);
  };
  const load = (t: Tensor): WasmCode => {
    const value = t.dtype === 'f32' ? fillOf(t) : undefined;
    if (value !== undefined) return fill(value);
    const origin = originOf(t);
    if (origin instanceof Node) return valueAt(origin);
    return kept(t.size < size ? [i32(0), at(LOAD_SPLAT, origin)] : [get(I), at(LOAD, origin)]);
  };
  const valueAt = (node: Node): WasmCode => {
    ops++;
    return kept(lanesOf(node, node.inputs.map(load))!);
  };

  const value = valueAt(root);
  const store = (lanes: number) => [body, storeLanes(lanes, get(I), to, value)];
  const units = Math.ceil((size * 4) / UNIT);
  const whole = i32((size - rest) * 4);
  const isLast = [get(TO), i32(units), EQUAL];
  return {
    units,
    // Memory counts, not arithmetic: an element costs as much as several operations of a product.
    operations: ELEMENT * ops * size,
    i32s: 2,
    v128s: locals - 4,
    body: [
      [get(TO), i32(UNIT), MUL, set(END)],
      when(isLast, [whole, set(END)]),
      count(I, [get(FROM), i32(UNIT), MUL], get(END), 16, store(4)),
      rest > 0 ? when(isLast, store(rest)) : [],
    ],
  };
}
