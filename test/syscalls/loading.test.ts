// Loading the addon: in several threads, again after a thread has ended, and not at all.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';

const nativeModule = import.meta.resolve('#lib/native.js');

const useInWorker = `
	const { parentPort } = require('node:worker_threads');
	import(${JSON.stringify(nativeModule)}).then(({ native }) => {
		const fd = native.openTemporary('/dev/shm');
		native.truncate(fd, 1 << 21);
		const { id, arrayBuffer } = native.mapDescriptor(fd, 0, 1 << 21, true, false);
		native.closeDescriptor(fd);
		new Uint8Array(arrayBuffer).fill(7);
		try {
			native.statx('/missing');
		} catch (error) {
			parentPort.postMessage({ ...error, isError: error instanceof Error, last: new Uint8Array(arrayBuffer).at(-1) });
		}
	});
`;

async function runWorker(): Promise<unknown> {
	const worker = new Worker(useInWorker, { eval: true });
	const exit = once(worker, 'exit');
	const [message] = await once(worker, 'message');
	await exit;
	return message;
}

const expected = { code: 'ENOENT', errno: -2, syscall: 'statx', path: '/missing', isError: true, last: 7 };

test('several threads load the addon at once, and each throws errors of its own', async () => {
	expect(await Promise.all([runWorker(), runWorker(), runWorker()])).toEqual([expected, expected, expected]);
});

test('a thread loads the addon after another that had loaded it has ended', async () => {
	expect(await runWorker()).toEqual(expected);
	expect(await runWorker()).toEqual(expected);
});

test('a process in which only threads that are over have loaded the addon ends well', () => {
	const script = `
		const { Worker } = require('node:worker_threads');
		new Worker(${JSON.stringify(useInWorker)}, { eval: true }).on('exit', (code) => console.log('exit', code));
	`;
	const { status, signal, stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
	expect({ status, signal, stdout }).toEqual({ status: 0, signal: null, stdout: 'exit 0\n' });
});

test('without addons the import works, and the first use says what to do', () => {
	const script = `
		const { native } = await import(${JSON.stringify(nativeModule)});
		try { native.statx('/'); } catch ({ code, message }) { console.log(code, message); }
	`;
	const options = ['--no-addons', '--input-type=module', '-e', script];
	const { status, stdout } = spawnSync(process.execPath, options, { encoding: 'utf8' });
	expect(status).toBe(0);
	expect(stdout).toMatch(/^ERR_DAXKIND_NATIVE Cannot load .*without --no-addons/);
});
