// What a worker has counted, in memory that the supervisor reads while the worker runs and after it was terminated.

/** Every operation, as the summary names it. */
export const operations = [
	'malloc',
	'tryMalloc',
	'calloc',
	'memalign',
	'buffer',
	'mallocRaw',
	'realloc up',
	'realloc down',
	'realloc to 0',
	'free',
	'freeRaw',
	'left to the collector',
	'defragReallocate',
	'moved by it',
	'usableSize',
	'ref and hand over',
	'deref and take over',
	'raw handed over',
	'raw taken over',
	'race begun',
	'race won',
	'race lost',
	'stale reference',
	'misuse',
	'stats',
	'sizeClasses',
	'purge',
	'purgeAsync',
	'purgeAsync aborted',
	'check',
];

const others = [
	/** Blocks that the worker holds, but for those that the garbage collector frees. */
	'live',
	/** Those of them that others may know: they stay when the worker is terminated. */
	'shared',
	/** Blocks on their way to another worker, and those that have arrived (or were freed on arrival). */
	'sent',
	'received',
	/** OutOfMemoryErrors and calls that returned nothing. */
	'out of memory',
	/** Contents compared. */
	'checked',
	/** Which operation runs now (index in `operations`), for a worker that hangs. */
	'running',
	/** Operations done. */
	'done',
];

const names = [...operations, ...others];
const indexOf = Object.fromEntries(names.map((name, index) => [name, index]));

export class Tally {
	#words;

	/** Over the memory of another thread's tally; or a new one. */
	constructor(memory = new SharedArrayBuffer(names.length * 4)) {
		this.#words = new Int32Array(memory);
	}

	get memory() {
		return this.#words.buffer;
	}

	get(name) {
		return Atomics.load(this.#words, indexOf[name]);
	}

	add(name, count = 1) {
		Atomics.add(this.#words, indexOf[name], count);
	}

	begin(name) {
		Atomics.store(this.#words, indexOf.running, indexOf[name]);
	}

	get running() {
		return names[this.get('running')];
	}
}

/** What all tallies have counted of something. */
export function sum(tallies, name) {
	return tallies.reduce((total, tally) => total + tally.get(name), 0);
}
