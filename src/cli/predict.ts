// `thalweg predict`: the most probable classes of pictures, which are prepared as those of the run were: size, channels and scale. A file
// that cannot be read does not keep the others from being predicted.
import type { NdArray } from '../graph/op.ts';
import { type Shape, sizeOf } from '../graph/shape.ts';
import type { Trainer } from '../train/trainer.ts';
import type { Call } from './context.ts';
import { deviceLine, withBackend } from './device.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { type ModelFile, netOnItsOwn, openModelFile, trainerOf } from './model-file.ts';
import { parseCount } from './parsers.ts';
import { type FileExamples, isOfFile, type Preparation, pictureOf, readExamples } from './prediction-files.ts';
import { formatMetric } from './progress.ts';
import { percent, plural } from './train-report.ts';

/** The classes shown of each picture. */
const TOP = 5;
/** The most pictures of one prediction. */
const BATCH = 256;

export async function predict(call: Call): Promise<ExitCode> {
  const { settings, flags, output } = call;
  const [path, ...files] = flags['targets'] as readonly string[];
  const top = flags['top'] === undefined ? TOP : parseCount(flags['top'], '--top');
  const model = await openModelFile(path!, call);
  return withBackend(call, async (backend) => {
    output.log(deviceLine(backend));
    const net = netOnItsOwn(model);
    const { inputShape } = net.sizes!;
    const transpose = settings.transpose ?? model.saved?.transpose ?? false;
    const example = net.network ? [net.network.inputs] : inputShape;
    const picture = pictureOf(net.name, model.facts?.inputShape ?? example);
    const areProbabilities = 'probabilities' in net.loss && net.loss.probabilities !== undefined;
    const trainer = await trainerOf(backend, net, { model });
    const way = {
      trainer,
      preparation: { example, picture, transpose },
      nameOf: namesOf(model),
      top,
      areProbabilities,
    };
    try {
      return await new PredictCall(call, way).run(files);
    } finally {
      trainer.dispose();
    }
  });
}

function namesOf({ facts }: ModelFile): (k: number) => string {
  return (k) => facts?.classNames?.[k] ?? `${k}`;
}

/** A picture that is read and waits for its prediction. */
interface Waiting {
  readonly file: string;
  /** Its number in an IDX file. */
  readonly index: number | undefined;
  readonly data: Uint8Array | Float32Array;
}

/** How pictures are predicted and told. */
interface Way {
  readonly trainer: Trainer;
  readonly preparation: Preparation;
  /** The name of a class. */
  readonly nameOf: (k: number) => string;
  readonly top: number;
  /** Whether the loss defines probabilities; else outputs are printed unchanged. */
  readonly areProbabilities: boolean;
}

class PredictCall {
  readonly #call: Call;
  readonly #way: Way;
  #waiting: Waiting[] = [];
  #predicted = 0;
  #unreadable = 0;

  constructor(call: Call, way: Way) {
    this.#call = call;
    this.#way = way;
  }

  async run(files: readonly string[]): Promise<ExitCode> {
    const { output } = this.#call;
    for (const file of files) {
      try {
        await this.#take(await readExamples(file, this.#way.preparation));
      } catch (error) {
        if (!isOfFile(error)) throw error;
        // In the order of the files.
        await this.#flush();
        this.#unreadable++;
        output.warn(error.message);
        output.event('unreadable', 0, { file, message: error.message });
      }
    }
    await this.#flush();
    if (this.#unreadable === 0) return EXIT.done;
    output.error(
      `${plural(this.#unreadable, 'file')} of ${files.length} could not be read; ${plural(this.#predicted, 'picture')} predicted.`,
    );
    return EXIT.failed;
  }

  /** Cuts the examples of a file into pictures, and predicts whenever there are enough of one type. */
  async #take({ file, numbered, shape, data }: FileExamples): Promise<void> {
    const size = sizeOf(this.#way.preparation.example);
    for (let k = 0; k < shape[0]!; k++) {
      const [first] = this.#waiting;
      const sameType = first === undefined || first.data.constructor === data.constructor;
      if (this.#waiting.length === BATCH || !sameType) await this.#flush();
      const own = data.subarray(k * size, (k + 1) * size);
      this.#waiting.push({ file, index: numbered ? k : undefined, data: own });
    }
  }

  async #flush(): Promise<void> {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    const { example } = this.#way.preparation;
    const size = sizeOf(example);
    const numbers = size * waiting.length;
    const x = waiting[0]!.data instanceof Uint8Array ? new Uint8Array(numbers) : new Float32Array(numbers);
    for (const [k, { data }] of waiting.entries()) x.set(data, k * size);
    const values = await this.#outputs([waiting.length, ...example], x);
    const width = values.data.length / waiting.length;
    for (const [k, { file, index }] of waiting.entries())
      this.#tell(file, index, Array.from(values.data.subarray(k * width, (k + 1) * width)));
    this.#predicted += waiting.length;
  }

  #outputs(shape: Shape, data: Uint8Array | Float32Array): Promise<NdArray> {
    const { trainer, areProbabilities } = this.#way;
    return areProbabilities ? trainer.predictProbabilities({ shape, data }) : trainer.predict({ shape, data });
  }

  #tell(file: string, index: number | undefined, values: readonly number[]): void {
    const { output } = this.#call;
    const { nameOf, areProbabilities } = this.#way;
    const order = values.map((_, k) => k).sort((a, b) => values[b]! - values[a]! || a - b);
    const best = order.slice(0, this.#way.top).map((k) => ({ class: k, name: nameOf(k), value: values[k]! }));
    const text = (value: number) => (areProbabilities ? percent(value) : formatMetric(value));
    const shown = best.map(({ name, value }) => `${name} ${text(value)}`).join(', ');
    output.result(`${file}${index === undefined ? '' : `[${index}]`}: ${shown}`);
    const key = areProbabilities ? 'probability' : 'output';
    const top = best.map(({ value, ...which }) => ({ ...which, [key]: value }));
    output.event('prediction', 0, { file, ...(index !== undefined && { index }), top });
  }
}
