// A line on the terminal for work that takes a while. Standard error, so that the output stays clean; no terminal, no line.
import { shown } from '../format.ts';

export interface Progress {
	show(text: string): void;
	/** Takes the line away, for what else is to be printed; the next `show` brings it back. */
	clear(): void;
}

/** How often a count that changes all the time is worth a new text. */
const intervalMs = 100;

/** Whether a line on standard error can be taken away again. */
const isErasable = () => process.stderr.isTTY && process.env.TERM !== 'dumb' && !('CI' in process.env);

/** A spinner with a text, if it is wanted and standard error is a terminal. The caller sees to signals, and clears it then. */
export async function progress(isWanted: boolean): Promise<Progress> {
	if (!isWanted || !isErasable()) return { show() {}, clear() {} };
	// Most runs have no use for it.
	const { default: createSpinner } = await import('yocto-spinner');
	const spinner = createSpinner({ stream: process.stderr, handleSignals: false });
	let last = 0;
	return {
		show(text) {
			const now = Date.now();
			if (now - last < intervalMs) return;
			last = now;
			if (spinner.isSpinning) spinner.text = shown(text);
			else spinner.start(shown(text));
		},
		clear() {
			if (spinner.isSpinning) spinner.stop();
		},
	};
}
