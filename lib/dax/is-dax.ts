// The one-word answer.
import { requirePath } from '../arguments.ts';
import { native } from '../native.ts';
import { typeOf } from './file-report.ts';

/**
 * Whether a file is in the DAX state now, or for a directory, whether a file made in it is: makes a nameless file there to see. Ask
 * {@link explain} for the reason when it is not.
 *
 * @param path A file or directory; symbolic links are followed.
 * @throws SystemError of `statx`, or for a directory of `open`: EACCES, EROFS if no file can be made in it.
 * @example
 * if (!isDax('/mnt/pmem')) console.warn('not on DAX');
 */
export function isDax(path: string | URL): boolean {
	const checked = requirePath('path', path);
	const status = native.statx(checked);
	return (typeOf(status) === 'directory' ? native.statxTemporary(checked) : status).dax === true;
}
