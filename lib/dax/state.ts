// Decides whether a path is on DAX: by what the kernel reports, and where it reports nothing, by what follows from the
// rest. Pure.
import type { DaxKnownBy, DaxReport } from './report.ts';

/** The parts of a report that decide the state. */
export type StateFacts = Pick<
	DaxReport,
	'file' | 'directory' | 'newFile' | 'mount' | 'kernel' | 'mapSync' | 'daxDevice'
>;

/**
 * What follows from the contents, the mount, the medium and the flag. Undefined where nothing does. A refused MAP_SYNC
 * proves nothing here, because some file systems and devices have DAX without it.
 */
function byRules({ file, directory, mount, kernel }: StateFacts): boolean | undefined {
	if (file.exclusions.length > 0) return false;
	// The files of an overlay are those of its layers.
	if (!mount || mount.fsType === 'overlay') return undefined;
	const { mode, effectiveMode, byFlag, fsType } = mount;
	const { flag } = file.type === 'directory' ? directory : file;
	if (mode === 'inode') {
		// This holds whatever the medium is.
		if (byFlag && flag === false) return false;
		if (effectiveMode === 'unsupported') return false;
		// This kernel reports the state, so no file could be made here to look at. A file with the flag would be on DAX.
		return effectiveMode === 'inode' && byFlag && flag && kernel.perFileDax ? true : undefined;
	}
	// Before 5.8, an XFS that is mounted without the option obeys the flag, too.
	if (mode === 'never' && fsType === 'xfs' && flag && kernel.perFileDax === false) return undefined;
	return effectiveMode === undefined ? undefined : effectiveMode === 'always';
}

/** Whether the path is on DAX, and how that is known. */
export function stateOf(facts: StateFacts): { dax: boolean | undefined; knownBy: DaxKnownBy | undefined } {
	const { file, newFile, mapSync, daxDevice } = facts;
	if (daxDevice) {
		// statx does not tell: the kernel marks the node when it is first opened, and the mark stays there when the device
		// has become memory.
		const { mode } = daxDevice;
		if (mode === 'unknown' || mode === undefined) return { dax: undefined, knownBy: undefined };
		return { dax: mode === 'devdax', knownBy: 'driver' };
	}
	if (file.type !== 'file' && file.type !== 'directory') return { dax: false, knownBy: 'rules' };
	const seen = file.type === 'file' ? file.dax : newFile?.dax;
	if (seen !== undefined) return { dax: seen, knownBy: 'statx' };
	if (mapSync.supported) return { dax: true, knownBy: 'MAP_SYNC' };
	const dax = byRules(facts);
	return { dax, knownBy: dax === undefined ? undefined : 'rules' };
}
