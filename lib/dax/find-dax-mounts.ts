// Which mounts of this machine are on DAX.
import { native } from '../native.ts';
import { blockDevice } from './block-device.ts';
import type { Mount } from './mountinfo.ts';
import { readMounts } from './mounts.ts';

/** What the table of mounts and sysfs say, without touching the file system: whether to try at all. */
function mayHaveDax(mount: Mount): boolean {
	if (mount.superOptions.includes('dax=never')) return false;
	if (mount.options.includes('ro') || mount.superOptions.includes('ro')) return false;
	// virtiofs has no block device.
	return mount.fsType === 'virtiofs' || blockDevice(mount.deviceMajor, mount.deviceMinor)?.dax === true;
}

/** Makes a file there and looks. */
function hasDax(mount: Mount): boolean {
	try {
		const { dax, mountId } = native.statxTemporary(mount.mountPoint);
		// Another mount may cover this one at the same place, or this process may not reach it.
		return dax === true && (mountId === 0 || mountId === mount.id);
	} catch {
		return false;
	}
}

/**
 * Finds the mounts in which a file that this process makes is on DAX at once, in the order of mountinfo. Read-only mounts are not
 * among them, nor those where this process may make no file, nor those mounted with dax=inode whose top directory does not have the
 * DAX flag.
 *
 * @example
 * const [first] = findDaxMounts();
 * const directory = first?.mountPoint ?? os.tmpdir();
 */
export function findDaxMounts(): Mount[] {
	return readMounts().filter((mount) => mayHaveDax(mount) && hasDax(mount));
}
