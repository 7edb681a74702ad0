// What the addon's guard reports of memory that is lost.

/** Why memory is lost. */
export type MediaErrorCause = 'media' | 'truncated' | 'no-space' | 'removed' | 'unknown';

/** A part of a mapping or a kind that the guard has replaced by zeros. */
export interface LostPart {
	/** Where the part begins: bytes from the start of the mapping or the kind. */
	offset: number;
	length: number;
	cause: MediaErrorCause;
}

/** A block, or free memory, that was in a lost part of a kind. */
export interface LostPlace {
	sort: 'free' | 'block' | 'referenced' | 'raw';
	/** Where the block or the free memory begins, in bytes of the kind. */
	offset: number;
	length: number;
	/** The raw handle, if it is out. */
	handle?: number;
	/**
	 * Of a block with a generation: whether a script has a reference to it, the generation, the red zone between
	 * `offset` and the Buffer, and the Buffer's length.
	 */
	isShared?: boolean;
	generation?: number;
	zone?: number;
	bytes?: number;
}

/** Native code's report of a lost part. */
export interface NativeLoss extends LostPart {
	isMapping: boolean;
	/** The number of the mapping, or of the hold on the kind. */
	id: number;
	/** Whether a hold on the kind, in any thread, has a listener; and whether this hold is the first that is told. */
	isHeard: boolean;
	isFirst: boolean;
	/** Only of a kind. */
	places: LostPlace[];
}
