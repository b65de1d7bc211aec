// Each public name has a doc comment, so that editors and readers of the declarations see what it is: every export, and every member of
// an exported class, interface or object type. A member may inherit its comment from the interface that its class implements.
import ts from 'typescript';
import { expect, test } from 'vitest';
import { publicSurface } from './public-surface.ts';

const { checker, exportsOf, targetOf } = publicSurface();

/** A table of types, whose members say nothing beyond them. */
const TABLES = new Set(['StoredArrays']);

/** Constants that tell the members of a union or errors apart (`type: 'step'`, `name: 'DataError'`), which their types state. */
const isTag = (member: ts.Symbol) => checker.getTypeOfSymbol(member).isStringLiteral();

/** A comment, or a tag such as `@throws`. */
const isDocumented = (symbol: ts.Symbol) =>
  symbol.getDocumentationComment(checker).length > 0 || symbol.getJsDocTags(checker).length > 0;

/** The public members of a class, an interface, or an alias's object type. */
function membersOf({ declarations = [] }: ts.Symbol): ts.Symbol[] {
  return declarations.flatMap(elementsOf).flatMap((element) => {
    const isPrivate = ts.getCombinedModifierFlags(element) & ts.ModifierFlags.Private;
    const isNamed = element.name && (ts.isIdentifier(element.name) || ts.isStringLiteral(element.name));
    return isNamed && !isPrivate ? checker.getSymbolAtLocation(element.name)! : [];
  });
}

function elementsOf(node: ts.Node): readonly (ts.ClassElement | ts.TypeElement)[] {
  if (ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isTypeLiteralNode(node))
    return [...node.members];
  if (ts.isTypeAliasDeclaration(node)) return elementsOf(node.type);
  return ts.isIntersectionTypeNode(node) ? node.types.flatMap(elementsOf) : []; // The comment of a union says its cases.
}

/** The names without a comment, of an export and its members or of what a namespace exports. */
function undocumented(symbol: ts.Symbol, name: string): string[] {
  const target = targetOf(symbol);
  if (target.flags & ts.SymbolFlags.ValueModule)
    return checker.getExportsOfModule(target).flatMap((member) => undocumented(member, `${name}.${member.name}`));
  const members = TABLES.has(target.name) ? [] : membersOf(target).filter((member) => !isTag(member));
  return [
    ...(isDocumented(target) ? [] : [name]),
    ...members.filter((member) => !isDocumented(member)).map((member) => `${name}.${member.name}`),
  ];
}

test('each public name has a doc comment', () => {
  const missing = [...exportsOf].flatMap(([entry, symbols]) =>
    symbols.flatMap((symbol) => undocumented(symbol, symbol.name)).map((name) => `${entry}: ${name}`),
  );
  expect([...new Set(missing)].sort()).toEqual([]);
});
