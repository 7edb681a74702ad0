// What scripts with options share.

/** What is wrong with the command line; printed with the usage, and the exit status is 2. */
export class UsageError extends Error {
	name = 'UsageError';
}

const leastKind = 16 * 2 ** 20;

/**
 * The size of a kind, like 256M.
 *
 * @throws UsageError
 */
export function parseSize(text) {
	const match = /^(\d+)([kmg]?)(i?b)?$/i.exec(text);
	const size = match ? Number(match[1]) * 2 ** (10 * ' kmg'.indexOf(match[2].toLowerCase() || ' ')) : 0;
	if (!(size >= leastKind && Number.isSafeInteger(size))) throw new UsageError(`--size is 16m or more, not ${text}`);
	return size;
}
