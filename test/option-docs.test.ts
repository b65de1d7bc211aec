// Defaults are stated twice, in an options table that the code reads and in doc comments that people read: what the comments say is
// compared with the tables, for every table in src/. "Default 0.1." states a value, "Default: the run's steps." what code decides.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../src/', import.meta.url));

/** An option of a table. */
interface Row {
  readonly option: string;
  /** Its default as code; undefined if it has none. */
  readonly code: string | undefined;
  /** The default, if it is a number, a string or a boolean. */
  readonly value: unknown;
  /** The doc comment of the option, and those of the functions and classes that use the table. */
  readonly doc: string;
  readonly users: string;
}

interface Table {
  readonly name: string;
  readonly rows: readonly Row[];
}

type Checker = ts.TypeChecker;
type Users = ReadonlyMap<ts.Declaration | undefined, ReadonlySet<User>>;

const isSchema = (node: ts.Node): node is ts.SatisfiesExpression =>
  ts.isSatisfiesExpression(node) &&
  ts.isTypeReferenceNode(node.type) &&
  node.type.typeName.getText() === 'Schema' &&
  node.type.typeArguments?.length === 1;

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

function docOf(symbol: ts.Symbol | undefined, checker: Checker): string {
  return ts.displayPartsToString(symbol?.getDocumentationComment(checker)).replaceAll(/\s+/g, ' ');
}

/** The value of a literal, a sum or product of them, or a constant of those; undefined for any other. */
function literalOf(node: ts.Expression | undefined, checker: Checker): unknown {
  if (!node) return undefined;
  if (ts.isStringLiteral(node)) return node.text;
  if (ts.isNumericLiteral(node)) return Number(node.text);
  if (node.kind === ts.SyntaxKind.TrueKeyword) return true;
  if (node.kind === ts.SyntaxKind.FalseKeyword) return false;
  if (node.getText() === 'Infinity') return Number.POSITIVE_INFINITY;
  if (ts.isPrefixUnaryExpression(node)) return -(literalOf(node.operand, checker) as number);
  if (ts.isBinaryExpression(node)) {
    const [a, b] = [literalOf(node.left, checker), literalOf(node.right, checker)] as [number, number];
    const operator = node.operatorToken.getText();
    return operator === '*' ? a * b : operator === '/' ? a / b : operator === '**' ? a ** b : undefined;
  }
  if (!ts.isIdentifier(node)) return undefined;
  const declaration = declarationOf(node, checker);
  return declaration && ts.isVariableDeclaration(declaration) ? literalOf(declaration.initializer, checker) : undefined;
}

function declarationOf(node: ts.Identifier, checker: Checker): ts.Declaration | undefined {
  const symbol = checker.getSymbolAtLocation(node);
  const target = symbol && symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  return target?.valueDeclaration;
}

type User = ts.FunctionDeclaration | ts.ClassDeclaration | ts.MethodDeclaration;

/** The functions, methods and classes around a node. */
function around(node: ts.Node): User[] {
  const found: User[] = [];
  for (let at: ts.Node | undefined = node.parent; at; at = at.parent)
    if (ts.isFunctionDeclaration(at) || ts.isClassDeclaration(at) || ts.isMethodDeclaration(at)) found.push(at);
  return found;
}

/** The docs of what uses a declaration; of a user without any, those of its users. */
function docsOfUsers(of: ts.Declaration | undefined, users: Users, checker: Checker, seen = new Set([of])): string {
  const docs = [...(users.get(of) ?? [])].map((user): string => {
    const symbol = user.name && checker.getSymbolAtLocation(user.name);
    const [doc, declaration] = [docOf(symbol, checker), symbol?.valueDeclaration];
    if (doc !== '' || seen.has(declaration)) return doc;
    seen.add(declaration);
    return docsOfUsers(declaration, users, checker, seen);
  });
  return docs.join(' ');
}

function readTables(): { readonly tables: readonly Table[]; readonly stray: readonly string[] } {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const program = ts.createProgram(
    files.map((file) => join(SRC, file)),
    {
      module: ts.ModuleKind.NodeNext,
      target: ts.ScriptTarget.ES2022,
      strict: true,
      noEmit: true,
      allowImportingTsExtensions: true,
      types: ['node', '@webgpu/types'],
      skipLibCheck: true,
    },
  );
  const checker = program.getTypeChecker();
  const sources = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(SRC.replaceAll('\\', '/')));
  const users = new Map<ts.Declaration, Set<User>>();
  const schemas: ts.SatisfiesExpression[] = [];
  const stray: string[] = [];
  for (const source of sources) {
    walk(source, (node) => {
      if (isSchema(node)) schemas.push(node);
      const declaration =
        ts.isIdentifier(node) && !ts.isTypeQueryNode(node.parent) ? declarationOf(node, checker) : undefined;
      if (declaration) users.set(declaration, new Set([...(users.get(declaration) ?? []), ...around(node)]));
      if (ts.isCallExpression(node)) stray.push(...strayTables(node, checker));
    });
  }
  return { tables: schemas.map((schema) => tableOf(schema, users, checker)), stray };
}

