// onPressure is called in time and once. It may free, throw, allocate and close.
import {
	type Block,
	type BlockReference,
	Kind,
	type KindPressure,
	PmemKind,
	type PmemKindOptions,
	type RawHandle,
	type SharedKind,
} from 'daxkind';
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { runChild } from '../helpers/process.ts';
import { Thread } from '../helpers/thread.ts';

const directory = testDirectory();
closeAfterEach();

const code = (code: string) => expect.objectContaining({ code });
const turn = () => new Promise((resolve) => setImmediate(resolve));

interface Owned {
	kind: PmemKind;
	calls: KindPressure[];
	/** What the next calls of onPressure do. */
	onPressure: (pressure: KindPressure) => void;
}

/** A kind of 16 MiB that notes what onPressure is told. */
function owned(options: PmemKindOptions = {}): Owned {
	const owned = { calls: [] as KindPressure[], onPressure: () => {} } as unknown as Owned;
	owned.kind = create(directory, {
		maxSize: 16 * MIB,
		onPressure(pressure) {
			owned.calls.push(pressure);
			owned.onPressure(pressure);
		},
		...options,
	});
	return owned;
}

/** All ways to allocate. Each returns a function that frees its result. */
const ways: Record<string, (kind: Kind, size: number) => (() => void) | undefined> = {
	malloc: (kind, size) => free(kind, kind.malloc(size)),
	tryMalloc: (kind, size) => free(kind, kind.tryMalloc(size)),
	calloc: (kind, size) => free(kind, kind.calloc(1, size)),
	memalign: (kind, size) => free(kind, kind.memalign(64, size)),
	buffer: (kind, size) => free(kind, kind.buffer(size)),
	'realloc that moves': (kind, size) => free(kind, kind.realloc(kind.malloc(16), size)),
	mallocRaw: (kind, size) => freeRaw(kind, kind.mallocRaw(size)),
	tryMallocRaw: (kind, size) => freeRaw(kind, kind.tryMallocRaw(size)),
};
const free = (kind: Kind, block?: Block) => (block === undefined ? undefined : () => kind.free(block));
const freeRaw = (kind: Kind, handle: number) => (handle === 0 ? undefined : () => kind.freeRaw(handle as RawHandle));

for (const [name, allocate] of Object.entries({
	...ways,
	'realloc in its place': (kind: Kind, size: number) => free(kind, kind.realloc(kind.malloc(9 * KIB), size)),
})) {
	test(`the threshold is told once for each time that ${name} passes it, in a later turn`, async () => {
		const { kind, calls } = owned({ pressureThreshold: 0.5 });
		for (let crossing = 1; crossing <= 3; crossing++) {
			const giveBack = allocate(kind, 6 * MIB)!;
			await turn();
			expect(calls).toHaveLength(crossing - 1);
			const last = allocate(kind, 3 * MIB)!;
			expect(calls).toHaveLength(crossing - 1);
			await turn();
			expect(calls).toHaveLength(crossing);
			const { reason, requested, stats } = calls[crossing - 1]!;
			expect({ reason, requested }).toEqual({ reason: 'threshold', requested: 0 });
			expect(stats.allocated).toBeGreaterThanOrEqual(8 * MIB);
			expect(stats.capacity).toBe(16 * MIB);
			giveBack();
			last();
			// One more block does not cause another call for the same crossing.
			allocate(kind, 1000)!();
			await turn();
			expect(calls).toHaveLength(crossing);
			kind.purge();
		}
	});

	test(`what onPressure frees is used by ${name}, which fails if it frees nothing`, () => {
		const owner = owned();
		const { kind, calls } = owner;
		const held = [kind.malloc(8 * MIB), kind.malloc(6 * MIB)];
		owner.onPressure = ({ reason }) => {
			if (reason === 'out-of-memory') kind.free(held.shift());
		};
		const giveBack = allocate(kind, 7 * MIB);
		expect(giveBack).toBeDefined();
		expect(calls.map(({ reason }) => reason)).toEqual(['out-of-memory']);
		expect(calls[0]!.requested).toBe(7 * MIB);
		expect(calls[0]!.stats.allocated).toBeGreaterThanOrEqual(14 * MIB);

		owner.onPressure = () => {};
		for (let failure = 2; failure <= 4; failure++) {
			const { blocks } = kind.stats();
			if (name.startsWith('try')) expect(allocate(kind, 7 * MIB)).toBeUndefined();
			else expect(() => allocate(kind, 7 * MIB)).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
			expect(calls).toHaveLength(failure);
			// The block that was given to realloc is still there.
			expect(kind.stats().blocks - blocks).toBe(name.startsWith('realloc') ? 1 : 0);
		}
	});
}

