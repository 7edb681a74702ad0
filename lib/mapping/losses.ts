// The parts of mappings that are lost: who hears of them, and what the errors say.
import { overlapping, without } from '../byte-ranges.ts';
import { type SystemError, systemError } from '../errors.ts';
import { causes, type LossTarget, tellKnown, watchLosses } from '../losses.ts';
import type { LostPart, NativeLoss } from '../native/losses.ts';

/** The argument of a mapping's `onMediaError`: a part of the mapping that is lost, and reads as zeros now. */
export interface MappingMediaError extends LostPart {
	/** The file's path, as it was given. undefined if `mapFile` got a descriptor. */
	path: string | undefined;
}

/** A mapping, for those who tell of its losses. */
interface Watched {
	id: number;
	arrayBuffer: ArrayBuffer;
	path: string | undefined;
	onMediaError: ((error: MappingMediaError) => void) | undefined;
	/** The pages that are on bad blocks, by the kernel's list. */
	knownBad: LostPart[];
}

/** Tells the owner of a mapping which parts of it are lost. */
class MappingLosses implements LossTarget {
	readonly onMediaError: Watched['onMediaError'];
	readonly #path: string | undefined;

	constructor({ id, path, onMediaError, knownBad }: Watched) {
		this.onMediaError = onMediaError;
		this.#path = path;
		watchLosses(true, id, this);
		tellKnown(this, knownBad);
	}

	mediaErrors({ offset, length, cause }: NativeLoss): MappingMediaError[] {
		return [{ offset, length, cause, path: this.#path }];
	}

	get subject(): string {
		return this.#path === undefined ? 'A mapping' : `The mapping of '${this.#path}'`;
	}
}

/** The ArrayBuffers keep this, because a caller may keep a view of the memory and drop the mapping. */
const lossesOf = new WeakMap<ArrayBuffer, MappingLosses>();

/** From now on the owner hears of losses, as long as the mapping's ArrayBuffer can be reached. */
export function tellLosses(mapping: Watched): void {
	lossesOf.set(mapping.arrayBuffer, new MappingLosses(mapping));
}

/** Also as long as another ArrayBuffer over the mapping can be reached. */
export function keepTelling(part: ArrayBuffer, arrayBuffer: ArrayBuffer): void {
	lossesOf.set(part, lossesOf.get(arrayBuffer)!);
}

/** All parts of both lists, in order. Where they overlap, the cause is the first list's. */
export function union(known: LostPart[], met: LostPart[]): LostPart[] {
	const rest = met.flatMap((part) => without([part], known).map((range) => ({ ...part, ...range })));
	return [...known, ...rest].sort((one, other) => one.offset - other.offset);
}

/** The error of making lost pages persistent, with the cause of the loss. */
export function explainLoss(
	error: unknown,
	path: string | undefined,
	errors: LostPart[],
	offset: number,
	bytes: number,
): unknown {
	const { code, errno, syscall } = error as SystemError;
	if (code !== 'EFAULT') return error;
	const met = errors.find((part) => overlapping(part, { offset, length: bytes }));
	// Nobody has touched the part. So the end of the range is not in the file any more.
	const { cause } = met ?? { cause: 'truncated' };
	return systemError(errno, syscall, path, `a part of the range is lost: ${causes[cause]}`);
}
