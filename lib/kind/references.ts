// What goes from thread to thread in place of kinds and blocks: plain objects, which postMessage copies.
import { invalidArgType } from '../errors.ts';

/** A kind, for `Kind.attach` in another thread of this process. Made by `kind.share()`. */
export interface SharedKind {
	readonly type: 'daxkind.Kind';
	/** Tells this process from others. */
	readonly process: number;
	/** Which of its kinds. */
	readonly number: number;
}

/** A block, for `kind.deref` in any thread that holds the kind. Made by `kind.ref(block)`. */
export interface BlockReference {
	readonly type: 'daxkind.Block';
	/** Which kind of this process. */
	readonly kind: number;
	/** Where the block begins in its kind, in bytes. */
	readonly offset: number;
	/** Of the Buffer, in bytes. */
	readonly length: number;
	/** Never used twice in a kind; 0 for a block without memory. */
	readonly generation: number;
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null;
}

function isCount(value: unknown, most = Number.MAX_SAFE_INTEGER): boolean {
	return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

/** Checks what postMessage brought. */
export function requireSharedKind(value: unknown): SharedKind {
	if (
		isRecord(value) &&
		value.type === 'daxkind.Kind' &&
		isCount(value.process) &&
		isCount(value.number, 2 ** 32 - 1)
	) {
		return value as unknown as SharedKind;
	}
	throw invalidArgType('shared', 'what kind.share() returned', value);
}

/** Checks what postMessage brought. */
export function requireReference(value: unknown): BlockReference {
	const isReference =
		isRecord(value) &&
		value.type === 'daxkind.Block' &&
		isCount(value.kind) &&
		isCount(value.offset) &&
		isCount(value.length) &&
		isCount(value.generation);
	if (!isReference) throw invalidArgType('reference', 'what kind.ref() returned', value);
	return value as unknown as BlockReference;
}
