import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { execFile } from '../helpers/children.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

test('every export refuses arguments that do not fit by an ERR_ error, does nothing then, and never crashes', async () => {
	const program = fileURLToPath(new URL('wrong-arguments.mjs', import.meta.url));
	// This rejects if a signal kills the process, or if it ends with another status than 0.
	const { stdout } = await execFile(process.execPath, [program, temporaryDirectory(tmpfs)]);
	const { calls, complaints } = JSON.parse(stdout) as { calls: number; complaints: string[] };
	expect(complaints).toEqual([]);
	expect(calls).toBeGreaterThan(20_000);
});
