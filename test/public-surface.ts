// The package's public surface as its declarations state it: the entry points in `dist`, and what each exports.
import { join } from 'node:path';
import ts from 'typescript';
import { ROOT, requireFreshDist } from './dist.ts';

const ENTRIES = { thalweg: 'src/index', 'thalweg/ops': 'src/ops/index', 'thalweg/node': 'src/node/index' };

export interface Surface {
  readonly checker: ts.TypeChecker;
  /** The exports of each entry point: of `thalweg/node` those that it has beside `thalweg`'s. */
  readonly exportsOf: ReadonlyMap<string, readonly ts.Symbol[]>;
  /** The symbol that an export stands for. */
  targetOf(symbol: ts.Symbol): ts.Symbol;
}

/** @throws Error where a source is newer than `dist`. */
export function publicSurface(): Surface {
  requireFreshDist();
  const files = Object.values(ENTRIES).map((file) => join(ROOT, 'dist', `${file}.d.ts`));
  const options = { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, types: [], skipLibCheck: true };
  const program = ts.createProgram(files, options);
  const checker = program.getTypeChecker();
  const targetOf = (symbol: ts.Symbol) =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const exportsOf = new Map<string, readonly ts.Symbol[]>();
  for (const [k, entry] of Object.keys(ENTRIES).entries()) {
    const own = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(files[k]!)!)!);
    const inherited = new Set((entry === 'thalweg/node' ? exportsOf.get('thalweg')! : []).map(targetOf));
    exportsOf.set(
      entry,
      own.filter((symbol) => !inherited.has(targetOf(symbol))),
    );
  }
  return { checker, exportsOf, targetOf };
}
