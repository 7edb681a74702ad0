// Keeps the guard against SIGBUS in its place (native/guard). `process.on('SIGBUS')` has libuv set a handler of its own, which
// returns from a fault, so that it comes again for ever; when the last listener goes, libuv sets the default action. Both are
// noticed here, and the guard is set right before the next turn of the event loop. The guard's own thread, which looks twice a
// second, finds what other code has done.
import { isMainThread } from 'node:worker_threads';
import { native } from './native.ts';

let isKept = false;

function rearm(event: string | symbol): void {
	// The event comes before libuv is told.
	if (event === 'SIGBUS') process.nextTick(() => native.armGuard());
}

/** To be called when something is mapped. Only the main thread can have listeners of signals. */
export function keepGuardArmed(): void {
	if (isKept || !isMainThread) return;
	isKept = true;
	process.on('newListener', rearm);
	process.on('removeListener', rearm);
}
