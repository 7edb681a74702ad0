// Plain objects that stand for kinds and blocks, and that postMessage can copy to another thread.
import { invalidArgType } from '../errors.ts';
import type { Branded } from './brands.ts';

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

/** What is in the value that `kind.share()` made. */
interface KindNumbers {
	process: number;
	number: number;
	secret: string;
	/** undefined in a share without a name. */
	name: string | undefined;
}

/** Checks an object that postMessage brought, and returns what is in it. It reads each property once. */
export function requireSharedKind(value: unknown): KindNumbers {
	if (isRecord(value)) {
		const { type, process, number, secret, name } = value;
		const isShared = type === 'daxkind.Kind' && isCount(process) && isCount(number, 2 ** 32 - 1);
		const isNamed = name === undefined || (typeof name === 'string' && name !== '');
		if (isShared && typeof secret === 'string' && isNamed) return { process, number, secret, name } as KindNumbers;
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
