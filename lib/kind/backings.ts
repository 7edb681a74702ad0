// The backings of ordinary blocks, by segment and magazine: what malloc needs to make a Buffer of a place that it takes out
// of the thread cache.
//
// A magazine of runs is for one length at a time. The backing in this table is of that length, and only the backing in this
// table has a thread cache: so nobody who has it need ask what the magazine is for. Before the magazine becomes another
// length's, `retire` takes them out.
import { type Backing, noCache } from './block.ts';
import { magazineOf, magazines } from './fast-path.ts';

/** Where the backing is of a block in this segment; of segment -1, which stands for a place by number, there is none. */
function indexOf(segment: number, magazine: number): number {
	return (segment + 1) * magazines + magazine;
}

export class Backings {
	/** By segment, from -1 on, and magazine. Emptied by `clear`, and never another array. */
	readonly table: (Backing | undefined)[] = [];

	constructor() {
		this.#grow(magazines);
	}

	get(segment: number, code: number): Backing | undefined {
		return this.table[indexOf(segment, magazineOf(code))];
	}

	/** From now on malloc makes its blocks of it. Its magazine is for its code. */
	put(backing: Backing): void {
		this.#grow(indexOf(backing.segment + 1, 0));
		this.table[indexOf(backing.segment, magazineOf(backing.code))] = backing;
	}

	/** The magazine of a code may be for another code from now on. */
	retire(code: number): void {
		const { table } = this;
		for (let index = magazineOf(code); index < table.length; index += magazines) {
			const backing = table[index];
			if (backing === undefined) continue;
			backing.cache = noCache;
			table[index] = undefined;
		}
	}

	clear(): void {
		this.table.length = 0;
	}

	// No holes: to look at what is not there costs no more than at what is.
	#grow(length: number): void {
		while (this.table.length < length) this.table[this.table.length] = undefined;
	}
}
