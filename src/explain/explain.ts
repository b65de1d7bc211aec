// A readable account of how the compiler planned a program that a backend compiled.
import { CompiledProgram } from '../compile/executor.ts';
import { OptionError } from '../graph/errors.ts';
import type { Program } from '../graph/executor.ts';
import { checkOptions, OBJECT } from '../graph/options.ts';
import { variablesOf } from '../graph/paths.ts';
import { explainRecipe } from './explain-recipe.ts';
import type { Explanation } from './explanation.ts';

/** Options of {@link explain}. */
export interface ExplainOptions {
  /** The model, or any object, whose variables the program reads: they are printed with their paths. */
  readonly model?: object | undefined;
}

/**
 * How the compiler planned a program: the result of each pass, and each dispatch with its kernels, accesses, bindings and WGSL. The program
 * is unchanged.
 * @throws OptionError for a program of the CPU backend, which has no dispatches.
 */
export function explain(program: Program, options: ExplainOptions = {}, ...extra: never[]): Explanation {
  checkOptions('explain', options, { model: OBJECT }, extra);
  if (!(program instanceof CompiledProgram))
    throw new OptionError(
      `explain: ${program?.label ?? 'this'} is not a program of a GPU backend, so it has no dispatches. Compile it with createBackend({ device: 'gpu' }), or explain a step with explainStep, which needs no device.`,
    );
  const variables = options.model ? variablesOf(options.model) : [];
  const names = new Map(variables.map(({ path, variable }) => [variable.node, path]));
  return explainRecipe(program.label, program.recipe, program.target, names);
}
