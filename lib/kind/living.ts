// The kinds that this thread holds and has not closed.
import { WeakList } from '../weak-list.ts';
import { isConnected } from './fast-path.ts';
import type { Kind } from './kind.ts';

const living = new WeakList<Kind>((kind) => isConnected(kind));

/** Lists a kind that was just made. */
export function noteKind(kind: object): void {
	living.add(kind as Kind);
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
	return living.list();
}
