// Chooses where the values are kept: on the first DAX mount that this process may write to, or else on tmpfs. Says what
// that means.
import { accessSync, constants, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { findDaxMounts } from 'daxkind/dax';

/** A place with less room is not chosen: this is twice the size of the smallest kind. */
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

/** The first DAX mount that this process can write to. Without /proc no mount can be found. */
function daxMount() {
	try {
		return findDaxMounts().find(({ mountPoint, newFiles }) => newFiles && isUsable(mountPoint));
	} catch {
		return undefined;
	}
}

/** Chooses the place. @param chosen The directory that the person chose, which is used unchecked. */
export function choosePlace(chosen) {
	if (chosen !== undefined) return { directory: chosen, what: 'as chosen with --dir' };
	const mount = daxMount();
	if (mount) {
		const what = `${mount.fsType} on ${mount.source}, the first DAX mount`;
		// `daxkind vm` sets it.
		const isVm = process.env.DAXKIND_VM === '1';
		const note = 'This was in a virtual machine: the results hold on hardware too, but the times do not.';
		return { directory: mount.mountPoint, what, ...(isVm && { note }) };
	}
	const note =
		'This is NOT DAX: there is no DAX mount with room that can be written to, so the values are in ordinary memory.\n' +
		'On real DAX, in a virtual machine with emulated persistent memory:  npm start -- --vm\n' +
		'On a mount of your own:                                             npm start -- --dir DIRECTORY';
	if (isUsable('/dev/shm')) return { directory: '/dev/shm', what: 'tmpfs', note };
	return { directory: tmpdir(), what: 'the directory for temporary files', note };
}
