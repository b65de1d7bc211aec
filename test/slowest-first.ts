// The order of test files: those that take longest begin first, so that the workers end together. Vitest itself goes by the
// durations of earlier runs, or where there are none, as in a fresh clone, by the length of files, which says little here: the
// shortest of all compiles the most pipelines.
import { BaseSequencer, type TestSequencerConstructor, type TestSpecification } from 'vitest/node';

/** Sorts files by their places in `names`, paths below `test/`, the slowest first, and the others after them as Vitest does. */
export function slowestFirst(names: readonly string[]): TestSequencerConstructor {
  const placeOf = ({ moduleId }: TestSpecification) => {
    const place = names.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
    return place < 0 ? names.length : place;
  };
  return class extends BaseSequencer {
    override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
      return (await super.sort(files)).sort((a, b) => placeOf(a) - placeOf(b));
    }
  };
}
