// Creates a kind of any class: makes the native call, explains its errors, and lets go of a kind that nobody gets.
import type { SystemError } from '../errors.ts';
import { type CheckedJobOptions, finish, throwIfAborted } from '../jobs.ts';
import type { NativeJob } from '../native/job.ts';
import type { KindHold } from '../native/kinds.ts';
import { native } from '../native.ts';
import { adopt } from './adopting.ts';
import { type Explain, explainedJob, type KindProgress, progressOf } from './jobs.ts';
import type { Kind } from './kind.ts';
import type { CheckedNotices } from './notices.ts';

/** How to create one kind, with the checked options of the caller. */
export interface Recipe<K extends Kind> {
	create(): KindHold;
	createAsync(): NativeJob<KindHold>;
	kindOf(hold: KindHold): K;
	readonly notices: CheckedNotices;
	/** The option `name`. */
	readonly name: string | undefined;
	readonly explained: Explain;
	/** Throws if the kind is not as the caller demands. */
	check?(kind: K): void;
}

/** @param stack Where the kind was asked for. */
export function makeKind<K extends Kind>(recipe: Recipe<K>, stack: string): K {
	let hold: KindHold;
	try {
		hold = recipe.create();
	} catch (error) {
		throw recipe.explained(error as SystemError);
	}
	const kind = adopt(
		hold,
		{ notices: recipe.notices, name: recipe.name, isShared: false },
		() => recipe.kindOf(hold),
		stack,
	);
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
	const start = () => explainedJob(() => recipe.createAsync(), recipe.explained);
	const discard = (unwanted: KindHold) => finish(() => native.kindCloseAsync(unwanted.id), {});
	const hold = await finish(start, options, { progressOf, discard });
	const kind = adopt(
		hold,
		{ notices: recipe.notices, name: recipe.name, isShared: false },
		() => recipe.kindOf(hold),
		stack,
	);
	try {
		throwIfAborted(options.signal);
		recipe.check?.(kind);
	} catch (error) {
		await kind.closeAsync();
		throw error;
	}
	return kind;
}
