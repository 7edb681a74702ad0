// Two projects: `unit` runs on any Linux machine; `vm` runs inside the guest that `npm test` boots, on real DAX.
// The tests import what users import, the built code (`daxkind`, `#lib/…`), and Node loads it itself: were it transformed
// by the runner, a module with native state could exist twice in one process.
import { defineConfig } from 'vitest/config';

const built = { server: { deps: { external: [/\/dist\//, /\/build\//] } } };
const shared = {
	...built,
	setupFiles: './test/helpers/no-color.ts',
	pool: 'forks' as const,
	execArgv: ['--expose-gc'],
};

export default defineConfig({
	test: {
		projects: [
			{
				test: {
					...shared,
					name: 'unit',
					include: ['test/**/*.test.ts'],
					exclude: ['test/vm/**'],
					// The guest's files are gone with it.
					globalSetup: './test/helpers/global-setup.ts',
					// What runs concurrently in a file is child processes; another file runs beside it.
					maxConcurrency: 3,
					testTimeout: 30_000,
					hookTimeout: 30_000,
				},
			},
			{
				test: {
					...shared,
					name: 'vm',
					include: ['test/vm/**/*.test.ts'],
					// Without KVM the guest is 10 to 20 times slower, and starting a worker takes it 10 s: one worker for all files.
					isolate: false,
					fileParallelism: false,
					maxWorkers: 1,
					testTimeout: 300_000,
					hookTimeout: 300_000,
				},
			},
		],
	},
});
