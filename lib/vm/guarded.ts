// Starts programs that must not outlive this process.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';

// setpriv has the kernel kill the program when this process dies, however it dies. If this process died before setpriv
// asked for that, the program has another parent by now, and the guard does not start it.
const guard = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"';

/** Starts the program at a path. The kernel kills it when this process dies. Ctrl-C does not reach it. */
export function spawnGuarded(
	setpriv: string,
	program: string,
	args: readonly string[],
	stdio: StdioOptions,
): ChildProcess {
	return spawn(setpriv, ['--pdeathsig', 'KILL', '/bin/sh', '-c', guard, 'sh', String(process.pid), program, ...args], {
		// It has a session of its own. So Ctrl-C reaches only this process, which then ends the program.
		detached: true,
		stdio,
	});
}
