// A kind can use the memory of its garbage again. V8 is asked to collect it before it fills the kind.
import { truncateSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Block, FixedKind, type Kind, mapFile, OutOfMemoryError, PmemKind } from 'daxkind';
import { expect, test, vi } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { collect, collectedUntil } from '../helpers/garbage.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { readInto } from '../helpers/streams.ts';

const directory = testDirectory();
closeAfterEach();

const turn = () => new Promise((resolve) => setImmediate(resolve));
const code = (code: string) => expect.objectContaining({ code });

for (const [capacity, size] of [
	[16 * MIB, 70_000],
	[64 * MIB, 70_000],
	[64 * MIB, MIB],
	[16 * MIB, 300],
] as const) {
	test(`a service that drops blocks of ${size} bytes goes on in a kind of ${capacity / MIB} MiB`, async () => {
		const kind = create(directory, { maxSize: capacity });
		const kept = kind.malloc(capacity / 4).fill(1);
		for (let bytes = 0, i = 0; bytes < 6 * capacity; bytes += size, i++) {
			kind.buffer(size)[0] = i;
			// There are a hundred small blocks in each turn, as a request of a service may make them.
			if (size > 1000 || i % 100 === 0) await turn();
		}
		expect(kept.equals(Buffer.alloc(capacity / 4, 1))).toBe(true);
	});
}

test('malloc finds the memory again that buffer() has filled with garbage, a turn later', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const fill = () => {
		for (;;) kind.buffer(100_000);
	};
	expect(fill).toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
	for (let turns = 0; turns < 5; turns++) await turn();
	expect(kind.malloc(8 * MIB).length).toBe(8 * MIB);
});

test('in one turn of the event loop it is out of memory, and the error says how much may be garbage', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const error = await (async () => {
		for (;;) kind.buffer(100_000);
	})().catch((error: unknown) => error);
	expect(error).toBeInstanceOf(OutOfMemoryError);
	const { collectable, message } = error as OutOfMemoryError;
	expect(collectable).toBeGreaterThan(12 * MIB);
	expect(message).toContain(`Up to ${collectable} bytes in blocks of buffer() may be garbage`);
	// The form that waits for garbage.
	expect((await kind.bufferAsync(100_000)).length).toBe(100_000);
	const { collectable: none } = (() => {
		try {
			return kind.malloc(17 * MIB) as never;
		} catch (error) {
			return error as OutOfMemoryError;
		}
	})();
	expect(none).toBe(100_000);
});

test('bufferAsync waits for garbage as often as there is any, also many at a time', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	for (let round = 0; round < 20; round++) {
		const use = async () => (await kind.bufferAsync(MIB)).fill(round)[MIB - 1];
		expect(await Promise.all(Array.from({ length: 12 }, use))).toEqual(Array(12).fill(round));
	}
});

test('bufferAsync fails where nothing is garbage, and after close, and ends with its signal', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const held = Array.from({ length: 15 }, () => kind.buffer(MIB));
	await expect(kind.bufferAsync(4 * MIB)).rejects.toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
	await expect(kind.bufferAsync(-1)).rejects.toThrow(code('ERR_OUT_OF_RANGE'));
	await expect(kind.bufferAsync(1, { signal: AbortSignal.abort(new Error('mine')) })).rejects.toThrow('mine');
	const controller = new AbortController();
	const waiting = kind.bufferAsync(4 * MIB, { signal: controller.signal });
	controller.abort(new Error('mine'));
	await expect(waiting).rejects.toThrow('mine');
	const closed = kind.bufferAsync(4 * MIB);
	kind.close();
	await expect(closed).rejects.toThrow(code('ERR_INVALID_STATE'));
	expect(held[0]!.length).toBe(0);
});

test('onPressure is told once of an allocation that waits in vain, and not of one that does not', async () => {
	const onPressure = vi.fn();
	const kind = create(directory, { maxSize: 16 * MIB, onPressure, pressureThreshold: 1 });
	const outOfMemory = () => onPressure.mock.calls.filter(([{ reason }]) => reason === 'out-of-memory').length;
	for (let i = 0; i < 40; i++) await kind.bufferAsync(MIB);
	expect(outOfMemory()).toBe(0);
	await expect(kind.bufferAsync(17 * MIB)).rejects.toThrow(code('ERR_DAXKIND_OUT_OF_MEMORY'));
	expect(outOfMemory()).toBe(1);
});

test('blocks that are in use are not looked for again and again', async () => {
	const kind = create(directory, { maxSize: 64 * MIB });
	const cached: Block[] = [];
	for (let i = 0; i < 800; i++) cached.push(kind.buffer(70_000));
	for (let turns = 0; turns < 5; turns++) await turn();
	const { PerformanceObserver } = await import('node:perf_hooks');
	let collections = 0;
	const observer = new PerformanceObserver((list) => {
		// NODE_PERFORMANCE_GC_MAJOR. Nothing but a request causes one here.
		for (const { detail } of list.getEntries() as unknown as { detail: { kind: number } }[])
			if (detail.kind === 4) collections++;
	});
	observer.observe({ entryTypes: ['gc'] });
	// This is a cache that is nearly full, and drops the oldest block for each new one.
	for (let i = 0; i < 800; i++) {
		kind.free(cached[i]);
		cached[i] = kind.buffer(70_000);
		await turn();
	}
	await new Promise((resolve) => setTimeout(resolve, 50));
	observer.disconnect();
	expect(collections).toBeLessThan(8);
});

