// What creating a kind consists of, whatever its sort: the calls of native code, what their errors mean, and letting go of what nobody
// gets.
import { type CheckedJobOptions, finish, throwIfAborted } from '../jobs.ts';
import { type KindHold, type NativeJob, native } from '../native.ts';
import { adopt } from './adopting.ts';
import { type KindProgress, progressOf } from './jobs.ts';
import type { Kind } from './kind.ts';
import type { CheckedNotices } from './notices.ts';

/** One sort of kind, with what was asked for. */
export interface Recipe<K extends Kind> {
	create(): KindHold;
	createAsync(): NativeJob<KindHold>;
	kindOf(hold: KindHold): K;
	readonly notices: CheckedNotices;
	/** Gives an error of native code its reason. */
	explained(error: unknown): unknown;
	/** Refuses a kind that is not as it has to be, by throwing. */
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

/** The same, by a thread of its own. */
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
