// Creates a kind of any class: makes the native call, explains its errors, and lets go of a kind that nobody gets.
import { type CheckedJobOptions, finish, throwIfAborted } from '../jobs.ts';
import type { NativeJob } from '../native/job.ts';
import type { KindHold } from '../native/kinds.ts';
import { native } from '../native.ts';
import { adopt } from './adopting.ts';
import { type KindProgress, progressOf } from './jobs.ts';
import type { Kind } from './kind.ts';
import type { CheckedNotices } from './notices.ts';

/** How to create one kind, with the checked options of the caller. */
export interface Recipe<K extends Kind> {
	create(): KindHold;
	createAsync(): NativeJob<KindHold>;
	kindOf(hold: KindHold): K;
	readonly notices: CheckedNotices;
	/** Adds the reason to an error of native code. */
	explained(error: unknown): unknown;
	/** Throws if the kind is not as the caller demands. */
	check?(kind: K): void;
}

/** @param stack Where the kind was asked for. */
export function makeKind<K extends Kind>(recipe: Recipe<K>, stack: string): K {
	let hold: KindHold;
	try {
		hold = recipe.create();
	} catch (error) {
		throw recipe.explained(error);
	}
	const kind = adopt(hold, { notices: recipe.notices, isShared: false }, () => recipe.kindOf(hold), stack);
	try {
		recipe.check?.(kind);
	} catch (error) {
		kind.close();
		throw error;
	}
	return kind;
}

/** The same on another thread. */
export async function makeKindAsync<K extends Kind>(
	recipe: Recipe<K>,
	stack: string,
	options: CheckedJobOptions<KindProgress>,
): Promise<K> {
	let hold: KindHold;
	try {
		const discard = (unwanted: KindHold) => finish(() => native.kindCloseAsync(unwanted.id), {});
		hold = await finish(() => recipe.createAsync(), options, { progressOf, discard });
	} catch (error) {
		throw recipe.explained(error);
	}
	const kind = adopt(hold, { notices: recipe.notices, isShared: false }, () => recipe.kindOf(hold), stack);
	try {
		throwIfAborted(options.signal);
		recipe.check?.(kind);
	} catch (error) {
		await kind.closeAsync();
		throw error;
	}
	return kind;
}
