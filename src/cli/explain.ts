// `thalweg explain`: how the compiler turns a preset's training step into dispatches, pass by pass. A device, if opened, is only queried.
import type { Backend } from '../backend.ts';
import { PASSES, type PassName } from '../compile/pass-names.ts';
import { MNIST_SCALE } from '../data/digits.ts';
import { explainStep } from '../explain/explain-step.ts';
import type { DispatchExplanation, Explanation } from '../explain/explanation.ts';
import { ADAPTER_CLASSES, type AdapterClass } from '../graph/adapter-classes.ts';
import { DeviceError, OptionError } from '../graph/errors.ts';
import { sizeOf } from '../graph/shape.ts';
import type { Examples } from '../train/batch.ts';
import type { Call } from './context.ts';
import { deviceFields, deviceLine, withBackend } from './device.ts';
import { EXIT, type ExitCode } from './exit.ts';
import type { Settings } from './options.ts';
import { parseChoice } from './parsers.ts';
import { optimizerOf, planOf } from './plan.ts';
import type { Sizes } from './trainable.ts';

/** What to show. */
interface Shown {
  readonly pass?: PassName;
  /** The name of a dispatch. */
  readonly kernel?: string;
  readonly wgsl: boolean;
}

export async function explain(call: Call): Promise<ExitCode> {
  const { settings, flags, output } = call;
  const shown = shownBy(flags);
  const as = classOf(flags['as'], settings);
  if (as) return show(call, explained(settings, as), shown, { adapter: ADAPTER_CLASSES[as].name });
  if (settings.device === 'cpu')
    throw new OptionError(
      '--device: cpu has no dispatches to explain. Use --device gpu, or --as gpu without a device.',
    );
  return withBackend(
    call,
    async (backend) => {
      if (backend.kind === 'cpu')
        throw new DeviceError(
          'explain: no GPU was found, and the CPU has no dispatches. Use --as gpu, --as software or --as webgpu-default, which need no device.',
        );
      output.log(deviceLine(backend));
      return show(call, explained(settings, backend), shown, deviceFields(backend));
    },
    'gpu',
  );
}

function shownBy(flags: Call['flags']): Shown {
  const pass = flags['pass'] === undefined ? undefined : parseChoice(flags['pass'], '--pass', PASSES);
  const kernel = flags['kernel'] === undefined ? undefined : String(flags['kernel']);
  const wgsl = flags['wgsl'] === true;
  if (pass !== undefined && (kernel !== undefined || wgsl))
    throw new OptionError(`--pass: contradicts --${wgsl ? 'wgsl' : 'kernel'}. Leave one of them out.`);
  return { wgsl, ...(pass && { pass }), ...(kernel !== undefined && { kernel }) };
}

/** The adapter class of `--as`, which opens no device. */
function classOf(as: unknown, { device, adapter, requireGpu }: Settings): AdapterClass | undefined {
  if (as === undefined) return undefined;
  const found = parseChoice(as, '--as', Object.keys(ADAPTER_CLASSES) as AdapterClass[]);
  const other = device !== undefined ? 'device' : adapter !== undefined ? 'adapter' : requireGpu ? 'require-gpu' : '';
  if (other) throw new OptionError(`--as: opens no device, so it contradicts --${other}. Leave one of them out.`);
  return found;
}

/** MNIST's number of training images: the plan depends on sizes alone. */
const EXAMPLES = 60_000;

/** An empty data set of these sizes. */
function blank({ inputShape, classes }: Sizes): Examples {
  const bytes = EXAMPLES * sizeOf(inputShape);
  return {
    name: 'data',
    size: EXAMPLES,
    x: { shape: [EXAMPLES, ...inputShape], data: new Uint8Array(bytes) },
    y: { shape: [EXAMPLES], data: new Uint8Array(EXAMPLES) },
    classes,
    scale: MNIST_SCALE,
  };
}

function explained(settings: Settings, as: AdapterClass | Backend): Explanation {
  const plan = planOf(settings);
  const { net, optimizer, batchSize } = plan;
  const { inputShape, classes: usual } = net.sizes!; // of a preset
  const classes = typeof settings.classes === 'number' ? settings.classes : usual;
  const fitted = net.fittedTo({ inputShape, classes });
  const { fuse, persistent } = settings;
  return explainStep({
    model: fitted.model(),
    loss: fitted.loss,
    optimizer: optimizerOf(plan),
    data: blank({ inputShape, classes }),
    batchSize,
    as,
    title: `A step of ${net.name}, ${optimizer}, batch ${batchSize}`,
    ...(fuse !== undefined && { fuse }),
    ...(persistent !== undefined && { persistent }),
  });
}

function show({ output }: Call, explanation: Explanation, shown: Shown, device: object): ExitCode {
  const { pass, kernel, wgsl } = shown;
  const { passes, buffers, dispatches, ...summary } = explanation;
  const chosen = kernel === undefined ? dispatches : [dispatchOf(kernel, dispatches)];
  output.result(textOf(explanation, chosen, shown));
  output.event('explain', 0, { ...device, ...summary });
  if (pass) output.event('pass', 0, { name: pass, lines: passes[pass] });
  if (pass) return EXIT.done;
  if (kernel === undefined && !wgsl) for (const buffer of buffers) output.event('buffer', 0, { ...buffer });
  for (const { wgsl: code, ...dispatch } of chosen)
    output.event('dispatch', 0, { ...dispatch, ...((wgsl || kernel !== undefined) && { wgsl: code }) });
  return EXIT.done;
}

function textOf(explanation: Explanation, chosen: readonly DispatchExplanation[], { pass, kernel, wgsl }: Shown) {
  if (pass) return explanation.text(pass);
  if (wgsl) return chosen.map(({ name, label, wgsl: code }) => `// ${name}  ${label}\n${code}`).join('\n\n');
  if (kernel !== undefined) return explanation.dispatchText(chosen[0]!);
  return explanation.text();
}

/** `2`, `d2`, or `s0` for a dispatch that runs once per submit. */
function dispatchOf(name: string, dispatches: readonly DispatchExplanation[]): DispatchExplanation {
  const found = dispatches.find((dispatch) => dispatch.name === name || dispatch.name === `d${name}`);
  if (found) return found;
  const names = dispatches.map((dispatch) => dispatch.name).join(', ');
  throw new OptionError(`--kernel: there is no dispatch ${JSON.stringify(name)}. Use ${names}.`);
}
