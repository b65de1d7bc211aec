// Reverse-mode differentiation: from a graph to the graph of its gradients, written with the same ops.
import { OptionError, ShapeError } from '../graph/errors.ts';
import type { InputGradients, OutputGradients } from '../graph/op.ts';
import { ARRAY, checkExtra, checkValue, FUNCTION, show } from '../graph/options.ts';
import { variablesOf } from '../graph/paths.ts';
import { formatShape, sameShape } from '../graph/shape.ts';
import { constant, type Node, Tensor } from '../graph/tensor.ts';
import { topologicalOrder } from '../graph/walk.ts';
import { add } from '../ops/binary.ts';
import { broadcastTo } from '../ops/broadcast.ts';
import { checkTensors } from '../ops/tensors.ts';

/**
 * The gradients of y with respect to each of `wrt`: Σ dy · ∂y/∂x, of x's shape. Default `dy`: ones. Undefined if y does not depend on x, or
 * if no gradient can flow to it (see {@link whyNoGradient}).
 */
export function grad(y: Tensor, wrt: readonly Tensor[], dy?: Tensor, ...extra: never[]): (Tensor | undefined)[] {
  if (typeof y === 'function') throw new ShapeError('grad: y is a function. Call it: grad(f(x), [x]).');
  checkTensors('grad', { y, ...(dy !== undefined && { dy }) }, extra);
  checkValue('grad', 'what to differentiate by', wrt, ARRAY);
  for (const [k, x] of wrt.entries()) checkTensors('grad', { [`x ${k}`]: x });
  const start = dy ?? broadcastTo(constant(1), y.shape);
  if (!sameShape(start.shape, y.shape)) {
    throw new ShapeError(`grad: dy ${formatShape(start.shape)} must have the shape of y ${formatShape(y.shape)}.`);
  }
  const order = topologicalOrder([y]);
  const wanted = reaching(order, wrt);
  const dys = new Map<Node, (Tensor | undefined)[]>([[y.node, []]]);
  dys.get(y.node)![y.output] = start;
  for (const node of order.reverse()) {
    const outs = dys.get(node);
    if (!outs || !node.op?.vjp || !wanted.has(node)) continue;
    const thunks = gradientsThrough(node, outs);
    for (const [k, input] of node.inputs.entries()) {
      const thunk = thunks[k];
      if (thunk && wanted.has(input.node)) accumulate(dys, input, checkedGradient(node, k, thunk()));
    }
  }
  return wrt.map((x) => dys.get(x.node)?.[x.output]);
}

/** What the op of `node` makes of its outputs' gradients. @throws OptionError where its vjp returns something else than functions. */
function gradientsThrough(node: Node, dys: readonly (Tensor | undefined)[]): InputGradients {
  const ys = node.outs.map((_, output) => new Tensor(node, output));
  const thunks: unknown = node.op!.vjp!(dys as OutputGradients, node.inputs, ys, node.params);
  const wrong = Array.isArray(thunks) ? thunks.find((t) => t !== undefined && typeof t !== 'function') : thunks;
  if (wrong === undefined && thunks !== undefined) return thunks as InputGradients;
  throw new OptionError(
    `${node.name}: its vjp returned ${show(wrong)}. Return an array of functions, one for each input: ([dy], [x]) => [() => dy.mul(2)].`,
  );
}

function checkedGradient({ name, inputs }: Node, k: number, dx: Tensor): Tensor {
  const { shape } = inputs[k]!;
  if (dx instanceof Tensor && sameShape(dx.shape, shape)) return dx;
  const got = dx instanceof Tensor ? formatShape(dx.shape) : show(dx);
  throw new ShapeError(`${name}: its gradient of input ${k} is ${got}. It must be a tensor ${formatShape(shape)}.`);
}

/** The nodes that some of `wrt` flow into, themselves included. */
function reaching(order: readonly Node[], wrt: readonly Tensor[]): Set<Node> {
  const reached = new Set(wrt.map((x) => x.node));
  for (const node of order) if (node.inputs.some((t) => reached.has(t.node))) reached.add(node);
  return reached;
}

function accumulate(dys: Map<Node, (Tensor | undefined)[]>, x: Tensor, dx: Tensor): void {
  const outs = dys.get(x.node) ?? [];
  const sum = outs[x.output];
  outs[x.output] = sum ? add(sum, dx) : dx;
  dys.set(x.node, outs);
}

/**
 * Why y has no gradient with respect to x: the op that blocked it, or that y does not depend on x at all.
 * Undefined where a gradient does flow.
 */
export function whyNoGradient(y: Tensor, x: Tensor, ...extra: never[]): string | undefined {
  checkTensors('whyNoGradient', { y, x }, extra);
  const order = topologicalOrder([y]);
  const reached = reaching(order, [x]);
  if (!reached.has(y.node)) return `${y} does not depend on ${x}`;
  if (grad(y, [x])[0]) return undefined;
  const blockers = order.filter((node) => reached.has(node) && node.op && !flows(node, reached));
  return `no gradient flows through ${[...new Set(blockers.map((node) => node.name))].join(', ') || y.node.name}`;
}

/** Whether some reached input of the node gets a gradient from it. */
function flows(node: Node, reached: Set<Node>): boolean {
  if (!node.op?.vjp) return false;
  const ones = node.outs.map((spec) => broadcastTo(constant(1), spec.shape));
  const thunks = gradientsThrough(node, ones);
  return node.inputs.some((t, k) => reached.has(t.node) && thunks[k] !== undefined);
}

/**
 * The value of a function of a model, and its gradients by the path of each trainable variable:
 * `const { value, gradients } = valueAndGrad(model, (x, y) => loss(model.forward(x), y))(x, y)`.
 * @throws ShapeError if the value is not a single number, or a variable has no gradient (naming what blocked it).
 */
export function valueAndGrad<A extends readonly Tensor[]>(
  model: object,
  fn: (...args: A) => Tensor,
  ...extra: never[]
): (...args: A) => { value: Tensor; gradients: Record<string, Tensor> } {
  variablesOf(model); // refuses what has none
  checkValue('valueAndGrad', 'the function', fn, FUNCTION);
  checkExtra('valueAndGrad', extra);
  return (...args) => {
    const variables = variablesOf(model).filter(({ variable }) => variable.trainable);
    const value = fn(...args);
    checkTensors('valueAndGrad', { value });
    if (value.size !== 1) {
      throw new ShapeError(
        `valueAndGrad: the value is ${formatShape(value.shape)}. It must be one number: take its mean or sum.`,
      );
    }
    const dxs = grad(
      value,
      variables.map(({ variable }) => variable),
    );
    const gradients = variables.map(({ path, variable }, k): [string, Tensor] => {
      const dx = dxs[k];
      if (!dx) throw new ShapeError(`valueAndGrad: ${path} has no gradient: ${whyNoGradient(value, variable)}.`);
      return [path, dx];
    });
    return { value, gradients: Object.fromEntries(gradients) };
  };
}
