// The contestants that run in JavaScript, as pairs of malloc and free. A child process makes one of them only, so that
// V8 inlines the calls as it would in a program that uses just that one.

const free = () => {};

const makers = {
	async daxkind({ directory, kindSize }) {
		const { PmemKind } = await import('daxkind');
		const kind = PmemKind.create(directory, { maxSize: kindSize });
		return {
			malloc: (size) => kind.malloc(size),
			tryMalloc: (size) => kind.tryMalloc(size),
			free: (block) => kind.free(block),
			capacity: kind.capacity,
			end() {
				const { blocks } = kind.stats();
				kind.close();
				if (blocks !== 0) throw new Error(`${blocks} blocks are left after all were freed`);
			},
		};
	},
	alloc: () => ({ malloc: (size) => Buffer.alloc(size), free, end: free }),
	allocUnsafe: () => ({ malloc: (size) => Buffer.allocUnsafe(size), free, end: free }),
	allocUnsafeSlow: () => ({ malloc: (size) => Buffer.allocUnsafeSlow(size), free, end: free }),
};

/** With `touch`, malloc writes one byte into each block. */
export async function makeAllocator(name, options) {
	const allocator = await makers[name](options);
	if (!options.touch) return allocator;
	const { malloc } = allocator;
	const touched = (size) => {
		const block = malloc(size);
		block[0] = 1;
		return block;
	};
	return { ...allocator, malloc: touched };
}
