// The errors of blocks that are refused.
import { daxkindError } from '../errors.ts';

/** ERR_DAXKIND_WRONG_KIND. */
export function wrongKind(what: string): Error {
	return daxkindError('ERR_DAXKIND_WRONG_KIND', `This ${what} belongs to another kind; free it there`);
}

/** ERR_DAXKIND_DOUBLE_FREE. `where`: '', or ' elsewhere' by another thread or by another Buffer. */
export function freedAlready(where: '' | ' elsewhere'): Error {
	return daxkindError('ERR_DAXKIND_DOUBLE_FREE', `This block has been freed or reallocated already${where}`);
}

/** ERR_DAXKIND_CORRUPTED. */
export function corrupted(path: string): Error {
	return daxkindError('ERR_DAXKIND_CORRUPTED', `The heap's books do not know a freed block of '${path}'`);
}
