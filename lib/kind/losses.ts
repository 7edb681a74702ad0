// Tells the owner of a kind which of its memory is lost.
import { requireCallback } from '../arguments.ts';
import { type LossTarget, unwatchLosses, watchLosses } from '../losses.ts';
import type { KindHold } from '../native/kinds.ts';
import type { LostPlace, MediaErrorCause, NativeLoss } from '../native/losses.ts';
import { native } from '../native.ts';
import type { RawHandle } from './brands.ts';
import type { BlockReference } from './references.ts';
import type { Views } from './views.ts';

const { segmentSize } = native.kindLayout;

/**
 * The argument of a kind's `onMediaError`: a piece of one block, or of free memory, that is lost. It reads as zeros
 * now.
 */
export interface KindMediaError {
	/**
	 * What was there:
	 * - `block`: a block that somebody holds. `block` is a Buffer over the same memory. It is not known which thread
	 *   holds it.
	 * - `reference`: a block that has been given to `ref`. `reference` is a reference to it, for `deref`.
	 * - `handle`: the block of the raw handle `handle`.
	 * - `free`: free memory of the kind, which is out of use now.
	 */
	sort: 'block' | 'reference' | 'handle' | 'free';
	block?: NonSharedBuffer;
	reference?: BlockReference;
	handle?: RawHandle;
	/** Where the lost bytes begin: in the block, or in the kind if the memory was free. */
	offset: number;
	/** How many bytes are lost. */
	length: number;
	/**
	 * - `media`: the medium is bad there.
	 * - `truncated`: somebody has truncated the file.
	 * - `no-space`: the file has a hole there, and the file system has no room.
	 * - `removed`: the device is gone.
	 * - `unknown`: the kernel does not say.
	 */
	cause: MediaErrorCause;
	/** The `path` of the kind. */
	path: string;
}

export interface KindMediaErrorOptions {
	/**
	 * Called in a later turn of the event loop for each block, and each piece of free memory, that is lost. The process
	 * has touched a page that the kernel could not give, and has got zeros in its place. A value that is stored there
	 * later can be read back, but it is on no medium. `free` of such a block takes the place out of use.
	 *
	 * Every thread that holds the kind and has a listener is told, on that thread. If no thread has one, and the
	 * channel `daxkind:media-error` (node:diagnostics_channel) has no subscriber, there is a process warning.
	 */
	onMediaError?: (error: KindMediaError) => void;
}

/** The names of the options. */
export const mediaErrorOptions = ['onMediaError'] as const;

/** The listener, checked. */
export function checkMediaErrorOptions({ onMediaError }: KindMediaErrorOptions): {
	onMediaError: KindMediaErrorOptions['onMediaError'] | undefined;
} {
	requireCallback('options.onMediaError', onMediaError);
	return { onMediaError };
}

/** What this needs of a kind. It is not the Kind itself, because a script can replace a Kind's methods. */
interface Watched {
	readonly views: Views;
	readonly isOpen: boolean;
}

export class LossWatch implements LossTarget {
	readonly onMediaError: KindMediaErrorOptions['onMediaError'];
	readonly #id: number;
	readonly #number: number;
	readonly #path: string;
	readonly #kind: Watched;

	constructor({ id, number, path }: KindHold, kind: Watched, onMediaError: KindMediaErrorOptions['onMediaError']) {
		this.#id = id;
		this.#number = number;
		this.#path = path;
		this.#kind = kind;
		this.onMediaError = onMediaError;
		watchLosses(false, id, this);
		if (onMediaError !== undefined) native.kindListen(id);
	}

	get subject(): string {
		return `The kind on '${this.#path}'`;
	}

	end(): void {
		unwatchLosses(false, this.#id);
	}

	mediaErrors({ offset, length, cause, places }: NativeLoss): KindMediaError[] {
		if (!this.#kind.isOpen) return [];
		const path = this.#path;
		const errors: KindMediaError[] = [];
		for (const place of places) {
			const { begin, bytes, what } = this.#whatIsAt(place);
			const from = Math.max(offset, begin);
			const to = Math.min(offset + length, begin + bytes);
			// The lost bytes are in a red zone, or behind the bytes that the block uses.
			if (from >= to) continue;
			errors.push({ ...what, offset: what.sort === 'free' ? from : from - begin, length: to - from, cause, path });
		}
		return errors;
	}

	#whatIsAt(place: LostPlace): {
		begin: number;
		bytes: number;
		what: Pick<KindMediaError, 'sort' | 'block' | 'reference' | 'handle'>;
	} {
		const { sort, offset, length, zone: redZone = 0, bytes = length, generation = 0, handle } = place;
		const begin = offset + redZone;
		if (sort === 'free') return { begin: offset, bytes: length, what: { sort } };
		if (sort === 'raw') return { begin: offset, bytes: length, what: { sort: 'handle', handle: handle as RawHandle } };
		if (place.isShared) {
			const reference = {
				type: 'daxkind.Block',
				kind: this.#number,
				offset,
				length: bytes,
				generation,
			} as BlockReference;
			return { begin, bytes, what: { sort: 'reference', reference } };
		}
		const block = this.#kind.views.plain(Math.floor(begin / segmentSize), begin % segmentSize, bytes);
		return { begin, bytes, what: { sort: 'block', block } };
	}
}
