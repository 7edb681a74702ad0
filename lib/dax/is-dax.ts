// The answer in one word: is it on DAX?
import { requirePath } from '../arguments.ts';
import { native } from '../native.ts';
import { typeOf } from './file-report.ts';
import { inspect } from './inspect.ts';

/**
 * Whether a file is in the DAX state now. For a directory: whether a file that is made in it is; it makes a nameless
 * file there to see. Undefined if that is not known: see `dax` of {@link inspect}. {@link explain} gives the reason
 * when the path is not on DAX, or when it is not known.
 *
 * @param path A file or directory; symbolic links are followed.
 * @throws SystemError of `statx`, or for a directory of `open`: EACCES, EROFS if no file can be made in it.
 * @example
 * if (!isDax('/mnt/pmem')) console.warn('not on DAX');
 */
export function isDax(path: string | URL): boolean | undefined {
	const checked = requirePath('path', path);
	const status = native.statx(checked);
	const type = typeOf(status);
	const seen = type === 'directory' ? native.statxTemporary(checked).dax : type === 'file' ? status.dax : undefined;
	return seen ?? inspect(checked).dax;
}
