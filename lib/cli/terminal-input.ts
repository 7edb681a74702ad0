// Standard input from a terminal. The kernel stops a process that reads its terminal while it is in the background
// (SIGTTIN), as a process under timeout(1) is. A process that is stopped again and again in its read never comes to
// handle a SIGTERM. So this process reads only in the foreground.
import { fstatSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';

/** How soon input is read after the shell's `fg`. A process that was running in the background is not told of it. */
const intervalMs = 250;

/** /dev/tty, which stands for the terminal of the process (Documentation/admin-guide/devices.txt). */
const ownTerminal = 0x500;

/**
 * Whether a read of this terminal would stop the process.
 *
 * @param stat The process's /proc/PID/stat (proc(5)).
 * @param device The device number of the terminal's file.
 */
export function wouldStop(stat: string, device: number): boolean {
	// The program's name is in parentheses. It may itself have blanks and parentheses. After it come state, ppid, pgrp,
	// session, tty_nr, tpgid.
	const [, , group, , terminal, foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
	return (Number(terminal) === device || device === ownTerminal) && group !== foreground;
}

function isBackground(fd: number): boolean {
	try {
		return wouldStop(readFileSync('/proc/self/stat', 'latin1'), fstatSync(fd).rdev);
	} catch {
		return false; // no /proc: read, as every other program does
	}
}

/**
 * What is typed at a terminal while this process is in the foreground. While it is in the background, the stream waits.
 */
export function terminalInput(terminal: typeof process.stdin): Readable {
	let isWanted = false;
	const look = () => {
		if (isWanted && !isBackground(terminal.fd)) terminal.resume();
		else terminal.pause();
	};
	const timer = setInterval(look, intervalMs).unref();
	// After Ctrl-Z, `bg` continues the process in the background.
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
	// This comes before the listener for its data, which would start the reading at once.
	terminal.pause();
	terminal.on('data', (chunk: Buffer) => {
		isWanted = input.push(chunk);
		if (!isWanted) terminal.pause();
	});
	terminal.once('end', () => input.push(null));
	terminal.once('error', (error) => input.destroy(error));
	return input;
}
