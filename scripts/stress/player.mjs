// What one worker holds of the shared kind, and how it looks after it: what every block contains, whether it still does,
// and what is counted where.
import { Kind } from 'daxkind';
import { expectedByte, firstWrong, paint, sampleWrong } from './content.mjs';

/** Something that must not be. `report` is what the supervisor prints. */
export class Finding extends Error {
	name = 'Finding';

	constructor(what, report = {}) {
		super(what);
		this.report = report;
	}
}

const codeOf = (call) => {
	try {
		call();
		return 'nothing thrown';
	} catch (error) {
		return error?.code ?? String(error);
	}
};

/** Buffers and references that are kept after their blocks were freed, for misuse. */
const mostFreed = 64;

export class Player {
	/** The kind that all workers share, and a small one of this worker's. */
	kind;
	own;
	random;
	tally;
	/** Where the kind's memory begins in the address space; undefined: unknown. */
	base;
	isDebugging;
	/**
	 * `form` is block, collected (freed by the garbage collector), viewed (the same, of which only a view is held) or raw;
	 * `memory` is the Buffer, or the raw handle.
	 */
	held = [];
	/** Bytes of all that is held. */
	bytes = 0;
	freed = [];
	staleReferences = [];
	/** A purgeAsync that still runs. */
	pending;
	/** What it asks for now, see newPhase. */
	phase;
	/** Of the call that runs now, for reports. */
	operation = '';
	#nextId;

	constructor(given) {
		Object.assign(this, given);
		this.#nextId = given.firstId;
	}

	/** Fails with everything that is known about a block. */
	fail(what, entry, more = {}) {
		throw new Finding(what, { operation: this.operation, ...more, ...(entry && { block: this.#describe(entry) }) });
	}

	expect(isSo, what, entry, more) {
		if (!isSo) this.fail(what, entry, more);
	}

	/** Misuse: the call has to throw an error with this code. */
	expectCode(code, what, call) {
		const found = codeOf(call);
		if (found !== code) this.fail(`${what}: expected ${code}`, undefined, { found });
	}

	/**
	 * Makes a call that may find no memory, and checks how it says so.
	 *
	 * @param requested What the error has to name.
	 * @returns undefined if there was none.
	 */
	attempt(requested, call) {
		let result;
		try {
			result = call();
		} catch (error) {
			if (error?.code !== 'ERR_DAXKIND_OUT_OF_MEMORY') throw error;
			const { capacity, allocated, reason } = error;
			const isSound =
				error.requested === requested &&
				capacity === this.kind.capacity &&
				allocated >= 0 &&
				allocated <= capacity &&
				['limit', 'fragmented', 'file-system-full'].includes(reason);
			if (!isSound)
				this.fail('an OutOfMemoryError says something wrong', undefined, { error: { ...error }, requested });
		}
		if (!result) this.tally.add('out of memory');
		return result || undefined;
	}

	/** A new block: fills it and keeps it. */
	keep(form, memory, size, alignment = 16) {
		const entry = { form, memory, size, alignment, id: this.#nextId++, isReferenced: false, madeBy: this.operation };
		// Fresh, or from another thread: the memory is as long as it should be, and where it should be.
		this.checkPlace(entry);
		paint(this.memoryOf(entry), entry.id);
		this.adopt(entry);
		return entry;
	}

	/** Keeps a block that is filled already. */
	adopt(entry) {
		entry.at = this.held.push(entry) - 1;
		this.bytes += entry.size;
		this.#count(entry, 1);
	}

	/** Keeps an entry no longer. */
	drop(entry) {
		const last = this.held.pop();
		if (last !== entry) {
			this.held[entry.at] = last;
			last.at = entry.at;
		}
		this.bytes -= entry.size;
		this.#count(entry, -1);
	}

	#count({ form, isReferenced }, by) {
		if (form === 'block' || form === 'raw') this.tally.add('live', by);
		if (form === 'raw' || (form === 'block' && isReferenced)) this.tally.add('shared', by);
	}

	/** Some block that is held, of one of the forms; undefined if the few that were looked at are none. */
	choose(...forms) {
		for (let tries = 0; tries < 8 && this.held.length > 0; tries++) {
			const entry = this.random.pick(this.held);
			if (forms.length === 0 || forms.includes(entry.form)) return entry;
		}
		return undefined;
	}

	memoryOf({ form, memory, size }) {
		return form === 'raw' ? this.kind.view(memory, size) : memory;
	}

	/** Fails if the block does not contain what it should. */
	verify(entry, isWhole = false) {
		const memory = this.memoryOf(entry);
		this.expect(memory.length === entry.size, 'a block has the wrong length', entry, { length: memory.length });
		this.tally.add('checked');
		const at = isWhole ? firstWrong(memory, entry.id) : sampleWrong(memory, entry.id, this.random);
		if (at >= 0) this.failAt(entry, memory, at);
	}

	failAt(entry, memory, at) {
		const expected = Buffer.from(Array.from({ length: 16 }, (_, i) => expectedByte(entry.id, at + i)));
		let wrong = 0;
		for (let i = at; i < memory.length; i++) if (memory[i] !== expectedByte(entry.id, i)) wrong++;
		this.fail('a wrong byte', entry, {
			at,
			expected: expectedByte(entry.id, at),
			found: memory[at],
			'expected from there': expected.toString('hex'),
			'found from there': Buffer.from(memory.subarray(at, at + 16)).toString('hex'),
			'wrong bytes': wrong,
		});
	}

	checkPlace(entry) {
		const { form, memory, size, alignment } = entry;
		if (form === 'raw') {
			this.expect(Number.isSafeInteger(memory) && memory > 0, 'a raw handle is no positive safe integer', entry);
			const usable = this.kind.view(memory).length;
			this.expect(usable >= size, 'a raw block is too short', entry, { usable });
			return;
		}
		this.expect(memory.length === size, 'a block has the wrong length', entry, { length: memory.length });
		if (form === 'viewed') return;
		this.expect(Kind.of(memory) === this.kind, 'Kind.of does not know a block', entry);
		const usable = this.kind.usableSize(memory);
		this.expect(usable >= size, 'the usable size is too small', entry, { usable });
		// Blocks with an ArrayBuffer of their own do not say where they are.
		if (form === 'collected' || this.isDebugging) return;
		const { byteOffset } = memory;
		this.expect(byteOffset + size <= this.kind.capacity, 'a block ends behind its kind', entry);
		// Segments are 1 GiB long, and begin at a multiple of 2 MiB.
		const isAligned =
			this.base === undefined ? byteOffset % Math.min(alignment, 2 ** 21) : (this.base + byteOffset) % alignment;
		this.expect(isAligned === 0, 'a block is not aligned', entry);
	}

	/** Keeps what is left of a block that was freed, for misuse: its Buffer, and a reference. */
	bury(memory, reference) {
		const put = (list, value) => {
			if (list.length < mostFreed) list.push(value);
			else list[this.random.below(mostFreed)] = value;
		};
		if (memory !== undefined) put(this.freed, memory);
		if (reference !== undefined) put(this.staleReferences, reference);
	}

	#describe({ form, memory, size, alignment, id, madeBy, isReferenced }) {
		const place = typeof memory === 'number' ? (memory % 2 ** 40) * 16 : memory.byteOffset;
		return { id, form, size, alignment, isReferenced, madeBy, offset: place };
	}
}