test('nothing is told below the threshold, which is nine tenths by default', async () => {
	const { kind, calls } = owned();
	const blocks = Array.from({ length: 14 }, () => kind.malloc(MIB));
	await turn();
	expect(calls).toEqual([]);
	blocks.push(kind.malloc(MIB));
	await turn();
	expect(calls).toHaveLength(1);
	// Usage that changes a little around the threshold does not cause another call.
	for (let i = 0; i < 20; i++) kind.free(kind.malloc(200 * KIB + i * 1000));
	await turn();
	expect(calls).toHaveLength(1);
});

test('small blocks pass the threshold, too', async () => {
	const { kind, calls } = owned({ pressureThreshold: 0.25 });
	for (let i = 0; i < 40_000; i++) kind.malloc(100);
	await turn();
	expect(calls).toHaveLength(1);
});

test('a callback that throws makes the allocation throw that, and the next is as if nothing had been', () => {
	const owner = owned();
	const held = owner.kind.malloc(14 * MIB);
	owner.onPressure = () => {
		throw new RangeError('mine');
	};
	for (const allocate of Object.values(ways)) expect(() => allocate(owner.kind, 4 * MIB)).toThrow('mine');
	owner.onPressure = () => owner.kind.free(held);
	owner.kind.free(owner.kind.malloc(13 * MIB));
});

test('a callback that closes the kind makes the allocation a misuse, whatever it was', () => {
	for (const allocate of Object.values(ways)) {
		const owner = owned();
		const held = owner.kind.malloc(14 * MIB);
		owner.onPressure = () => void owner.kind.close();
		expect(() => allocate(owner.kind, 4 * MIB)).toThrow(code('ERR_INVALID_STATE'));
		expect(held.length).toBe(0);
	}
});

test('a callback may allocate: what there is, and in vain without being called again', () => {
	const owner = owned();
	const { kind, calls } = owner;
	const held = [kind.malloc(14 * MIB)];
	const made: Block[] = [];
	owner.onPressure = () => {
		expect(kind.tryMalloc(5 * MIB)).toBeUndefined();
		expect(() => kind.malloc(6 * MIB)).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
		made.push(kind.malloc(MIB).fill(1));
		kind.free(held.pop());
		made.push(kind.malloc(50).fill(2));
	};
	const block = kind.malloc(4 * MIB).fill(3);
	expect(calls).toHaveLength(1);
	expect(made.map((block) => block.every((byte) => byte === block[0]))).toEqual([true, true]);
	for (const each of [block, ...made]) kind.free(each);
	kind.free(kind.malloc(16 * MIB));
});

test('a callback that frees the very block that is being reallocated makes that a double free, and nothing leaks', () => {
	const owner = owned();
	const { kind } = owner;
	const [block, behind] = [kind.malloc(5 * MIB), kind.malloc(9 * MIB)];
	owner.onPressure = () => {
		kind.free(block);
		kind.free(behind);
	};
	expect(() => kind.realloc(block, 6 * MIB)).toThrow(code('ERR_DAXKIND_DOUBLE_FREE'));
	expect(kind.stats().blocks).toBe(0);
});