test('what a program has set of V8 stays as it was', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const before = runInNewContext('typeof gc');
	for (let i = 0; i < 40; i++) await kind.bufferAsync(MIB);
	expect(runInNewContext('typeof gc')).toBe(before);
	setFlagsFromString('--no-expose-gc');
	try {
		for (let i = 0; i < 40; i++) await kind.bufferAsync(MIB);
		expect(runInNewContext('typeof gc')).toBe('undefined');
	} finally {
		setFlagsFromString('--expose-gc');
	}
});

// ---- Kinds that are garbage -----------------------------------------------------------------------------------------

/** Collects the warnings of kinds that were not closed while `run` is running, which gets the list. */
async function warningsOf(run: (warnings: (Error & { detail: string })[]) => Promise<void>): Promise<void> {
	const warnings: (Error & { detail: string })[] = [];
	const listen = (warning: Error) => {
		if ((warning as { code?: string }).code === 'DAXKIND_NOT_CLOSED') warnings.push(warning as never);
	};
	process.on('warning', listen);
	try {
		await run(warnings);
	} finally {
		process.off('warning', listen);
	}
}

const makers: Record<string, () => Kind | Promise<Kind>> = {
	create: () => PmemKind.create(directory, { maxSize: 16 * MIB }),
	createAsync: () => PmemKind.createAsync(directory, { maxSize: 16 * MIB }),
	'create with debug': () => PmemKind.create(directory, { maxSize: 16 * MIB, debug: true }),
};

for (const [name, make] of Object.entries(makers)) {
	test(`a kind of ${name} that nobody can reach is closed, with a warning that says where it was made`, async () => {
		await warningsOf(async (warnings) => {
			const region = { isGone: false };
			await (async () => {
				const kind = await make();
				kind.malloc(100).fill(1);
				kind.buffer(100);
				const other = PmemKind.attach((kind as PmemKind).share());
				expect(other.closed).toBe(false);
				new FinalizationRegistry(() => {
					region.isGone = true;
				}).register(kind, undefined);
			})();
			await collectedUntil(() => warnings.length === 2);
			expect(warnings[0]!.message).toContain(`A kind on '${directory}' became garbage`);
			for (const { detail } of warnings) expect(detail).toMatch(/^It was made here:\n.* at .*garbage\.test\.ts/);
		});
	});
}

test('the warning names a kind that has a name', async () => {
	await warningsOf(async (warnings) => {
		await (async () => {
			const kind = PmemKind.create(directory, { maxSize: 16 * MIB, name: 'pages' });
			PmemKind.attach(kind.share());
		})();
		await collectedUntil(() => warnings.length === 2);
		for (const { message } of warnings) expect(message).toContain(`The kind 'pages' on '${directory}' became garbage`);
	});
});

test('a closed kind gives no warning, and one whose blocks can be reached is not closed', async () => {
	await warningsOf(async (warnings) => {
		const block = await (async () => {
			(await PmemKind.createAsync(directory, { maxSize: 16 * MIB })).close();
			return PmemKind.create(directory, { maxSize: 16 * MIB })
				.malloc(100)
				.fill(7);
		})();
		await collect();
		expect(warnings).toEqual([]);
		expect(block.equals(Buffer.alloc(100, 7))).toBe(true);
	});
});

test('memory that a part of a block, or what a stream has taken, can reach stays until that is garbage', async () => {
	await warningsOf(async (warnings) => {
		const parts: (Uint8Array | undefined)[] = [];
		const path = `${directory}/garbage.img`;
		writeFileSync(path, '');
		truncateSync(path, 4 * MIB);
		const mapping = mapFile(path);
		await (async () => {
			const kind = FixedKind.create(mapping);
			parts.push(kind.malloc(100).fill(6).subarray(10), kind.buffer(100_000).fill(8).subarray(10));
			parts.push(await readInto(kind.buffer(100_000)));
		})();
		const isForgotten = () => warnings.some(({ message }) => message.includes('garbage.img'));
		await collectedUntil(isForgotten);
		await collect();
		expect(parts.map((part) => part!.every((byte) => byte === part![0]) && part![0])).toEqual([6, 8, 7]);
		// The mapping is in use until then.
		expect(() => FixedKind.create(mapping)).toThrow(code('ERR_INVALID_STATE'));
		parts.fill(undefined);
		const isFree = () => {
			try {
				FixedKind.create(mapping).close();
				return true;
			} catch {
				return false;
			}
		};
		await collectedUntil(isFree);
		mapping.unmap();
	});
});
