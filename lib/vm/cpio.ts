// Writes cpio archives in the "newc" format, which the kernel unpacks as an initramfs
// (Documentation/driver-api/early-userspace/buffer-format.rst). The same input always gives the same bytes.

/** One entry of an archive. A directory comes before the entries that are in it. */
export type CpioEntry =
	| { path: string; type: 'directory' }
	| { path: string; type: 'file'; data: Uint8Array; mode?: number }
	| { path: string; type: 'symlink'; target: string };

const pad = (bytes: number) => Buffer.alloc((4 - (bytes % 4)) % 4);

function record(inode: number, path: string, mode: number, links: number, data: Uint8Array): Buffer[] {
	const name = Buffer.from(`${path}\0`);
	// magic, ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
	const fields = [inode, mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, name.length, 0];
	const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
	return [header, name, pad(header.length + name.length), Buffer.from(data), pad(data.length)];
}

/** An archive of the given entries, all owned by root. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
	const parts = entries.flatMap((entry, index) => {
		switch (entry.type) {
			case 'directory':
				return record(index + 1, entry.path, 0o040755, 2, Buffer.alloc(0));
			case 'file':
				return record(index + 1, entry.path, 0o100000 | (entry.mode ?? 0o644), 1, entry.data);
			case 'symlink':
				return record(index + 1, entry.path, 0o120777, 1, Buffer.from(entry.target));
			default:
				return [];
		}
	});
	return Buffer.concat([...parts, ...record(0, 'TRAILER!!!', 0, 1, Buffer.alloc(0))]);
}
