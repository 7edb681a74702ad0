// Commands that make a file system whose large files lie at multiples of 2 MiB, so that the kernel can map huge pages
// of them (docs/huge-pages.md). Its blocks are as long as a page, which DAX needs, and which is not the default on
// small devices.

import { GIB, MIB } from './size.ts';

/** The file systems that have DAX, and that a person makes with mkfs. */
export type DaxFileSystem = 'ext4' | 'xfs';

const makers: Readonly<Record<DaxFileSystem, string>> = {
	// stride and stripe_width are in blocks. Backups of the superblock would move long files away from the alignment.
	ext4: 'mkfs.ext4 -b 4096 -O sparse_super2 -E stride=512,stripe_width=512,num_backup_sb=0',
	xfs: 'mkfs.xfs -b size=4096 -d su=2m,sw=1',
};

/** The smallest device that mkfs.xfs takes, in bytes. */
export const leastXfs = 300 * MIB;
/**
 * On a smaller device, mkfs.xfs with that alignment makes allocation groups too small for a log (seen up to 512 MiB),
 * unless there are fewer of them.
 */
const smallXfs = GIB;

/** The file systems that a device of that many bytes can have, the recommended one first. */
export const daxFileSystems = (size: number | undefined): DaxFileSystem[] =>
	size !== undefined && size < leastXfs ? ['ext4'] : ['ext4', 'xfs'];

/** A device that gets a file system. */
interface Target {
	/** Its node, quoted for a shell where that is needed. */
	device: string;
	/** Bytes. */
	size: number | undefined;
	/** Whether something is on the device. mkfs.xfs then refuses without `-f`, while mkfs.ext4 asks. */
	isTaken: boolean;
}

/** The command, for a shell. */
export function mkfsCommand(fileSystem: DaxFileSystem, { device, size, isTaken }: Target): string {
	const groups = fileSystem === 'xfs' && size !== undefined && size < smallXfs ? ',agcount=2' : '';
	const force = fileSystem === 'xfs' && isTaken ? ' -f' : '';
	return `${makers[fileSystem]}${groups}${force} ${device}`;
}
