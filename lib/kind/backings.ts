// The backings of ordinary blocks, by segment and magazine: what malloc needs to make a Buffer of a place that it takes out
// of the thread cache.
//
// A magazine of runs is for one length at a time. The backing in this table is of that length, and only the backing in this
// table has a thread cache: so nobody who has it need ask what the magazine is for. Before the magazine becomes another
// length's, `retire` takes them out.
import { type Backing, noCache } from './block.ts';
import { magazineOf, magazines } from './codes.ts';
import { tableIndex } from './fast-path.ts';

export class Backings {
	/** By `tableIndex`; of segment -1 there is none. Emptied by `clear`, and never another array. */
	readonly table: (Backing | undefined)[] = [];

	constructor() {
		this.#grow(magazines);
	}

	get(segment: number, code: number): Backing | undefined {
		return this.table[tableIndex(segment, magazineOf(code))];
	}

	/** From now on malloc makes its blocks of it. Its magazine is for its code. */
	put(backing: Backing): void {
		const { table } = this;
		const index = tableIndex(backing.segment, magazineOf(backing.code));
		this.#grow(tableIndex(backing.segment + 1, 0));
		// The segment's ArrayBuffer has been transferred: the blocks of the old one take the slow way from now on.
		const before = table[index];
		if (before !== undefined) before.cache = noCache;
		table[index] = backing;
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
