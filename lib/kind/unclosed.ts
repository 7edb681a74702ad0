// Closes kinds that nobody has closed and nobody can reach. The garbage collector finds them, and a warning says so, as
// Node does for file handles.
import { setTimeout } from 'node:timers';
import { native } from '../native.ts';

// Taken once, because a script may replace it later.
const startTimer = setTimeout;

/** The warning comes only if the process still runs so many milliseconds later. */
const patienceMs = 20;

/** The facts that are kept for when the kind is gone. */
interface Unclosed {
	/** The number of the hold in native code. */
	id: number;
	path: string;
	/** What its creator calls it. undefined: its path. */
	name: string | undefined;
	/** The stack where it was made. */
	stack: string;
}

const unclosed = new FinalizationRegistry<Unclosed>(({ id, path, name, stack }) => {
	// As a rule the kind has been closed.
	if (!native.kindForget(id)) return;
	const kind = name === undefined || name === path ? 'A kind' : `The kind '${name}'`;
	const words = `${kind} on '${path}' became garbage before it was closed: close it, or declare it with "using"`;
	// A process that is about to end is not warned, because it loses nothing.
	const warn = () => process.emitWarning(words, { code: 'DAXKIND_NOT_CLOSED', detail: `It was made here:\n${stack}` });
	startTimer(warn, patienceMs).unref();
});

/** Makes the garbage collector close the kind if nobody else does. */
export function closeWhenGarbage(kind: object, hold: Unclosed): void {
	unclosed.register(kind, hold);
}
