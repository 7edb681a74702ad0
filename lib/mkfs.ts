// How to make a file system whose large files lie at multiples of 2 MiB, so that the kernel can map huge pages of them (docs/huge-pages.md).
// Also blocks of a page, which DAX needs, and which are not the default on small devices.

/** The file systems that have DAX and are made on a machine of one's own, the one that is recommended first. */
export type DaxFileSystem = 'ext4' | 'xfs';

const makers: Readonly<Record<DaxFileSystem, string>> = {
	// stride and stripe_width are in blocks. Backups of the superblock would push long files off the alignment.
	ext4: 'mkfs.ext4 -b 4096 -O sparse_super2 -E stride=512,stripe_width=512,num_backup_sb=0',
	xfs: 'mkfs.xfs -b size=4096 -d su=2m,sw=1',
};

export const daxFileSystems = Object.keys(makers) as DaxFileSystem[];

/**
 * The command, for a shell.
 *
 * @param device Quoted, if that is needed.
 * @param overwrite Whether something is on the device: mkfs.xfs refuses that otherwise, while mkfs.ext4 asks.
 */
export function mkfsCommand(fileSystem: DaxFileSystem, device: string, overwrite = false): string {
	const force = overwrite && fileSystem === 'xfs' ? ' -f' : '';
	return `${makers[fileSystem]}${force} ${device}`;
}
