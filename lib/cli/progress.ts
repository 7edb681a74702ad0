// A line on the terminal for work that takes long. It is on standard error, so that the output stays clean. Without a
// terminal there is no line.
import { shown } from '../format.ts';

export interface Progress {
	show(text: string): void;
	/** Removes the line, so that something else can be printed. The next `show` brings it back. */
	clear(): void;
}

/** The shortest time between two texts. */
const intervalMs = 100;

/** Whether a line on standard error can be erased. */
const isErasable = () => process.stderr.isTTY && process.env.TERM !== 'dumb' && !('CI' in process.env);

/**
 * A spinner with a text, if it is wanted and standard error is a terminal. The caller handles signals, and clears the
 * spinner then.
 */
export async function progress(isWanted: boolean): Promise<Progress> {
	if (!isWanted || !isErasable()) return { show() {}, clear() {} };
	// Loaded only now, because most runs do not need it.
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
