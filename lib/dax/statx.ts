// statx for callers.
import { requirePath } from '../arguments.ts';
import type { StatxResult } from '../native/syscalls.ts';
import { native } from '../native.ts';

/**
 * Asks the kernel for all that it says of a file, as `fs.statSync` does. It also gives the attributes, their mask, the
 * mount's number and the alignments for direct I/O. It follows symbolic links.
 *
 * `dax` says whether the file is in the DAX state now. It is undefined where the kernel does not say (before 5.8). A
 * directory is never in that state; see {@link isDax}.
 *
 * @param path A path, or a file: URL.
 * @throws SystemError ENOENT, EACCES… of `statx`.
 * @example
 * const { dax, attributes, attributesMask } = statx('/mnt/pmem/data');
 */
export function statx(path: string | URL): StatxResult {
	return native.statx(requirePath('path', path));
}
