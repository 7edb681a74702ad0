// Says what is wrong with an option in the words of the command line: the API's errors have the API's names of options.
import { InvalidArgumentError } from 'commander';
import { parseSize } from '../size.ts';

/** The exit status of wrong usage, the same as in bash and getopt. */
export const usageStatus = 2;

/** The exit status of a question that could not be answered. 1 is an answer, as in grep and diff. */
export const troubleStatus = 2;

/** Whether the API refused an option. Otherwise the machine is the cause. */
export function isUsageError(error: unknown): boolean {
	return /^ERR_(?:INVALID_ARG|OUT_OF_RANGE)/.test((error as NodeJS.ErrnoException)?.code ?? '');
}

/** Options that have another name on the command line than in the library. */
const ownNames: ReadonlyMap<string, string> = new Map([
	['alignment', '--align'],
	['argument', 'the argument'],
]);

/**
 * An error's message. Where it names an option of the API, as Node words it, the message names the flag instead.
 *
 * @example flagMessage(invalidArgValue('options.erofsSource', 'a directory', '/x')) // '--erofs-source must be a directory. Received '/x''
 */
export function flagMessage(error: unknown): string {
	const { message } = error as Error;
	if (!isUsageError(error)) return message;
	return message.replace(
		/^The (?:value of |argument |property )?["'](?:options\.|wish\.)?(\w+)["'](?: argument| property)?/,
		(_, name: string) => ownNames.get(name) ?? `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
	);
}

/** Parses a size for commander. */
export function sizeOption(text: string): number {
	try {
		return parseSize(text);
	} catch {
		throw new InvalidArgumentError('It must be a size in whole bytes, such as 512M or 4G.');
	}
}
