// Asks whether this process may write to the files that an operation needs, before anything is changed.
import { closeSync, constants, openSync } from 'node:fs';
import { attempt } from '../attempt.ts';
import { systemRefusal } from '../errors.ts';
import type { Tree } from '../tree.ts';

const EACCES = -13;
const EROFS = -30;

/** @throws EACCES or EROFS (open), with `remedy`. */
export function requirePrivilege(tree: Tree, name: string, paths: readonly string[]): void {
	for (const path of paths) {
		const { error } = attempt(() => closeSync(openSync(`${tree.root}${path}`, constants.O_WRONLY)));
		if (error === undefined || error === 'ENOENT') continue;
		const isReadOnly = error === 'EROFS';
		const remedy = isReadOnly ? 'mount /sys read-write; in a container, run this outside of it' : 'run as root';
		const what = `${isReadOnly ? 'sysfs is mounted read-only' : 'permission denied'}: ${name} cannot be changed`;
		throw systemRefusal(isReadOnly ? EROFS : EACCES, 'open', path, what, remedy);
	}
}
