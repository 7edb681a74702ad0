// Makes the Kind of a thread's hold on a kind. Native code makes holds, and nothing else can become a Kind.
import { keepGuardArmed } from '../guard.ts';
import type { KindHold } from '../native/kinds.ts';
import { native } from '../native.ts';
import { tellKindCreated } from './events.ts';
import { noteKind } from './living.ts';
import type { CheckedNotices } from './notices.ts';
import { closeWhenGarbage } from './unclosed.ts';

/** The facts that a Kind is made from, beside its hold. */
export interface Origin {
	notices: CheckedNotices;
	/** What the creator calls the kind. undefined: its path. */
	name: string | undefined;
	/** Whether other threads may hold the kind already. */
	isShared: boolean;
}

/** Holds that no Kind has taken yet. */
const untaken = new WeakMap<object, Origin>();

/**
 * Makes the Kind of a hold. If that fails, the hold is closed.
 *
 * @param stack Where the kind was asked for.
 */
export function adopt<K extends object>(hold: KindHold, origin: Origin, make: () => K, stack: string): K {
	keepGuardArmed();
	try {
		untaken.set(hold, origin);
		const kind = make();
		closeWhenGarbage(kind, { id: hold.id, path: hold.path, name: origin.name, stack });
		noteKind(kind, hold.number);
		tellKindCreated(kind);
		return kind;
	} catch (error) {
		native.kindClose(hold.id);
		throw error;
	}
}

/**
 * For the constructor of a Kind: the origin of its hold. undefined if this is not a hold, or if a Kind has taken it
 * already.
 */
export function takeOrigin(hold: unknown): Origin | undefined {
	const origin = untaken.get(hold as KindHold);
	untaken.delete(hold as KindHold);
	return origin;
}
