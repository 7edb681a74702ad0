// The programs in the documents. They run as a reader would run them: in a project that has the package.
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { execFile } from '../helpers/children.ts';
import { testDirectory } from '../helpers/directory.ts';
import { blocksOf, pages, root } from './documents.ts';

const directory = testDirectory();

/** The blocks that are programs. A block that imports nothing is a fragment. */
const programs = pages.flatMap((page) =>
	blocksOf(page, 'js')
		.filter((source) => /^import /m.test(source))
		.map((source, n) => ({ page, number: n + 1, source })),
);

/** The packages of others that programs use. */
const others = ['cacheable', 'fastify', 'keyv', 'prom-client', 'undici'];

function inProject(source: string): Promise<{ stdout: string; stderr: string }> {
	const project = mkdtempSync(join(directory, 'project-'));
	mkdirSync(join(project, 'node_modules'));
	symlinkSync(root, join(project, 'node_modules/daxkind'));
	for (const name of others) symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name));
	writeFileSync(join(project, 'app.mjs'), source);
	return execFile(process.execPath, ['app.mjs'], { cwd: project, timeout: 25_000 });
}

/**
 * Pages whose programs need a machine with a boot loader. On other machines they end with an error of daxkind, which
 * says what to do.
 */
const ofMachines = new Set(['docs/memmap.md']);

test.concurrent.each(programs)('program $number of $page runs, and warns of nothing', async ({ page, source }) => {
	const failed = (error: { stderr?: string }) => {
		if (!ofMachines.has(page) || !/ERR_DAXKIND_\w+.*Fix: /.test(error.stderr ?? '')) throw error;
		return { stderr: '' };
	};
	const { stderr } = await inProject(source).catch(failed);
	expect(stderr).toBe('');
});

test('the first program of the README prints what its comments say', async () => {
	const { stdout } = await inProject(programs.find(({ page }) => page === 'README.md')!.source);
	expect(stdout).toMatch(/^(not )?on DAX\nhello, pmem 4096 4096\nundefined\n$/);
});