test('a callback that gives a reference to the very block that is being shortened gives one to what it becomes', () => {
	let reference: BlockReference | undefined;
	const kind = create(directory, {
		maxSize: 16 * MIB,
		onPressure: ({ reason }) => {
			if (reason === 'out-of-memory' && blocks.length > 0) reference ??= kind.ref(blocks[0]!);
		},
	});
	const blocks: Block[] = [];
	const all: Block[] = [];
	for (const size of [64 * 1024, 1024]) {
		for (let block = kind.tryMalloc(size); block !== undefined; block = kind.tryMalloc(size)) all.push(block);
	}
	blocks.push(all[0]!);
	const shortened = kind.realloc(all[0]!, 5000);
	const same = kind.deref(reference!);
	expect([same.byteOffset, same.length]).toEqual([shortened.byteOffset, 5000]);
	kind.free(same);
	const next = kind.malloc(5000);
	expect(Kind.of(shortened)).toBeUndefined();
	expect(() => kind.free(shortened)).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_DOUBLE_FREE' }));
	kind.free(next);
});

test('what onPressure frees in debug mode is used, although it would be kept out of use', () => {
	const owner = owned({ debug: true });
	const held = Array.from({ length: 30 }, () => owner.kind.malloc(500 * KIB));
	owner.onPressure = () => {
		for (const block of held.splice(0)) owner.kind.free(block);
	};
	owner.kind.free(owner.kind.malloc(15 * MIB));
	expect(owner.calls).toHaveLength(1);
});

test('it is about the allocations of its own thread', async () => {
	const { kind, calls } = owned();
	const thread = await Thread.start(kind.share());
	const failed = await thread.run(({ kind }) => {
		while (kind.tryMalloc(2 ** 20) !== undefined);
		return kind.tryMallocRaw(2 ** 20);
	}, undefined);
	expect(failed).toBe(0);
	await turn();
	expect(calls).toEqual([]);
	expect(kind.tryMalloc(2 ** 20)).toBeUndefined();
	expect(calls).toHaveLength(1);
});

test('a thread that attaches hears of its own allocations, by its own threshold', async () => {
	const { kind, calls } = owned();
	const thread = await Thread.start();
	const told = await thread.run(async ({ daxkind }, shared) => {
		const reasons: string[] = [];
		const blocks: Block[] = [];
		const kind = daxkind.Kind.attach(shared, {
			pressureThreshold: 0.5,
			onPressure: ({ reason }) => {
				reasons.push(reason);
				if (reason === 'out-of-memory') for (const block of blocks.splice(0)) kind.free(block);
			},
		});
		while (reasons.length < 2) {
			blocks.push(kind.malloc(2 ** 20));
			await new Promise((resolve) => setImmediate(resolve));
		}
		kind.close();
		return reasons;
	}, kind.share() as SharedKind);
	expect(told).toEqual(['threshold', 'out-of-memory']);
	expect(calls).toEqual([]);
});

test('an error in the callback for the threshold is uncaught, and a kind that is closed by then has no pressure', () => {
	const run = (after: string) =>
		runChild(
			`const kind = PmemKind.create(process.argv[1], { maxSize: ${16 * MIB}, onPressure() { throw new Error('mine'); } });
			kind.malloc(${15 * MIB});
			process.on('uncaughtException', (error) => console.log('uncaught', error.message));
			${after}`,
			directory,
		);
	expect(run('')).toMatchObject({ status: 0, stdout: 'uncaught mine\n' });
	expect(run('kind.close();')).toMatchObject({ status: 0, stdout: '' });
});

for (const [options, expected] of [
	[{ onPressure: 1 }, 'ERR_INVALID_ARG_TYPE'],
	[{ onPressure: null }, 'ERR_INVALID_ARG_TYPE'],
	[{ pressureThreshold: '0.5' }, 'ERR_INVALID_ARG_TYPE'],
	[{ pressureThreshold: 0 }, 'ERR_OUT_OF_RANGE'],
	[{ pressureThreshold: 1.1 }, 'ERR_OUT_OF_RANGE'],
	[{ pressureThreshold: Number.NaN }, 'ERR_OUT_OF_RANGE'],
	[{ pressureThreshold: null }, 'ERR_INVALID_ARG_TYPE'],
	[{ pressureThreshold: 0.5 }, 'ERR_INVALID_ARG_VALUE'],
] as const) {
	test(`${JSON.stringify(options)} is ${expected}`, () => {
		expect(() => PmemKind.create(directory, options as unknown as PmemKindOptions)).toThrow(code(expected));
	});
}
