// Whether a path is on DAX: what was seen of it, and where nothing can be seen, what follows. Pure.
import type { DaxKnownBy, DaxReport } from './report.ts';

/** What has a say. */
export type StateFacts = Pick<
	DaxReport,
	'file' | 'directory' | 'newFile' | 'mount' | 'kernel' | 'mapSync' | 'daxDevice'
>;

/**
 * What follows from the contents, the mount, the medium and the flag; undefined where nothing does. If MAP_SYNC was tried it was refused,
 * which proves nothing: file systems and devices that have DAX without it.
 */
function byRules({ file, directory, mount, kernel }: StateFacts): boolean | undefined {
	if (file.exclusions.length > 0) return false;
	// An overlay's files are those of its layers.
	if (!mount || mount.fsType === 'overlay') return undefined;
	const { mode, effectiveMode, byFlag, fsType } = mount;
	const { flag } = file.type === 'directory' ? directory : file;
	if (mode === 'inode') {
		// Whatever the medium is.
		if (byFlag && flag === false) return false;
		if (effectiveMode === 'unsupported') return false;
		// Where the kernel reports the state, it was not asked: no file can be made here. One with the flag would be on DAX.
		return effectiveMode === 'inode' && byFlag && flag && kernel.perFileDax ? true : undefined;
	}
	// Before 5.8 an XFS goes by the flag, too, when it is mounted without the option.
	if (mode === 'never' && fsType === 'xfs' && flag && kernel.perFileDax === false) return undefined;
	return effectiveMode === undefined ? undefined : effectiveMode === 'always';
}

/** Whether the path is on DAX, and how that is known. */
export function stateOf(facts: StateFacts): { dax: boolean | undefined; knownBy: DaxKnownBy | undefined } {
	const { file, newFile, mapSync, daxDevice } = facts;
	if (daxDevice) {
		// Not by statx: the kernel marks the node when somebody opens it first, and leaves the mark there when it is memory.
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
