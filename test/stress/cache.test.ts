// Threads use one cache at random, and are terminated in the middle. `npm run stress:cache` does it for longer.
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { execFile } from '../helpers/children.ts';
import { testDirectory } from '../helpers/directory.ts';

const script = fileURLToPath(new URL('../../scripts/stress-cache.mjs', import.meta.url));

test('every value is that of its key, and nothing is left of threads that were terminated', async () => {
	const args = [script, '--seconds', '4', '--seed', '5', '--dir', testDirectory()];
	const { stdout } = await execFile(process.execPath, args);
	expect(stdout).toMatch(/^s3-fifo: [\d,]+ calls by 4 threads, \d+ terminated; .*\nlru: .* terminated; .*\n$/);
});
