// Runs one mode of scripts/native-test.mjs in its short form, as a test.
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, type TestContext } from 'vitest';
import { isCI } from '../../scripts/packages.mjs';
import { spawn } from '../helpers/children.ts';

/** The status with which the program says that something cannot be tested here. automake uses the same number. */
const obstacle = 77;

/** The first run on a machine compiles everything. */
export const timeout = 300_000;

/**
 * Fails with what the program printed. Where the machine lacks something it skips with the reason, and in CI it fails.
 */
export async function runNativeTest(context: TestContext, mode: string): Promise<void> {
	const script = fileURLToPath(new URL('../../scripts/native-test.mjs', import.meta.url));
	const child = spawn(process.execPath, [script, mode, '--seconds', '2'], { stdio: ['ignore', 'pipe', 'pipe'] });
	let output = '';
	for (const stream of [child.stdout, child.stderr]) {
		stream.setEncoding('utf8').on('data', (text: string) => {
			output += text;
		});
	}
	const [status] = (await once(child, 'close')) as [number | null];
	if (status === obstacle && !isCI) context.skip(output.trim().split('\n').slice(-2).join(' '));
	expect(status, output).toBe(0);
}
