// Code that scripts with options share.

/** An error in the command line. It is printed with the usage, and the exit status is 2. */
export class UsageError extends Error {
	name = 'UsageError';
}

const leastKind = 16 * 2 ** 20;

/**
 * Parses the size of a kind, such as 256M. lib/size.ts reads such texts, too, but it is not compiled yet when a script
 * reads its arguments.
 *
 * @throws UsageError
 */
export function parseSize(text) {
	const match = /^(\d+)([kmg]?)(i?b)?$/i.exec(text);
	const size = match ? Number(match[1]) * 2 ** (10 * ' kmg'.indexOf(match[2].toLowerCase() || ' ')) : 0;
	if (!(size >= leastKind && Number.isSafeInteger(size)))
		throw new UsageError(`--size must be 16m or more, not ${text}`);
	return size;
}
