// Plain objects that stand for kinds and blocks, and that postMessage can copy to another thread.
import { invalidArgType } from '../errors.ts';
import type { Branded } from './brands.ts';
import type { Kind } from './kind.ts';

/** The name of a property that no value has. */
declare const ofClass: unique symbol;

/**
 * A kind, for `Kind.attach` in another thread of this process. `kind.share()` makes it. `K` is the class that `attach`
 * returns.
 */
export interface SharedKind<out K extends Kind = Kind> {
	readonly type: 'daxkind.Kind';
	/** Tells this process from others. */
	readonly process: number;
	/** The number of the kind in that process. */
	readonly number: number;
	/** 128 random bits, without which nobody can join the kind. */
	readonly secret: string;
	/** For the compiler alone: there is no such property. */
	readonly [ofClass]: K;
}

/** A block, for `kind.deref` in any thread that holds the kind. `kind.ref(block)` makes it. */
export interface BlockReference extends Branded<'BlockReference'> {
	readonly type: 'daxkind.Block';
	/** The number of the kind in this process. */
	readonly kind: number;
	/** Where the block begins in its kind, in bytes. */
	readonly offset: number;
	/** The length of the Buffer, in bytes. */
	readonly length: number;
	/**
	 * Tells the block apart from others at the same place. It is never used twice in a kind. 0 for a block without
	 * memory.
	 */
	readonly generation: number;
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null;
}

function isCount(value: unknown, most = Number.MAX_SAFE_INTEGER): boolean {
	return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

/** Checks an object that postMessage brought, and returns it. It reads each property once. */
export function requireSharedKind(value: unknown): SharedKind {
	if (isRecord(value)) {
		const { type, process, number, secret } = value as unknown as SharedKind;
		const isShared =
			type === 'daxkind.Kind' && isCount(process) && isCount(number, 2 ** 32 - 1) && typeof secret === 'string';
		if (isShared) return { type, process, number, secret } as SharedKind;
	}
	throw invalidArgType('shared', 'the value that kind.share() returned', value);
}

/** As {@link requireSharedKind}, for a reference to a block. */
export function requireReference(value: unknown): BlockReference {
	if (isRecord(value)) {
		const { type, kind, offset, length, generation } = value as unknown as BlockReference;
		const isReference =
			type === 'daxkind.Block' && isCount(kind) && isCount(offset) && isCount(length) && isCount(generation);
		if (isReference) return { type, kind, offset, length, generation } as BlockReference;
	}
	throw invalidArgType('reference', 'the value that kind.ref() returned', value);
}
