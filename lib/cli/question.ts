// Commands whose answer may be that it is not known.
import { answer } from './output.ts';
import { troubleStatus } from './usage.ts';

/** As {@link answer}, with status 2 also where the answer is that it is not known. */
export function answerIfKnown(command: string, body: () => boolean | undefined): void {
	let isKnown = true;
	answer(command, () => {
		const is = body();
		isKnown = is !== undefined;
		return is === true;
	});
	if (!isKnown) process.exitCode = troubleStatus;
}
