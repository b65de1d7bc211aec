// `thalweg eval`: the accuracy of weights on a test set, and their confusion matrix.
import { rescaled } from '../data/dataset.ts';
import type { Call } from './context.ts';
import { checkFits, loadTest } from './data.ts';
import { deviceFields, deviceLine, withBackend } from './device.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { netFor, openModelFile, trainerOf, wantedFor } from './model-file.ts';
import { formatMetric } from './progress.ts';
import { confusionText, formatInteger } from './table.ts';

export async function evaluate({ settings, flags, output, signal }: Call): Promise<ExitCode> {
  const model = await openModelFile(String(flags['target']), { settings, output });
  const { file, step = 0 } = model;
  return withBackend({ settings, output }, async (backend) => {
    output.log(deviceLine(backend));
    const data = await loadTest(wantedFor(model, settings, { kind: 'auto' }), { output, signal });
    const net = netFor(model, data);
    checkFits(data, net);
    const trainer = await trainerOf(backend, net, { model });
    try {
      const test = rescaled(data, trainer.scale);
      const { loss, accuracy = 0, size, confusion = [] } = await trainer.evaluate(test, { confusion: true });
      const { classNames } = data;
      output.result(
        `${net.name} from ${file}${step > 0 ? `, step ${formatInteger(step)}` : ''}: accuracy ${(100 * accuracy).toFixed(2)}%, loss ${formatMetric(loss)}, on ${formatInteger(size)} test examples of ${data.name}\n\n${confusionText(confusion, classNames)}`,
      );
      const which = net.module ? { model: net.module.path } : { preset: net.name };
      const result = { ...which, file, data: data.name, accuracy, loss, examples: size, confusion, classNames };
      output.event('eval', step, { ...deviceFields(backend), ...result });
      const target = settings.targetAccuracy;
      if (target === undefined || accuracy >= target) return EXIT.done;
      output.warn(`the accuracy is below the --target-accuracy of ${100 * target}%.`);
      return EXIT.missedTarget;
    } finally {
      trainer.dispose();
    }
  });
}
