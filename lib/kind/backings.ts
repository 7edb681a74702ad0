// The backings of ordinary blocks, by segment and magazine. malloc needs one to make a Buffer of a place that it takes
// out of the thread cache.
//
// A magazine of runs is for one length at a time, and the backing in this table is of that length. Only a backing in
// this table has a thread cache. So code that has a backing with a cache need not ask what the magazine is for. Before
// the magazine changes to another length, `retire` takes the backings out.
import { type Backing, noCache } from './block.ts';
import { magazineOf, magazines } from './codes.ts';
import { tableIndex } from './fast-path.ts';

export class Backings {
	/** By `tableIndex`. Segment -1 has no backings. `clear` empties it, and it is never replaced by another array. */
	readonly table: (Backing | undefined)[] = [];

	constructor() {
		this.#grow(magazines);
	}

	get(segment: number, code: number): Backing | undefined {
		return this.table[tableIndex(segment, magazineOf(code))];
	}

	/** From now on malloc makes its blocks with this backing. The magazine must be for its code. */
	put(backing: Backing): void {
		const { table } = this;
		const index = tableIndex(backing.segment, magazineOf(backing.code));
		this.#grow(tableIndex(backing.segment + 1, 0));
		// The segment's ArrayBuffer has been transferred. The blocks of the old one take the slow path from now on.
		const before = table[index];
		if (before !== undefined) before.cache = noCache;
		table[index] = backing;
	}

	/** Says that the magazine of a code may be for another code from now on. */
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

	// There are no holes, so a look at an absent backing costs no more than a look at one that is there.
	#grow(length: number): void {
		while (this.table.length < length) this.table[this.table.length] = undefined;
	}
}
