// What the compiler made of a program, for people: the one function of it that takes what a backend compiled.
import { CompiledProgram } from '../compile/executor.ts';
import { OptionError } from '../graph/errors.ts';
import type { Program } from '../graph/executor.ts';
import { checkOptions, OBJECT } from '../graph/options.ts';
import { variablesOf } from '../graph/paths.ts';
import { explainRecipe } from './explain-recipe.ts';
import type { Explanation } from './explanation.ts';

/** How {@link explain} names what it finds. */
export interface ExplainOptions {
  /** The model, or any object, whose variables the program reads: they are printed by their paths. */
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
      `explain: ${program?.label ?? 'this'} is not a program of a GPU backend; only those have dispatches. Compile it with createBackend({ device: 'gpu' }), or explain a step with explainStep, which needs no device.`,
    );
  const variables = options.model ? variablesOf(options.model) : [];
  const names = new Map(variables.map(({ path, variable }) => [variable.node, path]));
  return explainRecipe(program.label, program.recipe, program.target, names);
}
