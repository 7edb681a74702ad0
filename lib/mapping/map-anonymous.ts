// Maps memory without a file.
import { constants as bufferConstants } from 'node:buffer';
import { requireInteger } from '../arguments.ts';
import { keepGuardArmed } from '../guard.ts';
import { native } from '../native.ts';
import { privateGranularity } from './granularity.ts';
import { makeMapping, type PmemMapping } from './pmem-mapping.ts';

/**
 * Maps memory that belongs to no file: mmap(MAP_PRIVATE | MAP_ANONYMOUS). It has the calls of other mappings and makes
 * nothing persistent, as libpmem2's anonymous sources: for tests, and for code that has no file yet.
 *
 * @param length How many bytes, at least 1. They are zeros.
 * @throws RangeError ERR_OUT_OF_RANGE; a system error: ENOMEM (mmap).
 */
export function mapAnonymous(length: number): PmemMapping {
	requireInteger('length', length, 1);
	const mapped = native.mapAnonymous(length, bufferConstants.MAX_LENGTH);
	keepGuardArmed();
	return makeMapping({
		...mapped,
		source: 'anonymous',
		length,
		granularity: privateGranularity('the memory belongs to no file, so there is nothing to make persistent'),
		sync: false,
		sharing: 'private',
		writable: true,
		path: undefined,
		onMediaError: undefined,
	});
}
