// Programs that follow the imports of a program and take along what they find: a tracer of files, and a bundler that
// was told to leave daxkind out. (test/syscalls/loading.test.ts tests a bundler that was not told.)
import { copyFileSync, lstatSync, mkdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nodeFileTrace } from '@vercel/nft';
import { beforeAll, expect, test, vi } from 'vitest';
import { pack, projectsDirectory, projectWith, root, said } from '../helpers/packed.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 900_000 });

const directory = projectsDirectory();
const program = `
	import { PmemKind } from 'daxkind';
	const kind = PmemKind.create('/dev/shm', { maxSize: 2 ** 24 });
	console.log(kind.malloc(3).length);
`;
let project: string;

beforeAll(async () => {
	project = await projectWith(await pack(directory), directory, program);
});

test('@vercel/nft finds the binaries: what it lists runs elsewhere', async () => {
	const { fileList } = await nodeFileTrace([join(project, 'app.mjs')], { base: '/' });
	const name = `node_modules/daxkind/prebuilds/linux-${process.arch}/daxkind.glibc.node`;
	expect([...fileList]).toContain(join(project, name).slice(1));
	const elsewhere = join(directory, 'traced');
	for (const file of fileList) {
		mkdirSync(dirname(join(elsewhere, file)), { recursive: true });
		// Node 22's cpSync takes a link to a directory for the directory.
		if (lstatSync(join('/', file)).isSymbolicLink()) symlinkSync(readlinkSync(join('/', file)), join(elsewhere, file));
		else copyFileSync(join('/', file), join(elsewhere, file));
	}
	expect(await said(elsewhere, [process.execPath, join(elsewhere, project, 'app.mjs')])).toBe('3\n');
});

test('esbuild, told that daxkind is external, makes a program that finds it', async () => {
	const bundle = join(project, 'bundle.mjs');
	const options = { entryPoints: [join(project, 'app.mjs')], outfile: bundle, external: ['daxkind'] };
	// esbuild is installed because vite needs it.
	const script = `import { build } from 'esbuild';
		await build({ ...${JSON.stringify(options)}, bundle: true, format: 'esm', platform: 'node', logLevel: 'error' });`;
	await said(root, [process.execPath, '--input-type=module', '-e', script]);
	expect(await said(project, [process.execPath, bundle])).toBe('3\n');
});
