// A listener for SIGBUS hears the signals that are sent, and nothing of lost pages. Without a listener, a signal that
// is sent ends the process.
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { spawnSync } from '../helpers/children.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

const program = fileURLToPath(new URL('programs/listeners.mjs', import.meta.url));

/** How the story ends. If a fault came again and again, the story would not end, and the timeout would kill it. */
function told(story: string) {
	const args = ['--disable-warning=DAXKIND_MEDIA_ERROR', program, temporaryDirectory(tmpfs), story];
	const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 });
	return { status, signal, stdout, stderr };
}

const heard = 'SIGBUS 7';

test.each([
	['a listener from before the first mapping', 2],
	['a listener that comes later', 1],
	['two listeners, one of whom goes', 2],
	['a listener that comes, goes and comes again', 1],
	['a fault at once after a listener has come', 1],
])('with %s lost pages are zeros, and what is sent is heard', (story, times) => {
	const stdout = `${Array.from({ length: times }, () => heard).join()}\n`;
	expect(told(story)).toEqual({ status: 0, signal: null, stdout, stderr: '' });
});

test.each([
	['no listener', ''],
	['a listener that has gone', ''],
	['a listener from before the first mapping that has gone', ''],
	['a listener for once', heard],
])('with %s lost pages are zeros, and what is sent ends the process', (story, stdout) => {
	expect(told(story)).toEqual({ status: null, signal: 'SIGBUS', stdout, stderr: '' });
});
