// The errors that several files of kinds throw.
import { daxkindError } from '../errors.ts';

/** ERR_DAXKIND_WRONG_KIND. */
export function wrongKind(what: string): Error {
	return daxkindError('ERR_DAXKIND_WRONG_KIND', `This ${what} belongs to another kind; free it there`);
}

/** ERR_DAXKIND_DOUBLE_FREE for a block. ' elsewhere' says that another thread, or another Buffer, has freed it. */
export function freedAlready(where: '' | ' elsewhere'): Error {
	return daxkindError('ERR_DAXKIND_DOUBLE_FREE', `This block has been freed or reallocated already${where}`);
}

/** ERR_DAXKIND_DOUBLE_FREE for a raw handle. */
export function handleFreedAlready(): Error {
	return daxkindError('ERR_DAXKIND_DOUBLE_FREE', 'The block of this handle has been freed already');
}

/** ERR_DAXKIND_NOT_A_BLOCK for a raw handle. */
export function notAHandle(): Error {
	return daxkindError(
		'ERR_DAXKIND_NOT_A_BLOCK',
		'This number is not a handle. Pass the number that mallocRaw returned',
	);
}

/** ERR_DAXKIND_CORRUPTED. */
export function corrupted(path: string): Error {
	return daxkindError(
		'ERR_DAXKIND_CORRUPTED',
		`The heap of the kind on '${path}' has no record of a block that was freed`,
	);
}
