// The options that several kinds have.
import { requireBoolean, requireSize } from '../arguments.ts';
import { invalidArgType, invalidArgValue } from '../errors.ts';
import { native } from '../native.ts';
import { isDebugging } from './debug.ts';

const { chunkSize } = native.kindLayout;

/** The smallest `maxSize` of a pmem kind in bytes: 16 MiB, memkind's MEMKIND_PMEM_MIN_SIZE. */
export const minPmemSize = 16 * 1024 * 1024;

/** The option `maxSize`, rounded up to whole chunks. 0, the default, stays 0. */
export function maxSizeOf({ maxSize = 0 }: { maxSize?: number }): number {
	if (maxSize !== 0) requireSize('options.maxSize', maxSize, minPmemSize);
	return Math.ceil(maxSize / chunkSize) * chunkSize;
}

/** The option `debug`. */
export function debugOf({ debug = isDebugging() }: { debug?: boolean }): boolean {
	return requireBoolean('options.debug', debug);
}

/** The option `name`. undefined stands for the path of the kind. */
export function nameOf({ name }: { name?: string }): string | undefined {
	if (name === undefined) return undefined;
	if (typeof name !== 'string') throw invalidArgType('options.name', 'of type string', name);
	if (name === '') throw invalidArgValue('options.name', 'a string that is not empty', name);
	return name;
}
