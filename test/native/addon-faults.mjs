// Kinds and mappings through their whole lives, again and again. Each time the next system call of one sort that the
// addon makes fails (preload-faults.c, loaded by LD_PRELOAD). Whatever fails, there is an error with a code and the
// system call, or an OutOfMemoryError. There is never a crash, and nothing is left behind. `node --expose-gc
// addon-faults.mjs DIRECTORY [DEVICE]`. With a device-DAX device, only kinds on the device are tested.

import assert from 'node:assert/strict';
import {
	existsSync,
	openSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	readSync,
	rmSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { DeviceKind, FixedKind, Kind, mapFile, NodeKind, PmemKind } from 'daxkind';

const MiB = 1024 * 1024;
const [, , directory, device] = process.argv;
const mapped = join(directory, 'mapped');
const { errno } = constants;

// The numbers are those of preload-faults.c.
const calls = {
	fallocate: 1,
	ftruncate: 2,
	fstatfs: 3,
	madvise: 4,
	mmap: 5,
	open: 6,
	statx: 7,
	malloc: 8,
	pthread_create: 9,
	mremap: 10,
	mbind: 11,
	fcntl: 12,
};
const errors = {
	fallocate: ['EINTR', 'ENOSPC', 'EIO'],
	fcntl: ['EINVAL'],
	ftruncate: ['EFBIG'],
	fstatfs: ['EIO'],
	madvise: ['ENOMEM'],
	mbind: ['EPERM'],
	mmap: ['ENOMEM'],
	mremap: ['ENOMEM'],
	open: ['EMFILE'],
	statx: ['EIO'],
	malloc: ['ENOMEM'],
	pthread_create: ['EAGAIN'],
};

const orders = openSync(process.env.DAXKIND_FAULTS, 'r+');
const words = new Int32Array(6);

/** Makes calls fail from now on. With null, none fails. */
function order(fault) {
	words.fill(0);
	if (fault) words.set([fault.nth, errno[fault.error], Number(fault.isForGood)], 1);
	writeSync(orders, words, 0, words.byteLength, 0);
	if (!fault) return;
	// The word of the call is written last, because it makes the others count.
	words[0] = calls[fault.call];
	writeSync(orders, words, 0, 4, 0);
}

/** How many calls have failed since the last order. */
function failures() {
	readSync(orders, words, 0, words.byteLength, 0);
	return words[5];
}

/** Runs one step of a life. If it fails, the fault must explain the error. */
async function step(fault, body) {
	try {
		return await body();
	} catch (error) {
		assert(error instanceof Error, `${error}`);
		if (error.code === 'ERR_DAXKIND_OUT_OF_MEMORY') {
			assert(error.requested > 0 && error.capacity > 0, error.stack);
			return undefined;
		}
		assert(fault, error.stack);
		assert.deepEqual([error.code, error.syscall], [fault.error, fault.call], error.stack);
		assert.equal(error.errno, -errno[fault.error]);
		assert([undefined, directory, mapped, device, 'NUMA node 0'].includes(error.path), error.stack);
		return undefined;
	}
}

/** Marks the first and the last byte of a block. */
function write(block, mark) {
	block[0] = block[block.length - 1] = mark;
	return block;
}
const isWritten = (block, mark) => block[0] === mark && block[block.length - 1] === mark;

const sizes = [1, 100, 5000, 20_000, 300_000, 3 * MiB];

/** Makes all calls that take and give back memory. At the end nothing is held. */
async function use(kind, fault) {
	const held = [];
	const keep = (block) => block !== undefined && held.push(write(block, held.length));
	for (const size of sizes) keep(await step(fault, () => kind.malloc(size)));
	keep(await step(fault, () => kind.calloc(10, 1000)));
	keep(await step(fault, () => kind.memalign(65_536, 50_000)));
	const collected = await step(fault, () => kind.buffer(10_000));
	const raw = await step(fault, () => kind.mallocRaw(500));
	for (const [i, block] of held.entries()) assert(isWritten(block, i));
	for (let i = 0; i < held.length; i++) {
		const longer = await step(fault, () => kind.realloc(held[i], held[i].length * 2));
		// Without memory, the old block stays.
		if (longer === undefined) assert(isWritten(held[i], i));
		else held[i] = write(longer, i);
	}
	for (let i = 0; i < 5; i++) keep(await step(fault, () => kind.malloc(3 * MiB)));
	const other = await step(fault, () => Kind.attach(kind.share()));
	for (const block of held.splice(0, 5)) kind.free(block);
	await step(fault, () => kind.purge());
	await step(fault, () => kind.purgeAsync());
	for (const block of held) kind.free(block);
	if (collected !== undefined) kind.free(collected);
	if (raw !== undefined) kind.freeRaw(raw);
	assert.equal(other?.close(), undefined);
	const { blocks, allocated } = kind.stats();
	assert.deepEqual({ blocks, allocated }, { blocks: 0, allocated: 0 });
}

const onDevice = {
	async 'a kind on a device'(fault) {
		const kind = await step(fault, () => DeviceKind.create(device, { size: 16 * MiB }));
		if (kind === undefined) return;
		// No call that takes or gives back memory makes a system call here.
		const block = await step(fault, () => kind.malloc(100_000));
		if (block !== undefined) kind.free(block);
		assert.equal(kind.close(), undefined);
	},
	async 'a kind on a device made and prefaulted by another thread'(fault) {
		const kind = await step(fault, () => DeviceKind.createAsync(device, { size: 16 * MiB, prefault: true }));
		assert.equal(await kind?.closeAsync(), undefined);
	},
};

const lives = {
	async 'a kind'(fault) {
		const kind = await step(fault, () => PmemKind.create(directory, { maxSize: 16 * MiB }));
		if (kind === undefined) return;
		await use(kind, fault);
		assert.equal(kind.close(), undefined);
	},
	async 'a conservative kind, prefaulted'(fault) {
		const options = { maxSize: 16 * MiB, policy: 'conservative' };
		const kind = await step(fault, () => PmemKind.create(directory, options));
		if (kind === undefined) return;
		await step(fault, () => kind.prefaultAsync());
		await use(kind, fault);
		await step(fault, () => kind.closeAsync());
	},
	async 'a kind made and prefaulted by another thread'(fault) {
		const kind = await step(fault, () => PmemKind.createAsync(directory, { maxSize: 16 * MiB, prefault: true }));
		// Closing does not wait for a thread that cannot be made.
		assert.equal(await kind?.closeAsync(), undefined);
	},
	async 'a kind made by another thread, as large as the file system'(fault) {
		const kind = await step(fault, () => PmemKind.createAsync(directory));
		if (kind === undefined) return;
		const block = await step(fault, () => kind.malloc(100));
		// Closing also gives back what is held.
		const leaks = kind.close();
		assert.equal(leaks?.blocks, block && 1);
	},
	async 'a fixed kind'(fault) {
		const mapping = await step(fault, () => mapFile(mapped));
		if (mapping === undefined) return;
		const kind = await step(fault, () => FixedKind.create(mapping));
		if (kind !== undefined) {
			await use(kind, fault);
			assert.equal(kind.close(), undefined);
		}
		// If it fails, it can be tried again.
		await step(fault, () => mapping.unmap());
		order(null);
		mapping.unmap();
	},
};

if (existsSync('/sys/devices/system/node/node0')) {
	lives['a kind on a NUMA node'] = async (fault) => {
		const kind = await step(fault, () => NodeKind.create(0, { maxSize: 32 * MiB }));
		if (kind === undefined) return;
		await use(kind, fault);
		await step(fault, () => kind.nodes());
		assert.equal(kind.close(), undefined);
	};
}

/** What this process has of the directory, except the orders, and of the device. */
function traces() {
	const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
	const links = readdirSync('/proc/self/fd').map((fd) => {
		try {
			return readlinkSync(`/proc/self/fd/${fd}`);
		} catch {
			return '';
		}
	});
	const isTrace = (line) =>
		(line.includes(`${directory}/`) && !line.endsWith('/orders')) || (device !== undefined && line.endsWith(device));
	return [...maps, ...links].filter(isTrace);
}

/** The bytes of address space that this process has. */
const addressSpace = () => Number(/VmSize:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;

/**
 * Memory goes when nothing can see it. The finalizers of an ArrayBuffer run in a later turn and free what is garbage
 * then.
 */
async function collect() {
	for (let round = 0; round < 3; round++) {
		globalThis.gc();
		await setImmediate();
		await setImmediate();
	}
}

let count = 0;
writeFileSync(mapped, Buffer.alloc(16 * MiB));
for (const [name, live] of Object.entries(device === undefined ? lives : onDevice)) {
	await live(null);
	await collect();
	assert.deepEqual(traces(), [], name);
	const concerned = device === undefined ? Object.keys(errors) : ['open', 'fcntl', 'mmap', 'madvise', 'pthread_create'];
	for (const [call, codes] of Object.entries(errors).filter(([call]) => concerned.includes(call))) {
		for (const error of codes) {
			// A call that is always interrupted is made again for ever.
			for (const isForGood of error === 'EINTR' ? [false] : [false, true]) {
				const before = addressSpace();
				for (let nth = 1; ; nth++) {
					const fault = { call, nth, error, isForGood };
					const words = `${name}: ${call} number ${nth}${isForGood ? ' and all later ones' : ''} by ${error}`;
					order(fault);
					try {
						await live(fault);
					} catch (cause) {
						throw new Error(words, { cause });
					}
					const failed = failures();
					order(null);
					await collect();
					assert.deepEqual(traces(), [], words);
					count++;
					if (failed === 0) break;
				}
				const more = addressSpace() - before;
				assert(more < 256 * MiB, `${name}: ${call} by ${error}: ${more} bytes of address space are gone`);
			}
		}
	}
}
rmSync(mapped);
console.log(`${count} lives, each with another failure`);
