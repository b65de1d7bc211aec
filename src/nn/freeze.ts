// Freezing layers: their parameters are not trained, as with PyTorch's `requires_grad_(False)`.
import { checkExtra, checkValue, OBJECT } from '../graph/options.ts';
import { FREEZE, objectsOf, variablesOf } from '../graph/paths.ts';
import { isParameter, Variable } from '../graph/tensor.ts';

/**
 * Freezes all parameters of a layer or model, or a single one, `nn.freeze(layer.weight)`: a trainer created afterwards keeps their values, has no moments for them and computes no
 * gradients of them. A batch or instance norm without trained parameters uses its running statistics, and does not move them. To freeze parameters of an existing trainer, use {@link Trainer.freeze}. @throws OptionError if a trainer already
 * holds one of them unfrozen.
 */
export function freeze(layer: object, ...extra: never[]): void {
  setTrainable('freeze', layer, false, extra);
}

/** Makes all parameters of a layer or model, or a single one, trainable again; its other variables, such as running statistics, are never trained. */
export function unfreeze(layer: object, ...extra: never[]): void {
  setTrainable('unfreeze', layer, true, extra);
}

function setTrainable(where: string, layer: object, trainable: boolean, extra: readonly unknown[]): void {
  checkValue(where, 'the layer', layer, OBJECT);
  checkExtra(where, extra);
  const variables = layer instanceof Variable ? [layer] : variablesOf(layer).map(({ variable }) => variable);
  for (const variable of variables) if (isParameter(variable)) variable.trainable = trainable;
  if (layer instanceof Variable) return;
  for (const object of objectsOf(layer).values())
    (object as { [FREEZE]?(frozen: boolean): void })[FREEZE]?.(!trainable);
}
