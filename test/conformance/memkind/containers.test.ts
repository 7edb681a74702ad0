// memkind's C++ allocators (pmem_allocator.h): what their tests build with them, a vector, a list, a map and strings.
// Here they are built out of the malloc family, because JavaScript's own containers keep no elements in a kind.
import { type Block, type Kind, minPmemSize } from 'daxkind';
import { beforeEach, expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../../helpers/directory.ts';
import { closeAfterEach, create } from '../../helpers/kinds.ts';

const directory = testDirectory();
closeAfterEach();
let kind: Kind;
beforeEach(() => {
	kind = create(directory, { maxSize: minPmemSize });
});

/** A vector of 32-bit integers. It doubles when it grows. */
class IntVector {
	#kind: Kind;
	#block: Block;
	#length = 0;
	constructor(kind: Kind) {
		this.#kind = kind;
		this.#block = kind.malloc(4);
	}
	push(value: number): void {
		if (this.#length * 4 === this.#block.length) this.#block = this.#kind.realloc(this.#block, this.#block.length * 2);
		this.#block.writeInt32LE(value, this.#length++ * 4);
	}
	at(index: number): number {
		return this.#block.readInt32LE(index * 4);
	}
	free(): void {
		this.#kind.free(this.#block);
	}
}

test('test_TC_MEMKIND_AllocatorUsage_Vector_Test: a vector that grows by realloc keeps its elements', () => {
	const vector = new IntVector(kind);
	for (let i = 0; i < 100_000; i++) vector.push(0xdead + i);
	for (let i = 0; i < 100_000; i++) if (vector.at(i) !== 0xdead + i) expect.fail(`element ${i}`);
	vector.free();
	expect(kind.stats()).toMatchObject({ blocks: 0, allocated: 0 });
});

test('test_TC_MEMKIND_MultipleAllocatorUsageVector_Test: two vectors in one kind do not mix', () => {
	const [one, two] = [new IntVector(kind), new IntVector(kind)];
	for (let i = 0; i < 1000; i++) {
		one.push(0xdead + i);
		two.push(0xfeed + i);
	}
	const distances = Array.from({ length: 1000 }, (_, i) => two.at(i) - one.at(i));
	expect(new Set(distances)).toEqual(new Set([0xfeed - 0xdead]));
});

test('test_TC_MEMKIND_AllocatorUsage_List_Test: nodes at the end of a list come and go', () => {
	const nodes: Block[] = [];
	for (let i = 0; i < 1000; i++) {
		const node = kind.malloc(16);
		node.writeInt32LE(0xbeac011 + i);
		nodes.push(node);
	}
	for (let i = 999; i >= 0; i--) {
		const node = nodes.pop()!;
		expect(node.readInt32LE()).toBe(0xbeac011 + i);
		kind.free(node);
	}
	expect(kind.stats().blocks).toBe(0);
});

/** Puts a string into a map. Its bytes are in memory of the kind. */
function put<Key>(map: Map<Key, Buffer>, key: Key, value: string): void {
	kind.free(map.get(key) as Block);
	const block = kind.malloc(Buffer.byteLength(value));
	block.write(value);
	map.set(key, block);
}

test('test_TC_MEMKIND_AllocatorUsage_Map_Test: values of a map in a kind are replaced, and each key has its own', () => {
	const map = new Map<string, Buffer>();
	const expected = new Map<string, string>();
	for (let i = 0; i < 5000; i++) {
		for (const key of [String(i), String((i * 997 + 83) % 113)]) {
			const value = String(0x0cea11 + i);
			put(map, key, value);
			expected.set(key, value);
		}
	}
	for (const [key, value] of expected) if (map.get(key)?.toString() !== value) expect.fail(`key ${key}`);
	expect(kind.stats().blocks).toBe(expected.size);
});

test('test_TC_MEMKIND_AllocatorUsage_VectorOfString_Test: a long string of many alphabets is what it was', () => {
	const text = 'Very very loooong striiiing, очень длинная, とても長い '.repeat(1000);
	const block = kind.malloc(Buffer.byteLength(text));
	expect(block.write(text)).toBe(block.length);
	expect(block.toString() === text).toBe(true);
});

test('test_TC_MEMKIND_AllocatorScopedUsage_MapOfIntString_Test: a value is replaced by a longer one', () => {
	const map = new Map<number, Buffer>();
	for (const value of ['Lorem ipsum dolor ', 'sit amet consectetuer adipiscing elit']) {
		put(map, 165, value);
		expect(map.get(165)!.toString()).toBe(value);
	}
	expect(kind.stats().blocks).toBe(1);
});

for (const policy of ['default', 'conservative'] as const) {
	const suffix = policy === 'default' ? '_Test' : '_TestConservative';
	test(`test_TC_MEMKIND_Allocator_SingleAllocationDeallocation${suffix}: one element comes and goes`, () => {
		const single = create(directory, { maxSize: 1024 * MIB, policy });
		single.free(single.malloc(4));
		expect(single.stats()).toMatchObject({ blocks: 0, allocated: 0 });
	});
}

test('test_TC_MEMKIND_MultipleAllocatorUsage_Test: one kind after the other in one directory', () => {
	for (let i = 0; i < 2; i++) {
		const next = create(directory, { maxSize: 1024 * MIB });
		expect(next.capacity).toBe(1024 * MIB);
		next.close();
	}
});

test('test_TC_MEMKIND_AllocatorCompare_DifferentKindSameType_Test: of two kinds none takes what is the other one’s', () => {
	const other = create(directory, { maxSize: minPmemSize });
	const blocks = [kind.malloc(4), other.malloc(4)] as const;
	expect(() => other.free(blocks[0])).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_WRONG_KIND' }));
	expect(() => kind.free(blocks[1])).toThrow(expect.objectContaining({ code: 'ERR_DAXKIND_WRONG_KIND' }));
	kind.free(blocks[0]);
	other.free(blocks[1]);
});
