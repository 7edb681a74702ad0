// Memory that is freed after memory has run out is there for the very next attempt, whatever its size and whichever
// thread freed it.
import { mkdirSync } from 'node:fs';
import { constants } from 'node:os';
import { type Block, type Kind, OutOfMemoryError, PmemKind, type PmemKindOptions, type RawHandle } from 'daxkind';
import { afterAll, describe, expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { execFileSync } from '../helpers/children.ts';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create, sort } from '../helpers/kinds.ts';
import { runChild } from '../helpers/process.ts';
import { evaluateIn, problem, refusing } from '../helpers/sandbox.ts';
import { Thread } from '../helpers/thread.ts';

const directory = testDirectory();
closeAfterEach();

/** A generator of random numbers that are the same in each run. */
function randomFrom(seed: number): (below: number) => number {
	let state = seed;
	return (below) => {
		state = (state * 48271) % 2147483647;
		return state % below;
	};
}

/** Whether a block fits into the free memory, by the books, once the thread's cache is empty. */
function mustFit(kind: Kind, size: number): boolean {
	kind.purge();
	const { classes } = kind.sizeClasses();
	const own = classes.find((each) => each.size >= size);
	if (own !== undefined && own.free > 0) return true;
	return kind.stats().largestFree >= Math.ceil((own?.size ?? size) / KIB) * KIB;
}

function fill(kind: Kind, size: number): Block[] {
	const blocks: Block[] = [];
	for (let block = kind.tryMalloc(size); block !== undefined; block = kind.tryMalloc(size)) blocks.push(block);
	return blocks;
}

const regimes: Record<string, (random: (below: number) => number) => number> = {
	'small blocks': (random) => 1 + random(2 * KIB),
	'blocks about the longest small ones': (random) => 7 * KIB + random(3 * KIB),
	'large blocks': (random) => 9 * KIB + random(700 * KIB),
	'blocks of all sizes': (random) => 1 + random(2 ** (4 + random(18))),
};

for (const [name, sizeOf] of Object.entries(regimes)) {
	for (const policy of ['default', 'conservative'] as const) {
		test(`${name} fail only where none fits, and succeed again as soon as one does (${policy})`, () => {
			const kind = create(directory, { maxSize: 16 * MIB, policy });
			const random = randomFrom(name.length * (policy === 'default' ? 7 : 11));
			const held: Block[] = [];
			let failures = 0;
			for (let step = 0; failures < 400 && step < 100_000; step++) {
				const size = sizeOf(random);
				let block = kind.tryMalloc(size);
				// Frees blocks until it fits. The attempts in between fail again and again.
				while (block === undefined && held.length > 0) {
					failures++;
					if (mustFit(kind, size)) expect.fail(`${size} bytes fit, but tryMalloc found none`);
					expect(kind.tryMalloc(size)).toBeUndefined();
					kind.free(held.splice(random(held.length), 1)[0]);
					block = kind.tryMalloc(size);
				}
				expect(block?.length).toBe(size);
				held.push(block!);
				if (random(20) === 0) for (const block of held.splice(random(held.length), 5)) kind.free(block);
			}
			expect(failures).toBeGreaterThanOrEqual(400);
			for (const block of held) kind.free(block);
			kind.free(kind.malloc(16 * MIB));
		});
	}
}

test('after any block is freed, another of its size is there, whatever failed before', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const sizes = [16, 100, 1000, 8192, 8193, 50 * KIB, MIB];
	for (const full of sizes) {
		const blocks = fill(kind, full);
		for (const failing of [...sizes, 16 * MIB]) expect(kind.tryMalloc(Math.max(failing, full))).toBeUndefined();
		for (let i = 0; i < 100; i++) {
			const at = (i * 7919) % blocks.length;
			kind.free(blocks[at]);
			const again = kind.tryMalloc(full);
			if (again === undefined) expect.fail(`no ${full} bytes for those that were freed`);
			blocks[at] = again;
			expect(kind.tryMalloc(full)).toBeUndefined();
		}
		for (const block of blocks) kind.free(block);
	}
});

