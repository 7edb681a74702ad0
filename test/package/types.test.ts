// The types as a user's compiler sees them: a strict project in both ways of resolving packages, and the types that the
// entries name.
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const entries = [
	'index',
	'dax/index',
	'device/index',
	'memmap/index',
	'media/index',
	'persist/index',
	'cache/index',
	'keyv/index',
	'undici/index',
	'metrics/index',
].map((name) => `${root}dist/${name}.d.ts`);

const strict: ts.CompilerOptions = {
	target: ts.ScriptTarget.ES2022,
	lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
	types: ['node'],
	strict: true,
	exactOptionalPropertyTypes: true,
	noPropertyAccessFromIndexSignature: true,
	skipLibCheck: false,
	noEmit: true,
};

test.each([
	['nodenext', ts.ModuleKind.NodeNext, ts.ModuleResolutionKind.NodeNext],
	['bundler', ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler],
] as const)(
	'a strict project with lib DOM compiles with %s resolution, and what is wrong in it is refused',
	{ timeout: 600_000 },
	(_, module, moduleResolution) => {
		const consumer = `${root}test/package/consumer/main.ts`;
		const program = ts.createProgram([consumer], { ...strict, module, moduleResolution });
		const said = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
			const line = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
			return `${file?.fileName.slice(root.length)}:${line} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
		});
		expect(said).toEqual([]);
		// The compiler read this package, and not another of its name.
		expect(program.getSourceFiles().map(({ fileName }) => fileName)).toEqual(expect.arrayContaining(entries));
	},
);

/** Whether this package declares it. */
const isOwn = (declaration: ts.Node) => declaration.getSourceFile().fileName.startsWith(`${root}dist/`);

/** The types of this package that the public part of a declaration mentions. */
function mentioned(checker: ts.TypeChecker, declaration: ts.Declaration): Set<ts.Symbol> {
	const found = new Set<ts.Symbol>();
	const visit = (node: ts.Node): void => {
		const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : [];
		if (modifiers.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)) return;
		const name = ts.isTypeReferenceNode(node)
			? node.typeName
			: ts.isExpressionWithTypeArguments(node)
				? node.expression
				: ts.isTypeQueryNode(node)
					? node.exprName
					: undefined;
		let symbol = name && checker.getSymbolAtLocation(name);
		if (symbol && symbol.flags & ts.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol);
		if (symbol && !(symbol.flags & ts.SymbolFlags.TypeParameter) && symbol.declarations?.some(isOwn)) found.add(symbol);
		ts.forEachChild(node, visit);
	};
	visit(declaration);
	return found;
}

/** Types that are not exported, because nobody could use them. Classes and types of this package are made from them. */
const parts = [
	// A list whose members make up a type. Its values stand in the .d.ts.
	'links',
	// The base class of Kind, an object without members.
	'FastPath',
	// This makes branded types.
	'Branded',
	// The names of bits. DaxConstants has them as its properties.
	...['AttributeBits', 'FieldBits', 'FlagBits', 'InodeFlagBits', 'ExtentBits'],
];

test('whatever type a public declaration names, an entry exports: nothing internal is in the .d.ts', {
	timeout: 600_000,
}, () => {
	const module = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext };
	const program = ts.createProgram(entries, { ...strict, ...module });
	const checker = program.getTypeChecker();
	const exported = new Set<ts.Symbol>();
	for (const entry of entries) {
		for (const symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(entry)!)!)) {
			exported.add(symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
		}
	}
	const internal = new Set<string>();
	for (const symbol of exported) {
		for (const declaration of symbol.declarations ?? []) {
			for (const other of mentioned(checker, declaration)) {
				if (!exported.has(other) && !parts.includes(other.name)) internal.add(`${symbol.name} names ${other.name}`);
			}
		}
	}
	expect([...internal].sort()).toEqual([]);
	expect(exported.size).toBeGreaterThan(100);
});
