// The counts of a worker, in memory that the supervisor can read while the worker runs, and after it was terminated.
import { freeing, making, others } from '../players/operations.mjs';

export const operations = [...making, ...freeing, ...others].map(([name]) => name);

/**
 * `live`: blocks that the worker holds, without those that the garbage collector frees. `shared`: those of them that
 * others may know. They stay when the worker is terminated. `sent` and `received`: blocks that changed hands.
 * `running`: the operation that runs now, which is needed if a worker hangs.
 */
const moments = ['live', 'shared', 'sent', 'received', 'race begun', 'race won', 'race lost', 'running'];
const names = [...operations, ...moments, 'done', 'out of memory', 'checked'];
const indexOf = Object.fromEntries(names.map((name, index) => [name, index]));

export class Tally {
	#words;

	/** Uses the memory of another thread's tally, or makes a new one. */
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

	/** Notes the operation that begins now. */
	begin(name) {
		Atomics.store(this.#words, indexOf.running, indexOf[name]);
	}

	get running() {
		return names[this.get('running')];
	}
}
