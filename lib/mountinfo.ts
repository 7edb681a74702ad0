// Parses mountinfo, the kernel's table of mounts: text in, typed values out. See proc_pid_mountinfo(5). mounts.ts reads
// it.

/** A mount, as a line of mountinfo describes it. */
export interface MountInfo {
	/** The number of the mount: `mountId` of statx. */
	id: number;
	parentId: number;
	/** The device of its files. */
	deviceMajor: number;
	deviceMinor: number;
	/** The directory of the file system that is mounted. It is not / for bind mounts and subvolumes. */
	root: string;
	mountPoint: string;
	/** Options of this mount: rw, noatime… */
	options: string[];
	fsType: string;
	/** What was mounted: a device, or a name. */
	source: string;
	/** Options of the file system, the same in all its mounts: dax=always… */
	superOptions: string[];
}

/** The kernel writes space, tab, newline, backslash and number sign as three octal digits. All of them are ASCII. */
function unescaped(field: string): string {
	return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/**
 * Commas separate options. overlayfs puts a backslash, which the kernel then writes as \134, before a comma within a
 * path.
 */
function optionsOf(field: string): string[] {
	return field === '' ? [] : field.split(/(?<!\\134),/).map(unescaped);
}

function parseLine(line: string): MountInfo | undefined {
	const fields = line.split(' ');
	// A dash ends the optional fields, of which there may be none.
	const dash = fields.indexOf('-', 6);
	const [id, parentId, device, root, mountPoint, options] = fields;
	const [fsType, source, superOptions] = fields.slice(dash + 1);
	const numbers = device?.match(/^(\d+):(\d+)$/);
	if (dash < 0 || !numbers || options === undefined || fsType === undefined || source === undefined) return undefined;
	return {
		id: Number(id),
		parentId: Number(parentId),
		deviceMajor: Number(numbers[1]),
		deviceMinor: Number(numbers[2]),
		root: unescaped(root!),
		mountPoint: unescaped(mountPoint!),
		options: optionsOf(options),
		fsType: unescaped(fsType),
		source: unescaped(source),
		superOptions: optionsOf(superOptions ?? ''),
	};
}

/** All mounts in the text, in the kernel's order. A later mount covers an earlier one at the same mount point. */
export function parseMountinfo(text: string): MountInfo[] {
	return text
		.split('\n')
		.map(parseLine)
		.filter((mount) => mount !== undefined);
}
