// Kinds that nobody has closed and nobody can reach: the garbage collector closes them, and says so, as Node does for
// file handles.
import { native } from '../native.ts';

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
	process.emitWarning(
		`A kind on '${path}' became garbage and had not been closed: close it, or declare it with "using"`,
		{
			code: 'DAXKIND_NOT_CLOSED',
			detail: `It was made here:\n${stack}`,
		},
	);
});

/** Has the garbage collector close the kind if nobody else does. */
export function closeWhenGarbage(kind: object, hold: Unclosed): void {
	unclosed.register(kind, hold);
}
