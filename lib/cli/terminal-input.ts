// Standard input from a terminal. The kernel stops a process that reads its terminal while it is not in the foreground (SIGTTIN), as
// under timeout(1); and a process that is stopped again and again in its read does not come to handle even a SIGTERM.
import { fstatSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';

/** How soon input is read after the shell's `fg`, of which a process that was running hears nothing. */
const intervalMs = 250;

/** /dev/tty: the terminal of the process, whichever that is (Documentation/admin-guide/devices.txt). */
const ownTerminal = 0x500;

/** Whether a read of this terminal, the file `device`, would stop a process with this /proc/PID/stat (proc(5)). */
export function wouldStop(stat: string, device: number): boolean {
	// The program's name, in parentheses, may have blanks and parentheses. Behind it: state, ppid, pgrp, session, tty_nr, tpgid.
	const [, , group, , terminal, foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
	return (Number(terminal) === device || device === ownTerminal) && group !== foreground;
}

function isBackground(fd: number): boolean {
	try {
		return wouldStop(readFileSync('/proc/self/stat', 'latin1'), fstatSync(fd).rdev);
	} catch {
		return false; // no /proc: then as every program
	}
}

/** What is typed at a terminal while this process is in its foreground; meanwhile, if it is not, the stream waits. */
export function terminalInput(terminal: typeof process.stdin): Readable {
	let isWanted = false;
	const look = () => {
		if (isWanted && !isBackground(terminal.fd)) terminal.resume();
		else terminal.pause();
	};
	const timer = setInterval(look, intervalMs).unref();
	// Ctrl-Z and `bg`.
	process.on('SIGCONT', look);
	const input = new Readable({
		read() {
			isWanted = true;
			look();
		},
		destroy(error, callback) {
			clearInterval(timer);
			process.off('SIGCONT', look);
			terminal.pause();
			callback(error);
		},
	});
	// Before there is a listener for its data, which would have it read at once.
	terminal.pause();
	terminal.on('data', (chunk: Buffer) => {
		isWanted = input.push(chunk);
		if (!isWanted) terminal.pause();
	});
	terminal.once('end', () => input.push(null));
	terminal.once('error', (error) => input.destroy(error));
	return input;
}
