// Where the values of one field lie: in views of the blocks of a record array. Each block but the last holds the same
// number of records, a power of two, so that a shift finds the block.
import { invalidArgType, invalidState, outOfRange } from '../errors.ts';

/**
 * The values of one field. All fields have objects of this class, so V8 knows the shape of whatever its methods look
 * at.
 */
export class Column<View extends { readonly length: number }> {
	/** A view of each block. They have length 0 once the kind is closed. */
	views: View[];
	/** How many records there are. -1 once they have been freed. */
	length: number;
	readonly #shift: number;
	readonly #mask: number;
	/** From one record to the next, and from the start of a record to the field, in elements of the view. */
	readonly #step: number;
	readonly #first: number;

	constructor(views: View[], length: number, shift: number, step: number, first: number) {
		this.views = views;
		this.length = length;
		this.#shift = shift;
		this.#mask = 2 ** shift - 1;
		this.#step = step;
		this.#first = first;
	}

	/** The view in which the field of a record lies. Throws if there is no such record. */
	view(index: number): View {
		// The second condition refuses negative numbers, fractions and NaN.
		if (typeof index !== 'number' || index >>> 0 !== index || index >= this.length) this.#refuse(index);
		return this.views[index >>> this.#shift]!;
	}

	/** The same, but throws also if the view has no memory. */
	live(index: number): View {
		const view = this.view(index);
		if (view.length === 0) this.gone();
		return view;
	}

	/** Where in that view it begins. */
	at(index: number): number {
		return (index & this.#mask) * this.#step + this.#first;
	}

	/** Takes the memory away. */
	end(): void {
		this.views = [];
		this.length = -1;
	}

	/** Throws because a view has no memory. */
	gone(): never {
		throw invalidState('the kind of these records is closed, or their ArrayBuffer has been transferred');
	}

	#refuse(index: unknown): never {
		if (this.length < 0) throw invalidState('the records have been freed');
		if (typeof index !== 'number') throw invalidArgType('index', 'of type number', index);
		if (!Number.isInteger(index)) throw outOfRange('index', 'an integer', index);
		throw outOfRange('index', `>= 0 && < ${this.length}`, index);
	}
}
