// A list of objects that keeps none of them alive.

/** How many objects are added before those that are gone are forgotten. */
const untilFirstSweep = 64;

export class WeakList<T extends object> {
	/** A set keeps the order in which objects were added. */
	readonly #references = new Set<WeakRef<T>>();
	readonly #isKept: (object: T) => boolean;
	#untilSweep = untilFirstSweep;

	/** @param isKept Whether an object is to stay in the list, as long as it is no garbage. */
	constructor(isKept: (object: T) => boolean = () => true) {
		this.#isKept = isKept;
	}

	add(object: T): void {
		this.#untilSweep -= 1;
		if (this.#untilSweep <= 0) {
			this.list();
			this.#untilSweep = untilFirstSweep + this.#references.size;
		}
		this.#references.add(new WeakRef(object));
	}

	/** The objects, the oldest first. What is garbage, or is not kept, is forgotten. */
	list(): T[] {
		const objects: T[] = [];
		for (const reference of this.#references) {
			const object = reference.deref();
			// This is no push, because a script can replace that.
			if (object !== undefined && this.#isKept(object)) objects[objects.length] = object;
			else this.#references.delete(reference);
		}
		return objects;
	}

	clear(): void {
		this.#references.clear();
	}
}
