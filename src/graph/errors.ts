// The errors that Thalweg throws deliberately. Each message reads `<op, layer, file or option>: <what is wrong, with the values>.
// <what to do>`. Any other error is a bug in Thalweg and says `internal:`.

/** Shapes or dtypes that do not match an op or a layer. Thrown while a graph is traced, before any GPU work. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

/** WGSL that the device rejected; the message shows the numbered lines around the fault. */
export class ShaderError extends Error {
  override readonly name = 'ShaderError';
}

/** No usable device, a lost device, or a device out of memory. */
export class DeviceError extends Error {
  override readonly name = 'DeviceError';
}

/** A data set that is missing, damaged or inconsistent. */
export class DataError extends Error {
  override readonly name = 'DataError';
}

/** A checkpoint or weights file that is damaged or does not belong to this model. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

/** An option or flag whose value cannot be used. */
export class OptionError extends Error {
  override readonly name = 'OptionError';
}

/**
 * Training stopped because a value was not finite or the loss diverged. The weights are those before the bad step, or for a diverged loss
 * those after the last step; with `restoreBest`, those of the best epoch.
 */
export class DivergenceError extends Error {
  override readonly name = 'DivergenceError';
  /** The step that failed, counted from 0. */
  readonly step: number;
  constructor(message: string, step: number) {
    super(message);
    this.step = step;
  }
}

/** A program reads a variable without memory. */
export function missingVariable(label: string, variable: object): Error {
  return new OptionError(
    `${label}: it reads ${variable}, which is not in any field of the model. Keep layers in fields that are not #private, and create them once, not in forward. Without a Trainer, allocate memory once, memory = backend.allocate(model), and pass storages: [memory] to every program.`,
  );
}

/** A program used after its end. */
export function disposedProgram(label: string): Error {
  return new DeviceError(`${label}: it was disposed. Compile it again.`);
}

/** A bug in Thalweg. */
export function internal(message: string): Error {
  return new Error(`internal: ${message}. This is a bug in Thalweg; please report it with the code that led here.`);
}