test('what other threads free makes the very next attempt succeed', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const thread = await Thread.start(kind.share());
	for (const size of [64, 3000, 20_000, MIB]) {
		const mine = fill(kind, size);
		const references = mine.splice(0, 12).map((block) => kind.ref(block));
		await thread.run(
			({ kind, blocks }, { references, size }) => {
				blocks.push(...references.map((reference) => kind.deref(reference)));
				// It fails here, too. From now on this thread caches blocks when there is memory again.
				kind.tryMalloc(size);
			},
			{ references, size },
		);
		for (let i = 0; i < references.length; i++) {
			expect(kind.tryMalloc(size)).toBeUndefined();
			await thread.run(({ kind, blocks }) => kind.free(blocks.pop()), undefined);
			const block = kind.tryMalloc(size);
			expect(block?.length).toBe(size);
			mine.push(block!);
		}
		for (const block of mine) kind.free(block);
		kind.free(kind.malloc(16 * MIB));
	}
});

test('so does what a thread frees that has joined after the failure', async () => {
	for (const size of [64, 3000, 20_000]) {
		const kind = create(directory, { maxSize: 16 * MIB });
		const handles: number[] = [];
		for (let handle = kind.tryMallocRaw(size); handle !== 0; handle = kind.tryMallocRaw(size)) handles.push(handle);
		const late = await Thread.start(kind.share());
		for (let i = 0; i < 5; i++) {
			expect(kind.tryMallocRaw(size)).toBe(0);
			await late.run(({ kind }, handle) => kind.freeRaw(handle as RawHandle), handles.pop()!);
			handles.push(kind.mallocRaw(size));
		}
	}
});

test('slabs of every length can fill the kind one after the other', () => {
	// A crash would end only the child.
	const child = runChild(
		`const kind = PmemKind.create(process.argv[1], { maxSize: ${16 * MIB} });
		function aligned(alignment, length) {
			const blocks = [];
			try {
				for (;;) blocks.push(kind.memalign(alignment, length));
			} catch {
				return blocks;
			}
		}
		function small() {
			const handles = [];
			for (let handle = kind.tryMallocRaw(16); handle !== 0; handle = kind.tryMallocRaw(16)) handles.push(handle);
			return handles;
		}
		for (const [alignment, length] of [[2048, 100], [4096, 2048], [8192, 3072], [16384, 6144], [16384, 10240]]) {
			// Holes of one length, slabs of that length in them, and then such slabs in place of what was between.
			const between = aligned(alignment, length);
			const handles = [small()];
			for (const block of between) kind.free(block);
			handles.push(small());
			console.log(handles[0].length + handles[1].length);
			for (const handle of handles.flat()) kind.freeRaw(handle);
			kind.free(kind.malloc(${16 * MIB}));
		}
		console.log(kind.close());`,
		directory,
	);
	expect([child.status, child.signal, child.stderr]).toEqual([0, null, '']);
	expect(child.stdout).toBe(`${`${MIB}\n`.repeat(5)}undefined\n`);
});

function mountSmall(): string | undefined {
	const place = `${directory}/small`;
	mkdirSync(place);
	try {
		execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', place], { stdio: 'ignore' });
	} catch {
		return undefined;
	}
	afterAll(() => execFileSync('umount', [place]));
	return place;
}
const small = mountSmall();

/** A kind that may be larger than its file system. */
function onSmall(options: PmemKindOptions = {}): PmemKind {
	return create(small!, { maxSize: 64 * MIB, ...options });
}

