// Telling the owner of a kind what the kind has lost.
import { requireCallback } from '../arguments.ts';
import { type LossTarget, unwatchLosses, watchLosses } from '../losses.ts';
import { type KindHold, type LostPlace, type MediaErrorCause, type NativeLoss, native } from '../native.ts';
import type { RawHandle } from './brands.ts';
import type { BlockReference } from './references.ts';
import type { Views } from './views.ts';

const { segmentSize } = native.kindLayout;

/** What `onMediaError` of a kind is told: a piece of one block, or of free memory, that is lost. It reads as zeros now. */
export interface KindMediaError {
	/**
	 * What was there:
	 * - `block`: a block that somebody holds; `block` is the same memory. Which thread's it is is not known.
	 * - `reference`: a block that `ref` has made a reference of; `reference` is one, for `deref`.
	 * - `handle`: the block of the raw handle `handle`.
	 * - `free`: free memory of the kind, which is out of use now.
	 */
	sort: 'block' | 'reference' | 'handle' | 'free';
	block?: NonSharedBuffer;
	reference?: BlockReference;
	handle?: RawHandle;
	/** Where the lost bytes begin: in the block, or, of free memory, in the kind. */
	offset: number;
	/** How many bytes are lost. */
	length: number;
	/**
	 * - `media`: the medium is bad there.
	 * - `truncated`: somebody has truncated the file.
	 * - `no-space`: the file has a hole there, and the file system no room.
	 * - `removed`: the device is gone.
	 * - `unknown`: the kernel does not say.
	 */
	cause: MediaErrorCause;
	/** The kind's. */
	path: string;
}

export interface KindMediaErrorOptions {
	/**
	 * Called in a later turn of the event loop for each block, and each piece of free memory, that is lost: the process has touched a
	 * page that the kernel could not give, and has got zeros in its place. What is stored there is read back, but is on no medium.
	 * `free` of such a block takes the place out of use. Every thread that holds the kind and has a listener is told. Without
	 * any, and without a subscriber of the channel `daxkind:media-error` (node:diagnostics_channel), there is a process warning.
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

/** What this has to know of a kind: not the Kind itself, whose methods a script can replace. */
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

	get what(): string {
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
			// In a red zone, or behind what of a block is used.
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
