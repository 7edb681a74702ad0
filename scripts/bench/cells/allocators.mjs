// The contestants that run in JavaScript, as pairs of malloc and free. A process makes only one of them, so that V8
// inlines the calls as in a program that uses just that one.
import { Kind } from 'daxkind';
import { openKind } from '../place.mjs';

const nothing = () => {};
const newArray = (length) => new Array(length).fill(null);

/** The two ways to hold blocks of a kind: Buffers, and raw handles in an array of numbers. */
const ways = {
	daxkind: (kind) => ({
		malloc: (size) => kind.malloc(size),
		tryMalloc: (size) => kind.tryMalloc(size),
		free: (block) => kind.free(block),
		touch(block) {
			block[0] = 1;
		},
		none: undefined,
		newList: newArray,
	}),
	raw: (kind) => ({
		malloc: (size) => kind.mallocRaw(size),
		tryMalloc: (size) => kind.tryMallocRaw(size),
		free: (handle) => kind.freeRaw(handle),
		touch(handle) {
			kind.view(handle, 1)[0] = 1;
		},
		none: 0,
		newList: (length) => new Float64Array(length),
	}),
};

function onKind(way, kind) {
	return {
		...way(kind),
		kind,
		capacity: kind.capacity,
		end() {
			// Blocks of other threads are not counted as this thread's.
			const leaks = kind.close();
			if (leaks !== undefined) throw new Error(`${leaks.blocks} blocks are left after all were freed`);
		},
	};
}

const buffers = (malloc) => ({
	malloc,
	free: nothing,
	touch: ways.daxkind().touch,
	newList: newArray,
	end: nothing,
});

const rivals = {
	alloc: () => buffers((size) => Buffer.alloc(size)),
	allocUnsafe: () => buffers((size) => Buffer.allocUnsafe(size)),
	allocUnsafeSlow: () => buffers((size) => Buffer.allocUnsafeSlow(size)),
};

function touching({ malloc, touch, ...rest }) {
	const touched = (size) => {
		const block = malloc(size);
		touch(block);
		return block;
	};
	return { ...rest, touch, malloc: touched };
}

/**
 * @param options `touch`: malloc writes one byte into each block. `shared`: join that kind in place of making one.
 */
export function makeAllocator(name, { directory, kindSize, touch, shared }) {
	const open = () => (shared ? Kind.attach(shared) : openKind(directory, { maxSize: kindSize }));
	const allocator = name in ways ? onKind(ways[name], open()) : rivals[name]();
	return touch ? touching(allocator) : allocator;
}
