// Mappings of several threads at once. A mapping that one thread cannot make does no harm to another thread's.
import { expect, test } from 'vitest';
import { runChild } from '../helpers/process.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

/**
 * Two threads map a file, read it and unmap it again and again. Meanwhile the main thread asks for MAP_SYNC. Off DAX,
 * ext4 and XFS refuse that so late that the kernel has already made room for the mapping.
 */
const program = `
	import { openSync, writeFileSync } from 'node:fs';
	import { Worker } from 'node:worker_threads';
	import { native } from '#lib/native.js';

	const size = 65536;
	const path = process.argv[1] + '/file';
	writeFileSync(path, Buffer.alloc(size, 7));
	const fd = openSync(path, 'r+');
	const reader = \`
		import { workerData } from 'node:worker_threads';
		const { fd, size, lib } = workerData;
		const { native } = await import(lib);
		for (;;) {
			const { id, arrayBuffer } = native.mapDescriptor(fd, 0, size, true, false, size);
			const bytes = new Uint8Array(arrayBuffer);
			for (let at = 0; at < size; at += 4096) if (bytes[at] !== 7) throw new Error('wrong byte');
			native.releaseMapping(id, arrayBuffer);
		}\`;
	const workerData = { fd, size, lib: import.meta.resolve('#lib/native.js') };
	for (let i = 0; i < 2; i++) {
		new Worker(new URL('data:text/javascript,' + encodeURIComponent(reader)), { workerData });
	}
	let refused = 0;
	for (let i = 0; i < 40_000; i++) {
		try {
			native.mapDescriptor(fd, 0, size, true, true, size);
		} catch (error) {
			if (error.syscall !== 'mmap' || error.code !== 'ENOTSUP') throw error;
			refused++;
		}
		// For the errors of the others.
		if (i % 1000 === 0) await new Promise(setImmediate);
	}
	console.log(refused);
	process.exit(0);
`;

test('mappings that the file system refuses leave those of other threads alone', ({ skip }) => {
	const { status, signal, stdout, stderr } = runChild(program, temporaryDirectory());
	expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
	if (stdout === '0\n') skip('the temporary directory is on DAX');
	expect(stdout).toBe('40000\n');
});
