// Starts programs that must not outlive this process.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';

// setpriv has the kernel kill the program when this process dies, whatever kills it. Had it died before that took hold, the program would
// have another parent by now and does not start.
const guard = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"';

/** Starts a program, found at a path, that the kernel kills when this process dies. Ctrl-C does not reach it. */
export function spawnGuarded(
	setpriv: string,
	program: string,
	args: readonly string[],
	stdio: StdioOptions,
): ChildProcess {
	return spawn(setpriv, ['--pdeathsig', 'KILL', '/bin/sh', '-c', guard, 'sh', String(process.pid), program, ...args], {
		// A session of its own: Ctrl-C is for this process, which then ends the program.
		detached: true,
		stdio,
	});
}
