// The commands that make and mount a file system on a disk of emulated persistent memory. They are printed, and never
// run.
import { basename } from 'node:path';
import { statx } from '../../dax/index.ts';
import { quoted } from '../../format.ts';
import { type DaxFileSystem, daxFileSystems, mkfsCommand } from '../../mkfs.ts';
import type { Disk } from './regions.ts';

/** How a disk is formatted and mounted, as commands for a shell. */
export interface FormatLines {
	fileSystem: DaxFileSystem;
	mkfs: string;
	mount: string;
}

/**
 * Kernels before 5.8 know only the plain word. They are recognised by their statx, which does not say whether a file is
 * on DAX.
 */
const alwaysOption = (): string => (statx('/').dax === undefined ? 'dax' : 'dax=always');

/** The command that mounts the file system of a disk. */
function mountCommand(disk: string): string {
	const point = quoted(`/mnt/${basename(disk)}`);
	return `mkdir -p ${point} && mount -o ${alwaysOption()} ${quoted(disk)} ${point}`;
}

/**
 * The ways to format a disk so that it has DAX and huge pages, the recommended one first. If `isTaken`, the commands
 * overwrite what is on the disk.
 */
export const formatLines = ({ path, size }: Disk, isTaken: boolean): FormatLines[] =>
	daxFileSystems(size).map((fileSystem) => ({
		fileSystem,
		mkfs: mkfsCommand(fileSystem, { device: quoted(path), size, isTaken }),
		mount: mountCommand(path),
	}));
