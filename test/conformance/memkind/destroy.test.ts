// memkind_destroy_kind: kinds come and go, and leave nothing behind.
import { fstatSync } from 'node:fs';
import { minPmemSize } from 'daxkind';
import { expect, test } from 'vitest';
import { KIB, MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { fill, partSize } from '../../helpers/fill.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';
import { holdings, namelessFiles } from '../../helpers/process.ts';

const directory = testDirectory();
/** MEMKIND_MAX_KIND. */
const rounds = 512;
closeAfterEach();

/** The descriptors that kinds have now. */
const descriptors = () => namelessFiles(directory).map(({ fd }) => fd);

test('test_TC_MEMKIND_PmemDestroyKind: kinds out of the middle go, and one that comes takes their place', () => {
	create(directory, { maxSize: minPmemSize }).close();
	const kinds = Array.from({ length: 10 }, () => create(directory, { maxSize: minPmemSize }));
	const held = kinds.map((kind, i) => kind.malloc(100).fill(i));
	const all = descriptors();
	kinds[5]!.close();
	kinds[6]!.close();
	expect(descriptors()).toHaveLength(8);
	const again = create(directory, { maxSize: minPmemSize });
	again.malloc(100).fill(0xff);
	// The new kind has a descriptor that an earlier one had. memkind names kinds by descriptors and refuses a name that
	// is taken.
	expect(all).toEqual(expect.arrayContaining(descriptors()));
	expect(held[5]).toHaveLength(0);
	for (const i of [0, 4, 7, 9]) expect(held[i]!.equals(Buffer.alloc(100, i))).toBe(true);
});

test('test_TC_MEMKIND_PmemDestroyKindArenaZero: what a closed kind held is there for the next', () => {
	create(directory, { maxSize: minPmemSize }).close();
	const before = holdings();
	create(directory, { maxSize: minPmemSize }).close();
	expect(holdings().descriptors).toBe(before.descriptors);
});

function cycles(each: (kind: ReturnType<typeof create>) => void): void {
	const before = holdings();
	for (let round = 0; round < rounds; round++) {
		const kind = create(directory, { maxSize: minPmemSize });
		each(kind);
		kind.close();
	}
	expect(holdings().descriptors).toBe(before.descriptors);
	expect(namelessFiles(directory)).toEqual([]);
}

test('test_TC_MEMKIND_PmemCreateDestroyKindEmptyLoop: 512 kinds one after the other leave nothing', () => {
	cycles(() => {});
});

test('test_TC_MEMKIND_PmemCreateDestroyKindLoopMallocSmallSizeFreeDefinedPmemKind: nor if they were used', () => {
	cycles((kind) => kind.free(kind.malloc(KIB)));
});

test('test_TC_MEMKIND_PmemCreateDestroyKindLoopMallocDifferentSizesDifferentKindsDefinedFreeForAllKinds: nor beside ordinary Buffers', () => {
	cycles((kind) => {
		for (const size of [KIB, 2 * MIB]) {
			kind.free(kind.malloc(size));
			expect(Buffer.allocUnsafeSlow(size)).toHaveLength(size);
		}
	});
});

test('test_TC_MEMKIND_PmemCreateDestroyKindLoopMallocDifferentSizesDifferentKindsDefinedFreeForNotPmemKinds: nor if blocks are held at the end', () => {
	cycles((kind) => {
		kind.free(kind.malloc(KIB));
		const held = [kind.malloc(KIB), kind.malloc(2 * MIB)];
		kind.close();
		expect(held.map((block) => block.length)).toEqual([0, 0]);
	});
});

test('test_TC_MEMKIND_PmemCreateDestroyKindLoopWithRealloc: nor if blocks were reallocated', () => {
	cycles((kind) => kind.free(kind.realloc(kind.malloc(512), KIB)));
});

for (const [name, what, allocate] of [
	['Large', 'long', (kind: ReturnType<typeof create>) => fill(kind, 16 * KIB).length],
	['Small', 'small', (kind: ReturnType<typeof create>) => Array.from({ length: 100 }, () => kind.malloc(32)).length],
] as const) {
	test(`test_TC_MEMKIND_PmemFreeMemoryAfterDestroy${name}Class: the storage of ${what} blocks is the file system's again`, () => {
		const kind = create(directory, { maxSize: partSize });
		expect(allocate(kind)).toBeGreaterThan(0);
		// This looks at the kind's own file, because others use the file system too. A file that nothing refers to any
		// more is free.
		const [file] = namelessFiles(directory);
		expect(fstatSync(file!.fd).blocks * 512).toBe(name === 'Large' ? 18 * MIB : 2 * MIB);
		const { mappings } = holdings();
		kind.close();
		expect(namelessFiles(directory)).toEqual([]);
		expect(holdings().mappings).toBeLessThan(mappings);
	});
}

test('memkind_destroy_kind: twice is no error, and a closed kind refuses everything but that', () => {
	const kind = create(directory, { maxSize: minPmemSize });
	const block = kind.malloc(10);
	kind.close();
	kind.close();
	const state = expect.objectContaining({ code: 'ERR_INVALID_STATE' });
	for (const call of [
		() => kind.malloc(1),
		() => kind.tryMalloc(1),
		() => kind.calloc(1, 1),
		() => kind.realloc(block, 20),
		() => kind.memalign(64, 1),
		() => kind.free(block),
		() => kind.usableSize(block),
		() => kind.stats(),
		() => kind.purge(),
	]) {
		expect(call).toThrow(state);
	}
	kind.close();
});
