// The kinds that this thread holds and has not closed.
import { WeakList } from '../weak-list.ts';
import { isConnected } from './fast-path.ts';
import type { Kind } from './kind.ts';

const living = new WeakList<Kind>((kind) => isConnected(kind));

/** The numbers of the kinds that they hold, which are the same for all holds on one. */
const numbers = new WeakMap<Kind, number>();

/** The holds of caches. Their users did not ask for them. */
const ofCaches = new WeakSet<Kind>();

/** Lists a kind that was just made. */
export function noteKind(kind: object, number: number): void {
	numbers.set(kind as Kind, number);
	living.add(kind as Kind);
}

/** From now on the kind is listed only if nothing else that is listed holds the same one. */
export function noteOfCache(kind: Kind): void {
	ofCaches.add(kind);
}

/**
 * The kinds of this thread that are open, the oldest first: those that it created, and those that it attached to. A
 * kind that only caches hold is listed once, as one of them holds it: `close` closes that cache. The list is for
 * metrics. It keeps no kind alive: one that nobody else can reach is closed, with a warning, and is then missing here.
 *
 * ```js
 * import { kinds } from 'daxkind';
 *
 * for (const kind of kinds()) console.log(kind.name, kind.stats().allocated);
 * ```
 */
export function kinds(): Kind[] {
	const open = living.list();
	const listed = new Set(open.filter((kind) => !ofCaches.has(kind)).map((kind) => numbers.get(kind)));
	return open.filter((kind) => {
		if (!ofCaches.has(kind)) return true;
		const isFirst = !listed.has(numbers.get(kind));
		listed.add(numbers.get(kind));
		return isFirst;
	});
}
