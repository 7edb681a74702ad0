// A file system without room is an error, never a signal. Blocks that a kind has handed out can be stored into and keep
// their bytes while others take the room beside the kind and give it back. The file systems are made by the test and
// have no DAX.
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type TestContext, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { spawnSync } from '../helpers/children.ts';
import { runChild } from '../helpers/process.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

/**
 * Each is as small as its program and its log allow, and has room for a small kind. On a full btrfs the first store
 * into each page takes some milliseconds.
 */
const fileSystems: Record<string, { make?: string; size: number; room: number }> = {
	'ext4 with blocks of 4 KiB': { make: 'mkfs.ext4 -q -F -b 4096', size: 64 * MIB, room: 8 * MIB },
	'ext4 with blocks of 1 KiB': { make: 'mkfs.ext4 -q -F -b 1024', size: 64 * MIB, room: 8 * MIB },
	'ext4 without a journal': { make: 'mkfs.ext4 -q -F -b 4096 -O ^has_journal', size: 64 * MIB, room: 8 * MIB },
	'ext4 with inline data': { make: 'mkfs.ext4 -q -F -b 4096 -O inline_data', size: 64 * MIB, room: 8 * MIB },
	XFS: { make: 'mkfs.xfs -q -f', size: 320 * MIB, room: 24 * MIB },
	btrfs: { make: 'mkfs.btrfs -q -f', size: 128 * MIB, room: 3 * MIB },
	tmpfs: { size: 64 * MIB, room: 8 * MIB },
};

/** What a test process needs, and what it prints at its end. */
const prelude = `
	import fs from 'node:fs';
	import { Worker } from 'node:worker_threads';
	import { execFileSync } from 'node:child_process';
	import { Random } from '${new URL('../../scripts/random.mjs', import.meta.url)}';
	const directory = process.argv[1];
	const { POLICY: policy, ROOM: room } = process.env;
	// Another's file leaves but little room, and what is written to a second one takes that.
	const { bavail, bsize } = fs.statfsSync(directory);
	execFileSync('fallocate', ['-l', bavail * bsize - room, directory + '/most']);
	const other = fs.openSync(directory + '/other', 'w');
	const kind = PmemKind.create(directory, { policy });
	let [wrong, failures] = [0, 0];
	const generator = new Random(1);
	const random = (below) => generator.below(below);
	const allocate = (size) => {
		const block = kind.tryMalloc(size);
		if (block === undefined) failures++;
		return block;
	};
	const isWhole = (block, byte) => block.equals(Buffer.alloc(block.length, byte));`;

const programs: Record<string, string> = {
	// Another file has taken the last room. So no room is left that the kernel may want beside the page of a store.
	'stores into any part of blocks that fill the kind': `
		const blocks = [];
		for (const size of [65536, 4096]) for (let block; (block = allocate(size)); ) blocks.push(block);
		try {
			for (const piece of [65536, 4096]) {
				try { for (;;) fs.writeSync(other, Buffer.alloc(piece)); } catch (error) { if (error.code !== 'ENOSPC') throw error; }
			}
			fs.fsyncSync(other);
		} catch (error) { if (error.code !== 'ENOSPC') throw error; }
		for (let i = 0; i < blocks.length; i += 2) blocks[i][blocks[i].length >> 1] = 1;
		for (const [i, block] of blocks.entries()) block.fill(i);
		for (const [i, block] of blocks.entries()) if (!isWhole(block, i)) wrong++;`,
	'blocks that come and go while others take the last room and give it back': `
		const worker = new Worker(\`
			const fs = require('node:fs');
			const { workerData: file } = require('node:worker_threads');
			const wait = new Int32Array(new SharedArrayBuffer(4));
			for (let round = 0; ; round++) {
				try {
					for (let n = 0; n < 1 + round % 7; n++) fs.writeSync(file, Buffer.alloc(1 << 20, 'other'));
					if (round % 5 === 0) fs.fsyncSync(file);
				} catch (error) { if (error.code !== 'ENOSPC') throw error; }
				if (round % 3 === 0) fs.ftruncateSync(file);
				Atomics.wait(wait, 0, 0, 2);
			}\`, { eval: true, workerData: other, execArgv: [] });
		const blocks = [];
		const drop = (at) => {
			const { block, byte } = blocks[at];
			if (!isWhole(block, byte)) wrong++;
			kind.free(block);
			blocks[at] = blocks.at(-1);
			blocks.pop();
		};
		for (let byte = 0; failures === 0 || (failures < 40 && performance.now() < 2000); byte++) {
			const block = allocate(1 + (random(65536) * random(65536) / 65536 | 0) * 4);
			if (block !== undefined) blocks.push({ block: block.fill(byte), byte });
			else for (let n = random(blocks.length / 4); n > 0; n--) drop(random(blocks.length));
			if (random(1000) === 0) kind.purge();
		}
		while (blocks.length > 0) drop(0);
		await worker.terminate();`,
};

/**
 * The prefix of a command that first mounts a new file system at the directory. Nobody else sees it, and it is gone
 * when the command ends.
 */
function onNewFileSystem(name: string, directory: string, skip: TestContext['skip']): string[] {
	const { make, size } = fileSystems[name]!;
	let mount = `mount -t tmpfs -o size=${size} tmpfs ${directory}`;
	if (make !== undefined) {
		const image = join(temporaryDirectory(), 'image');
		writeFileSync(image, '');
		truncateSync(image, size);
		const { status, stderr } = spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin ${make} ${image}`]);
		skip(status !== 0, `there is no such program: ${stderr}`);
		mount = `mount -o loop ${image} ${directory}`;
	}
	const there = (command: string) => ['unshare', '-m', 'sh', '-c', command];
	const [program, ...words] = there(mount);
	const { status, stderr } = spawnSync(program!, words);
	skip(status !== 0, `it cannot be mounted, which needs root, loop devices and the kernel's driver: ${stderr}`);
	return there(`${mount} && exec "$0" "$@"`);
}

for (const name of Object.keys(fileSystems)) {
	for (const policy of ['default', 'conservative']) {
		for (const [what, program] of Object.entries(programs)) {
			test(`on ${name} that is full, policy ${policy}: ${what}`, { timeout: 60_000 }, ({ skip }) => {
				const directory = temporaryDirectory();
				const before = [
					...onNewFileSystem(name, directory, skip),
					'env',
					`POLICY=${policy}`,
					`ROOM=${fileSystems[name]!.room}`,
				];
				const child = runChild(
					`${prelude}
					${program}
					console.log(JSON.stringify({ wrong, isFull: failures > 0 }));`,
					directory,
					before,
				);
				expect(child).toMatchObject({ status: 0, signal: null, stderr: '' });
				expect(JSON.parse(child.stdout)).toEqual({ wrong: 0, isFull: true });
			});
		}
	}
}
