// Code that scripts with options share.

/** An error in the command line. It is printed with the usage, and the exit status is 2. */
export class UsageError extends Error {
	name = 'UsageError';
}

const leastKind = 16 * 2 ** 20;

/**
 * Parses the size of a kind, such as 256M. It reads what lib/size.ts reads. That file is not compiled yet when a script
 * reads its arguments, and a person should hear of a wrong option before a build, not after it.
 *
 * @throws UsageError
 */
export function parseSize(text) {
	const match = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])(?:i?b)?|b)?\s*$/i.exec(text);
	const size = match ? Number(match[1]) * 1024 ** ' kmgt'.indexOf((match[2] ?? ' ').toLowerCase()) : 0;
	if (!(size >= leastKind && Number.isSafeInteger(size)))
		throw new UsageError(`--size must be 16m or more, not ${text}`);
	return size;
}
