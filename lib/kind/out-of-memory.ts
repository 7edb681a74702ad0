// The error of an allocation that found no memory, and its reasons in words.
import { constants } from 'node:buffer';
import { illegalConstructor } from '../errors.ts';

/** Makes the error. */
export let outOfMemoryError: (failure: OutOfMemoryDetails) => OutOfMemoryError;

/** This key is known here alone, so that nobody else makes such errors. */
const makersKey = Symbol('outOfMemoryError');

/**
 * Why an allocation failed:
 * - `limit`: too little is free, and the kind may not grow: its `maxSize` is the limit.
 * - `file-system-full`: the kind may grow, but its file system has no room (ENOSPC). XFS says the same of a project's
 *   quota.
 * - `quota`: the kind may grow, but a quota of the user, the group or the project does not allow it (EDQUOT).
 * - `node-full`: the kind may grow, but its NUMA nodes, or the control group of the process, have no room.
 * - `fragmented`: enough is free, but not in one piece, or only in slabs of blocks of other sizes.
 * - `buffer-limit`: no Buffer of this Node can be that long (4 GiB before Node 22).
 */
export type OutOfMemoryReason = 'limit' | 'file-system-full' | 'quota' | 'node-full' | 'fragmented' | 'buffer-limit';

/** The facts that an OutOfMemoryError is made of. Sizes are in bytes. */
interface OutOfMemoryDetails {
	requested: number;
	capacity: number;
	allocated: number;
	/** Memory that belongs to no slab and no run. */
	free: number;
	/** Free blocks in slabs. */
	freeInSlabs: number;
	collectable: number;
	reason: OutOfMemoryReason;
	path: string;
}

const words: Record<OutOfMemoryReason, (failure: OutOfMemoryDetails) => string> = {
	limit: () => "the block would exceed the kind's capacity; free blocks, or create the kind with a larger maxSize",
	'file-system-full': () =>
		'the file system is full, or the XFS quota of its directory is used up; free blocks, or make room in it',
	quota: () =>
		'the quota of its user, group or project is used up; free blocks, or have the quota raised (repquota lists them)',
	'node-full': () =>
		'the nodes that the kind may use have no free memory except what the kernel needs, or the control group of this process is at its limit; free blocks, name more nodes, or raise the limit',
	fragmented: ({ requested, free, freeInSlabs }) =>
		free >= requested
			? `${free} bytes are free, but not in one piece; free neighbouring blocks, or ask for less at once`
			: `${free + freeInSlabs} bytes are free, but ${freeInSlabs} of them are in slabs that also hold blocks of other sizes; ` +
				'free those blocks, or move them together with defragReallocate until slabs are empty',
	'buffer-limit': () => `no Buffer of this Node can be longer than ${constants.MAX_LENGTH} bytes`,
};

function ofGarbage({ collectable }: OutOfMemoryDetails): string {
	if (collectable === 0) return '';
	return `. Up to ${collectable} bytes in blocks of buffer() may be garbage: the kind gets them back in a later turn of the event loop (bufferAsync waits for that)`;
}

/** Thrown by the methods that allocate when there is no memory. Nothing has changed then. */
export class OutOfMemoryError extends Error {
	readonly code = 'ERR_DAXKIND_OUT_OF_MEMORY';
	/** How many bytes were asked for. */
	readonly requested: number;
	/** How many bytes the kind can hold. */
	readonly capacity: number;
	/** How many bytes the blocks that callers hold take. */
	readonly allocated: number;
	/**
	 * How many of those bytes are in blocks of `buffer()`. All of them may be garbage, which comes back in a later turn
	 * of the event loop.
	 */
	readonly collectable: number;
	readonly reason: OutOfMemoryReason;

	private constructor(key: typeof makersKey, what: OutOfMemoryDetails) {
		if (key !== makersKey) throw illegalConstructor('kind.malloc(size), which throws it');
		super(
			`Out of memory: cannot allocate ${what.requested} bytes of the kind on '${what.path}' ` +
				`(${what.allocated} of ${what.capacity} bytes are allocated): ${words[what.reason](what)}${ofGarbage(what)}`,
		);
		this.requested = what.requested;
		this.capacity = what.capacity;
		this.allocated = what.allocated;
		this.collectable = what.collectable;
		this.reason = what.reason;
	}

	static {
		OutOfMemoryError.prototype.name = 'OutOfMemoryError';
		outOfMemoryError = (failure) => new OutOfMemoryError(makersKey, failure);
	}
}
