// The outputs of a task with their targets: if there are several, each has its own loss, labels, classes and scale.
import { kindOfTargets, type Values } from '../data/dataset.ts';
import { isSeveral, partsOf } from '../graph/nested.ts';
import { type Examples, type Labels, labelsOf, type OneTarget } from './batch.ts';
import { type ExampleCounts, exampleCounts } from './loss-weights.ts';
import { outputsOf, type Task } from './task.ts';

/** The targets of a data set by name, each as a data set of its own with its number of classes. */
export function targetsOf(data: Examples): ReadonlyMap<string | undefined, OneTarget> {
  const { y, classes, name = 'data' } = data;
  if (!isSeveral(y)) return new Map([[undefined, data as OneTarget]]);
  const counts = classes as Readonly<Record<string, number | undefined>> | undefined;
  return new Map(
    partsOf<Values>(y).map(([part, values]) => [
      part,
      { ...data, name: `${name} ${part}`, y: values, classes: counts?.[part!] },
    ]),
  );
}

/** The only target of one class index per example; undefined if there is none, or several. */
export function onlyLabels(data: Examples): Values | undefined {
  const labelled = [...targetsOf(data).values()].filter(({ y }) => kindOfTargets(y) === 'classes');
  const [one] = labelled;
  return labelled.length === 1 && one!.y.shape.length === 1 ? one!.y : undefined;
}

export type AllLabels = ReadonlyMap<string | undefined, Labels | undefined>;

/** The number of classes of each output's labels, by name. @throws as {@link labelsOf}. */
export function allLabels(task: Pick<Task, 'loss' | 'heads'>, data: Examples, { exact = false } = {}): AllLabels {
  const targets = targetsOf(data);
  const labels = outputsOf(task).map(({ name, loss }) => {
    const target = targets.get(name);
    return [name, target && labelsOf(target, { exact, ignoreIndex: loss.ignoreIndex })] as const;
  });
  return new Map(labels);
}

/** The examples' weights in each output's loss and accuracy, by output. */
export function allCounts(
  task: Pick<Task, 'loss' | 'heads'>,
  data: Examples,
): ReadonlyMap<string | undefined, ExampleCounts> {
  const targets = targetsOf(data);
  const counts = outputsOf(task).map(({ name, loss }) => {
    const target = targets.get(name);
    return [name, target ? exampleCounts(loss, target) : {}] as const;
  });
  return new Map(counts);
}
