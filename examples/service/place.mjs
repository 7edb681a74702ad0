// Where the values are kept: the first DAX mount that it may write to, else tmpfs, with what that means in words.
import { accessSync, constants, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { findDaxMounts } from 'daxkind/dax';

/** Room below which a place is not worth it: twice the smallest kind. */
const enoughBytes = 32 * 2 ** 20;

function isUsable(directory) {
	try {
		accessSync(directory, constants.W_OK | constants.X_OK);
		const { bavail, bsize } = statfsSync(directory);
		return bavail * bsize >= enoughBytes;
	} catch {
		return false;
	}
}

/** The first DAX mount that can be written to. Without /proc there is no telling, as if there were none. */
function daxMount() {
	try {
		return findDaxMounts().find(({ mountPoint, newFiles }) => newFiles && isUsable(mountPoint));
	} catch {
		return undefined;
	}
}

/** Chooses the place. @param chosen What the person chose; it is taken as it is. */
export function choosePlace(chosen) {
	if (chosen !== undefined) return { directory: chosen, what: 'as chosen with --dir' };
	const mount = daxMount();
	if (mount) {
		const what = `${mount.fsType} on ${mount.source}, the first DAX mount`;
		// Set by `daxkind vm`.
		const isVm = process.env.DAXKIND_VM === '1';
		const note = 'This was in a virtual machine: what is right here is right on hardware, but its times are not.';
		return { directory: mount.mountPoint, what, ...(isVm && { note }) };
	}
	const note =
		'This is NOT DAX: no DAX mount was found that can be written to, so the values are in ordinary memory.\n' +
		'On real DAX, in a virtual machine with emulated persistent memory:  npm start -- --vm\n' +
		'On a mount of your own:                                             npm start -- --dir DIRECTORY';
	if (isUsable('/dev/shm')) return { directory: '/dev/shm', what: 'tmpfs', note };
	return { directory: tmpdir(), what: 'the directory for temporary files', note };
}
