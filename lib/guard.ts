// Keeps the guard's SIGBUS handler installed (native/guard). `process.on('SIGBUS')` makes libuv install a handler of
// its own. That handler returns from a fault, so the fault comes again for ever. When the last listener goes, libuv
// installs the default action. This file notices both, and installs the guard's handler again right before the next
// turn of the event loop. If other code has replaced the handler, the guard's own thread finds that out: it looks twice
// a second.
import { isMainThread } from 'node:worker_threads';
import { native } from './native.ts';

let isKept = false;

function rearm(event: string | symbol): void {
	// The event comes before libuv changes the handler.
	if (event === 'SIGBUS') process.nextTick(() => native.armGuard());
}

/** To be called when something is mapped. Only the main thread can have listeners for signals. */
export function keepGuardArmed(): void {
	if (isKept || !isMainThread) return;
	isKept = true;
	process.on('newListener', rearm);
	process.on('removeListener', rearm);
}
