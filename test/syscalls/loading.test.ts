// Loading the addon: in several threads, again after a thread has ended, and not at all.
import { once } from 'node:events';
import { cpSync, existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { spawnSync } from '../helpers/children.ts';
import { temporaryDirectory, tmpfs } from '../helpers/temporary-directory.ts';

const nativeModule = import.meta.resolve('#lib/native.js');

const useInWorker = `
	const { truncateSync, writeFileSync } = require('node:fs');
	const { parentPort, workerData: path } = require('node:worker_threads');
	import(${JSON.stringify(nativeModule)}).then(({ native }) => {
		writeFileSync(path, '');
		truncateSync(path, 1 << 21);
		const fd = native.openFile(path, true);
		const { id, arrayBuffer } = native.mapDescriptor(fd, 0, 1 << 21, true, false, 1 << 21);
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
	const worker = new Worker(useInWorker, { eval: true, workerData: join(temporaryDirectory(tmpfs), 'file') });
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
		const options = { eval: true, workerData: ${JSON.stringify(join(temporaryDirectory(tmpfs), 'file'))} };
		new Worker(${JSON.stringify(useInWorker)}, options).on('exit', (code) => console.log('exit', code));
	`;
	const { status, signal, stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
	expect({ status, signal, stdout }).toEqual({ status: 0, signal: null, stdout: 'exit 0\n' });
});

test('without addons native.ts can be imported, and its first use says what to do', () => {
	const script = `
		const { native } = await import(${JSON.stringify(nativeModule)});
		try { native.statx('/'); } catch ({ code, message }) { console.log(code, message); }
	`;
	const options = ['--no-addons', '--input-type=module', '-e', script];
	const { status, stdout } = spawnSync(process.execPath, options, { encoding: 'utf8' });
	expect(status).toBe(0);
	expect(stdout).toMatch(/^ERR_DAXKIND_NATIVE Cannot load .*without --no-addons/);
});

const root = fileURLToPath(new URL('../..', import.meta.url));

test.each([
	['cjs', 'cjs'],
	['esm', 'mjs'],
])('bundled to %s, it says that it was bundled, and what to do', (format, extension) => {
	const directory = temporaryDirectory();
	const service = join(directory, 'service.mjs');
	writeFileSync(
		service,
		`import(${JSON.stringify(join(root, 'dist/index.js'))}).catch(({ code, message }) => console.log(code, message));`,
	);
	const bundle = join(directory, 'out', `service.${extension}`);
	const options = {
		entryPoints: [service],
		outfile: bundle,
		format,
		bundle: true,
		platform: 'node',
		logLevel: 'error',
	};
	// esbuild is installed because vite needs it.
	const script = `import { build } from 'esbuild'; await build(${JSON.stringify(options)});`;
	const made = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root });
	expect(made.status).toBe(0);
	const { status, stdout } = spawnSync(process.execPath, [bundle], { encoding: 'utf8' });
	expect(status).toBe(0);
	expect(stdout).toMatch(/^ERR_DAXKIND_NATIVE .*was bundled.*--external:daxkind.*`external`/);
	expect(stdout).not.toMatch(/Build it|Invalid URL/);
});

test('where the runtime does not permit it to look, as Deno, it says so, and not that there is no addon', () => {
	const script = `
		process.env = new Proxy(process.env, {
			get(target, name) {
				if (name !== 'DAXKIND_PREBUILD') return target[name];
				throw Object.assign(new Error('Requires env access to "DAXKIND_PREBUILD"'), { name: 'NotCapable' });
			},
		});
		const { native } = await import(${JSON.stringify(nativeModule)});
		try { native.statx('/'); } catch ({ code, message }) { console.log(code, message); }
	`;
	const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
	expect(stdout).toMatch(/^ERR_DAXKIND_NATIVE .*does not permit.* --allow-env .*\nRequires env access/);
	expect(stdout).not.toMatch(/There is no addon/);
});

test('a kind of another copy of the package is refused, and the error names that reason', () => {
	const copy = join(temporaryDirectory(), 'daxkind');
	for (const name of ['dist', 'package.json', 'build/Release/daxkind.node', 'prebuilds']) {
		if (existsSync(join(root, name))) cpSync(join(root, name), join(copy, name), { recursive: true });
	}
	symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
	const script = `
		const [one, other] = await Promise.all([import(${JSON.stringify(import.meta.resolve('daxkind'))}), import(${JSON.stringify(join(copy, 'dist/index.js'))})]);
		const kind = one.PmemKind.create('/dev/shm', { maxSize: 2 ** 24 });
		try { other.Kind.attach(kind.share()); } catch ({ code, message }) { console.log(code, message); }
	`;
	const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
	expect(stdout).toMatch(/^ERR_DAXKIND_KIND_GONE .*another copy of the package/);
});
