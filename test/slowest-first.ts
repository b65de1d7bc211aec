// The order of test files: those that take longest begin first, so that the workers end together. Vitest itself goes by the
// durations of earlier runs, or where there are none, as in a fresh clone, by the length of files, which says little here: the
// shortest of all compiles the most pipelines.
import { basename } from 'node:path';
import { BaseSequencer, type TestSequencerConstructor, type TestSpecification } from 'vitest/node';

/** Sorts files by their places in `names`, the slowest first, and the others after them as Vitest does. */
export function slowestFirst(names: readonly string[]): TestSequencerConstructor {
  const places = new Map(names.map((name, place) => [`${name}.test.ts`, place]));
  const placeOf = ({ moduleId }: TestSpecification) => places.get(basename(moduleId)) ?? names.length;
  return class extends BaseSequencer {
    override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
      return (await super.sort(files)).sort((a, b) => placeOf(a) - placeOf(b));
    }
  };
}
