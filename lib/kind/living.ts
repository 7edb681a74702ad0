// The kinds that this thread holds and has not closed. That one is listed keeps it alive no longer.
import { isConnected } from './fast-path.ts';
import type { Kind } from './kind.ts';

/** A set keeps the order in which kinds were made. */
const living = new Set<WeakRef<Kind>>();
/** How many kinds are made before those that are garbage are forgotten. */
let untilSweep = 64;

/** Lists a kind that was just made. */
export function noteKind(kind: object): void {
	untilSweep -= 1;
	if (untilSweep <= 0) {
		kinds();
		untilSweep = 64 + living.size;
	}
	living.add(new WeakRef(kind as Kind));
}

/**
 * The kinds of this thread that are open, the oldest first: those that it created, and those that it attached to. The
 * list is for metrics. It keeps no kind alive: one that nobody else can reach is closed, with a warning, and is then
 * missing here.
 *
 * ```js
 * import { kinds } from 'daxkind';
 *
 * for (const kind of kinds()) console.log(kind.name, kind.stats().allocated);
 * ```
 */
export function kinds(): Kind[] {
	const open: Kind[] = [];
	for (const each of living) {
		const kind = each.deref();
		if (kind !== undefined && isConnected(kind)) open.push(kind);
		else living.delete(each);
	}
	return open;
}
