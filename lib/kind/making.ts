// What creating a kind consists of, whatever its sort: the calls of native code, what their errors mean, and letting go of what nobody
// gets.
import { type CheckedJobOptions, finish, throwIfAborted } from '../jobs.ts';
import { type KindHandle, type NativeJob, native } from '../native.ts';
import { type KindProgress, progressOf } from './jobs.ts';
import { adopt, type Kind } from './kind.ts';

/** One sort of kind, with what was asked for. */
export interface Recipe<K extends Kind> {
	create(): KindHandle;
	createAsync(): NativeJob<KindHandle>;
	kindOf(handle: KindHandle): K;
	/** Gives an error of native code its reason. */
	explained(error: unknown): unknown;
	/** Refuses a kind that is not as it has to be, by throwing. */
	check?(kind: K): void;
}

/** @param stack Where the kind was asked for. */
export function makeKind<K extends Kind>(recipe: Recipe<K>, stack: string): K {
	let handle: KindHandle;
	try {
		handle = recipe.create();
	} catch (error) {
		throw recipe.explained(error);
	}
	const kind = adopt(handle, () => recipe.kindOf(handle), stack);
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
	let handle: KindHandle;
	try {
		const discard = (unwanted: KindHandle) => finish(() => native.kindCloseAsync(unwanted.id), {});
		handle = await finish(() => recipe.createAsync(), options, { progressOf, discard });
	} catch (error) {
		throw recipe.explained(error);
	}
	const kind = adopt(handle, () => recipe.kindOf(handle), stack);
	try {
		throwIfAborted(options.signal);
		recipe.check?.(kind);
	} catch (error) {
		await kind.closeAsync();
		throw error;
	}
	return kind;
}
