// Two sorts of projects: `unit` and `unit-…` run on any Linux machine; `vm`, `vm-memory` and `vm-device` run inside the
// guests that `npm test` boots, on real DAX. The tests import what users import, the built code (`daxkind`, `#lib/…`),
// and Node loads it itself. If the runner transformed it, a module with native state could exist twice in one process.
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const built = { server: { deps: { external: [/\/dist\//, /\/build\//] } } };
const kindTests = (...names: string[]) => names.map((name) => `test/kind/${name}.test.ts`);
/**
 * The tests of kinds in general run on every sort of kind (test/helpers/kinds.ts). On some sorts a part of them is
 * enough.
 */
const ofAllKinds = {
	node: kindTests(
		...[
			'arrays',
			'collected',
			'debug',
			'defrag',
			'garbage',
			'magazines',
			'malloc',
			'moved',
			'out-of-memory',
			'pressure',
		],
		...['raw', 'raw-generations', 'raw.property', 'references', 'sharing', 'statistics'],
	),
	fixed: kindTests('arrays', 'collected', 'malloc', 'raw.property', 'references', 'sharing', 'statistics'),
	// The guest is slow. With more names here, `npm test -- --project vm` takes its time, and passes.
	device: kindTests('malloc', 'references'),
};

const shared = {
	...built,
	setupFiles: './test/helpers/no-color.ts',
	pool: 'forks' as const,
	execArgv: ['--expose-gc'],
	// A test that ends without having checked anything has failed.
	expect: { requireAssertions: true },
};

const guest = {
	...shared,
	// Without KVM the guest is 10 to 20 times slower, and takes 10 s to start a worker. So one worker runs all files.
	isolate: false,
	fileParallelism: false,
	maxWorkers: 1,
	testTimeout: 300_000,
	hookTimeout: 300_000,
};

export default defineConfig({
	test: {
		// By default vitest leaves one processor to itself, which is half of a small machine.
		maxWorkers: availableParallelism(),
		projects: [
			{
				test: {
					...shared,
					name: 'unit',
					include: ['test/**/*.test.ts'],
					exclude: ['test/guest*/**'],
					// The guest's projects need no such setup, because the guest's files are gone with it.
					globalSetup: './test/helpers/global-setup.ts',
					// The concurrent tests of a file run child processes, and another file runs beside it.
					maxConcurrency: 3,
					testTimeout: 30_000,
					hookTimeout: 30_000,
				},
			},
			...(['node', 'fixed'] as const).map((sort) => ({
				test: {
					...shared,
					name: `unit-${sort}`,
					include: ofAllKinds[sort],
					env: { DAXKIND_TEST_SORT: sort },
					globalSetup: './test/helpers/global-setup.ts',
					testTimeout: 30_000,
					hookTimeout: 30_000,
				},
			})),
			{ test: { ...guest, name: 'vm', include: ['test/guest/**/*.test.ts'] } },
			{ test: { ...guest, name: 'vm-memory', include: ['test/guest-memory/**/*.test.ts'] } },
			{
				test: {
					...guest,
					name: 'vm-device',
					include: ['test/guest-device/**/*.test.ts', ...ofAllKinds.device],
					env: { DAXKIND_TEST_SORT: 'device' },
				},
			},
		],
	},
});