describe.skipIf(small === undefined || sort !== 'pmem')(
	'on a file system that is full (needs the right to mount one)',
	() => {
		for (const [name, sizeOf] of Object.entries(regimes)) {
			test(`${name} succeed again as soon as there is room for one`, () => {
				const kind = onSmall();
				const random = randomFrom(name.length);
				const held: Block[] = [];
				for (let failures = 0; failures < 100; ) {
					const size = sizeOf(random);
					let block = kind.tryMalloc(size);
					while (block === undefined) {
						failures++;
						expect(() => kind.malloc(size)).toThrow(expect.objectContaining({ reason: 'file-system-full' }));
						// A second attempt, when all free storage has gone back to the file system.
						kind.purge();
						expect(kind.tryMalloc(size)).toBeUndefined();
						kind.free(held.splice(random(held.length), 1)[0]);
						block = kind.tryMalloc(size);
					}
					held.push(block.fill(failures));
					if (random(20) === 0) for (const block of held.splice(random(held.length), 5)) kind.free(block);
				}
				for (const block of held) kind.free(block);
				kind.purge();
				expect(kind.stats()).toMatchObject({ committed: 0, resident: 0 });
				expect(fill(kind, MIB).length).toBe(12);
			});
		}

		test('holes that are shorter than a slab hold small blocks', () => {
			const kind = onSmall();
			const runs = fill(kind, 12 * KIB);
			const kept = runs.filter((_, i) => i % 2 === 0);
			for (const run of runs) if (!kept.includes(run)) kind.free(run);
			const { allocated } = kind.stats();
			const blocks = [5000, 1000, 64].flatMap((size) => fill(kind, size));
			// The blocks take all of the holes except what is left at the end of a slab.
			expect(kind.stats().allocated - allocated).toBeGreaterThan((runs.length - kept.length) * 11 * KIB);
			for (const block of [...kept, ...blocks]) kind.free(block);
		});

		test('what another thread caches is there for a thread that needs it', async () => {
			const kind = onSmall();
			const thread = await Thread.start(kind.share());
			await thread.run(({ kind }) => {
				for (let i = 0; i < 2; i++) {
					const blocks = [16, 900, 9000, 100_000].map((size) => kind.malloc(size));
					for (const block of blocks) kind.free(block);
				}
			}, undefined);
			expect(kind.stats().cached).toBeGreaterThan(0);
			kind.free(kind.malloc(12 * MIB));
			expect(kind.tryMalloc(12 * MIB + 1)).toBeUndefined();
		});

		test('realloc that fails keeps the block, prefault that fails keeps the kind', async () => {
			const kind = onSmall();
			const block = kind.malloc(7 * MIB).fill('k');
			expect(() => kind.realloc(block, 13 * MIB)).toThrow(expect.objectContaining({ reason: 'file-system-full' }));
			await expect(kind.prefaultAsync()).rejects.toMatchObject({ code: 'ENOSPC', syscall: 'fallocate', path: small });
			expect(block.every((byte) => byte === 0x6b)).toBe(true);
			kind.purge();
			kind.free(kind.malloc(5 * MIB));
			for (const make of [
				async () => PmemKind.create(small!, { maxSize: 64 * MIB, prefault: true }),
				() => PmemKind.createAsync(small!, { maxSize: 64 * MIB, prefault: true }),
			]) {
				await expect(make()).rejects.toMatchObject({ code: 'ENOSPC', syscall: 'fallocate', path: small });
			}
			kind.free(kind.realloc(block, 12 * MIB));
		});
	},
);

test.skipIf(problem !== undefined)('a quota that is used up is said to be one', () => {
	const body = `
		const kind = d.PmemKind.create(path, { maxSize: ${32 * MIB} });
		try { kind.malloc(${4 * MIB}); } catch ({ reason, message }) { say({ reason, message }); }`;
	const refused = (errno: number) => evaluateIn(refusing(`fallocate=${errno}`), body, directory);
	expect(refused(constants.errno.EDQUOT)).toEqual({
		reason: 'quota',
		message: expect.stringContaining('the quota of its user, group or project is used up'),
	});
	expect(refused(constants.errno.ENOSPC)).toMatchObject({ reason: 'file-system-full' });
});

test('nobody but a kind makes an OutOfMemoryError', () => {
	expect(() => Reflect.construct(OutOfMemoryError, [{ requested: 1, reason: 'limit' }])).toThrow(
		expect.objectContaining({ code: 'ERR_ILLEGAL_CONSTRUCTOR' }),
	);
});
