// Says why a file cannot be mapped with MAP_SYNC. The kernel says no more than ENOTSUP.
import { explain } from '../dax/index.ts';
import { type SystemError, systemError } from '../errors.ts';

/**
 * The error of mmap with the reason.
 *
 * @param at Where the file, or its directory, is.
 */
export function refusedMapSync({ errno, syscall, path }: SystemError, at: string): SystemError {
	const { mapSyncRefusal = 'the kernel does not say why' } = explain(at);
	return systemError(errno, syscall, path, `a mapping with MAP_SYNC is not possible here: ${mapSyncRefusal}`);
}