/** Tables of a call that no options type stands beside: constants of a file, and defaults written into the call. */
function strayTables(call: ts.CallExpression, checker: Checker): string[] {
  if (!['checkOptions', 'optionsOf'].includes(call.expression.getText())) return [];
  const constants = call.arguments.filter(ts.isIdentifier).filter((name) => {
    const declaration = declarationOf(name, checker);
    const ofFile =
      declaration && ts.isVariableDeclaration(declaration) && ts.isSourceFile(declaration.parent.parent.parent);
    return ofFile && ts.isObjectLiteralExpression(declaration.initializer!);
  });
  const defaults = call.arguments
    .filter(ts.isObjectLiteralExpression)
    .flatMap(({ properties }) => [...properties])
    .filter((property) => ts.isPropertyAssignment(property) && ts.isArrayLiteralExpression(property.initializer));
  return [...constants, ...defaults].map((node) => `${call.getSourceFile().fileName}: ${node.getText()}`);
}

function tableOf(schema: ts.SatisfiesExpression, users: Users, checker: Checker): Table {
  const type = checker.getTypeFromTypeNode((schema.type as ts.TypeReferenceNode).typeArguments![0]!);
  const entries = checker.getTypeAtLocation(schema.expression);
  const rows = checker.getPropertiesOfType(type).map((option): Row => {
    const declaration = entries.getProperty(option.name)?.valueDeclaration;
    const entry = declaration && ts.isPropertyAssignment(declaration) ? declaration.initializer : undefined;
    const code = entry && ts.isArrayLiteralExpression(entry) ? entry.elements[1] : undefined;
    return {
      option: option.name,
      code: code?.getText(),
      value: literalOf(code, checker),
      doc: docOf(option, checker),
      users: docsOfUsers(schema.parent as ts.VariableDeclaration, users, checker),
    };
  });
  return { name: checker.typeToString(type), rows };
}

/** A value as docs write it: `relu`, 'relu', 60,000, 1e-5, 1/3, 128 MiB, true. */
function read(text: string): unknown {
  const bare = text.replace(/^([`'])(.*)\1$/, '$2');
  if (bare === 'true' || bare === 'false') return bare === 'true';
  const [, amount, part, unit] = /^(-?[\d,.]+(?:e-?\d+)?|-?Infinity)(?:\/(\d+))?( MiB)?$/.exec(bare) ?? [];
  if (amount === undefined) return bare;
  return (Number(amount.replaceAll(',', '')) / Number(part ?? 1)) * (unit ? 2 ** 20 : 1);
}

const VALUE = /(`[^`]+`|'[^']+'|-?Infinity|true|false|-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?:\/\d+)?(?: MiB)?)/.source;

/** The values that an option's comment states. */
const statedIn = (doc: string): unknown[] =>
  [...doc.matchAll(new RegExp(`\\b[Dd]efault ${VALUE}`, 'g'))].map((match) => read(match[1]!));

/** The values that a function's comment states for an option: "Default axis -1", "Default lr 1e-3, weightDecay 0.01". */
const statedFor = (option: string, doc: string): unknown[] =>
  [...doc.matchAll(new RegExp(`\\bDefault (?:\\w+ ${VALUE}, )*${option} ${VALUE}`, 'g'))].map((match) =>
    read(match[2]!),
  );

const { tables, stray } = readTables();
const cases = tables.flatMap(({ name, rows }) => rows.map((row) => [`${name}.${row.option}`, row] as const));

describe('a default in a table is the one in the doc comments', () => {
  const literal = cases.filter(([, { value }]) => value !== undefined);

  it.each(literal)('%s', (name, { option, value, doc, users }) => {
    const [own, byUsers] = [statedIn(doc), statedFor(option, users)];
    expect([...own, ...byUsers], `${doc} ${users}`).toContain(value);
    // Tables of one type may differ: "`adam`: …, default 0. `adamW`: …, default 0.01."
    const defaults = literal.filter(([other]) => other === name).map(([, row]) => row.value);
    expect(defaults).toEqual(expect.arrayContaining(own));
    expect([value]).toEqual(expect.arrayContaining(byUsers));
  });

  it('finds the tables', () => {
    expect(tables.length).toBeGreaterThan(60);
    expect(literal.length).toBeGreaterThan(110);
  });
});

describe('an option without a value in its table has none in its doc comment', () => {
  it.each(cases.filter(([, { value }]) => value === undefined))('%s', (_, { code, doc }) => {
    if (code === undefined) expect(doc).not.toMatch(/\bDefault /);
    else expect(doc).toMatch(/\bDefault: /);
  });
});

it('a table with defaults stands beside its type, not in a call', () => expect(stray).toEqual([]));
