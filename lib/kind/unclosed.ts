// Kinds that nobody has closed and nobody can reach: the garbage collector closes them, and says so, as Node does for
// file handles.
import { setTimeout } from 'node:timers';
import { native } from '../native.ts';

// Taken once: another may be put in its place later.
const startTimer = setTimeout;

/** How much longer a process has to go on to be told. */
const patienceMs = 20;

/** What is known of a kind when it is gone. */
interface Unclosed {
	/** Of the hold in native code. */
	id: number;
	path: string;
	/** Where it was made. */
	stack: string;
}

const unclosed = new FinalizationRegistry<Unclosed>(({ id, path, stack }) => {
	// Most have been closed.
	if (!native.kindForget(id)) return;
	const words = `A kind on '${path}' became garbage and had not been closed: close it, or declare it with "using"`;
	// Not from a process that is at its end, which loses nothing.
	const warn = () => process.emitWarning(words, { code: 'DAXKIND_NOT_CLOSED', detail: `It was made here:\n${stack}` });
	startTimer(warn, patienceMs).unref();
});

/** Has the garbage collector close the kind if nobody else does. */
export function closeWhenGarbage(kind: object, hold: Unclosed): void {
	unclosed.register(kind, hold);
}
