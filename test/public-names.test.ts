// The package's surface as its declarations say it: each name of each entry point, and each type that they mention without exporting
// it, stands in public-names.txt. A change of the surface is a change of that file.
import { join } from 'node:path';
import ts from 'typescript';
import { beforeAll, expect, test } from 'vitest';
import { ROOT } from './dist.ts';
import { publicSurface, type Surface } from './public-surface.ts';

const OURS = join(ROOT, 'dist').replaceAll('\\', '/');

let checker: Surface['checker'];
let exportsOf: Surface['exportsOf'];
let targetOf: Surface['targetOf'];

beforeAll(() => {
  ({ checker, exportsOf, targetOf } = publicSurface());
}, 60_000);

/** Whether it is exported as a type alone, as a class may be. */
function isTypeOnly({ declarations = [] }: ts.Symbol): boolean {
  return declarations.some((declaration) => ts.isTypeOnlyExportDeclaration(declaration));
}

/** A name, and of a namespace what is in it. */
function named(symbol: ts.Symbol, depth = ''): string[] {
  const target = targetOf(symbol);
  const isNamespace = (target.flags & ts.SymbolFlags.ValueModule) !== 0;
  const isType = !isNamespace && ((target.flags & ts.SymbolFlags.Value) === 0 || isTypeOnly(symbol));
  const members = isNamespace ? sorted(checker.getExportsOfModule(target)) : [];
  return [
    `${depth}${isType ? 'type ' : ''}${symbol.name}`,
    ...members.flatMap((member) => named(member, `${depth}  `)),
  ];
}

const sorted = (symbols: readonly ts.Symbol[]) => [...symbols].sort((a, b) => (a.name < b.name ? -1 : 1));

/** Every exported symbol, those in namespaces too. */
function reached(symbol: ts.Symbol): ts.Symbol[] {
  const target = targetOf(symbol);
  const isNamespace = (target.flags & ts.SymbolFlags.ValueModule) !== 0;
  return isNamespace ? checker.getExportsOfModule(target).flatMap(reached) : [target];
}

/** Types of ours that exported declarations mention, and no entry point exports, each with the first that mentions it. */
function mentioned(): string[] {
  const known = new Set([...exportsOf.values()].flat().flatMap(reached));
  const found = new Map<string, string>();
  for (const symbol of known) {
    for (const declaration of symbol.declarations ?? []) visit(declaration, symbol.name);
  }
  return [...found].map(([name, by]) => `${name} (${by})`).sort();

  function visit(node: ts.Node, by: string): void {
    if (ts.isIdentifier(node)) note(node, by);
    ts.forEachChild(node, (child) => visit(child, by));
  }
  function note(node: ts.Identifier, by: string): void {
    if (!ts.isTypeReferenceNode(node.parent) && !ts.isExpressionWithTypeArguments(node.parent)) return;
    const symbol = checker.getSymbolAtLocation(node);
    const target = symbol && targetOf(symbol);
    const [declaration] = target?.declarations ?? [];
    if (!target || !declaration || known.has(target) || ts.isTypeParameterDeclaration(declaration)) return;
    if (!declaration.getSourceFile().fileName.startsWith(OURS) || found.has(target.name)) return;
    found.set(target.name, by);
  }
}

test('each entry point exports the names in public-names.txt, and mentions no type beyond them', async () => {
  const sections = [...exportsOf].map(([entry, symbols]) => [entry, ...sorted(symbols).flatMap((s) => named(s, '  '))]);
  const text = [...sections, ['mentioned, and not exported', ...mentioned().map((line) => `  ${line}`)]]
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n');
  await expect(text).toMatchFileSnapshot('public-names.txt');
});
