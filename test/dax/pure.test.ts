// The parts of lib/dax that turn text into facts. The text was captured, or a specification lays it down.
import { expect, test } from 'vitest';
import { exclusionsOf } from '#lib/dax/file-report.js';
import { allocationUnit } from '#lib/dax/mount-report.js';
import { hasSharedMemory } from '#lib/dax/virtiofs.js';
import { parseMountinfo } from '#lib/mountinfo.js';
import { native } from '#lib/native.js';

const c = native.constants;

test.each([
	// Captured in the VM (Debian 6.1).
	['36 29 259:2 / /m rw - ext2 /dev/pmem2 rw,stripe=512,dax', 2 ** 21],
	['37 29 259:0 / /m rw - ext4 /dev/pmem0 rw,dax=always', 0],
	[
		'38 29 259:1 / /m rw - xfs /dev/pmem1 rw,attr2,inode64,logbufs=8,logbsize=32k,sunit=4096,swidth=4096,noquota',
		2 ** 21,
	],
	['38 29 259:1 / /m rw - xfs /dev/pmem1 rw,attr2,inode64,noquota', 0],
])('%s aligns large files to %i bytes', (line, unit) => {
	expect(allocationUnit(parseMountinfo(line)[0]!, 4096)).toBe(unit);
});

const ext4 = { fsType: 'ext4', superOptions: ['rw'] };

test.each<[string, Parameters<typeof exclusionsOf>, string[]]>([
	['an ordinary file', [ext4, 0n, 0x80000, [{ flags: 1 }]], []],
	['a file in its inode', [ext4, 0n, c.FS_INLINE_DATA_FL, []], ['inline data']],
	[
		'inline data on another file system',
		[{ ...ext4, fsType: 'other' }, 0n, 0, [{ flags: c.FIEMAP_EXTENT_DATA_INLINE }]],
		['inline data'],
	],
	['a journalled file', [ext4, 0n, c.FS_JOURNAL_DATA_FL, []], ['data journalling']],
	['any file of data=journal', [{ ...ext4, superOptions: ['rw', 'data=journal'] }, 0n, 0, []], ['data journalling']],
	[
		'an encrypted file with verity',
		[ext4, c.STATX_ATTR_ENCRYPTED | c.STATX_ATTR_VERITY, 0, []],
		['encryption', 'verity'],
	],
	[
		'an erofs file with a tail',
		[{ fsType: 'erofs', superOptions: [] }, 0n, 0, [{ flags: 0 }, { flags: c.FIEMAP_EXTENT_DATA_INLINE }]],
		['packed tail'],
	],
	[
		'a compressed file',
		[{ fsType: 'erofs', superOptions: [] }, 0n, 0, [{ flags: c.FIEMAP_EXTENT_ENCODED }]],
		['compression'],
	],
	[
		'a file of XFS with a clone',
		[{ fsType: 'xfs', superOptions: [] }, 0n, 0, [{ flags: 0 }, { flags: c.FIEMAP_EXTENT_SHARED }]],
		['shared blocks'],
	],
])('%s: what excludes DAX', (_, facts, exclusions) => {
	expect(exclusionsOf(...facts)).toEqual(exclusions);
});

/**
 * A PCI configuration space with capabilities at 0x40 and up. Each is a pair of its id and virtio's configuration type.
 */
function configuration(...capabilities: [id: number, type: number][]): Uint8Array {
	const bytes = new Uint8Array(256);
	bytes[0x06] = 0x10;
	bytes[0x34] = capabilities.length > 0 ? 0x40 : 0;
	capabilities.forEach(([id, type], n) => {
		const at = 0x40 + n * 0x14;
		bytes[at] = id;
		bytes[at + 1] = n + 1 < capabilities.length ? at + 0x14 : 0;
		bytes[at + 3] = type;
	});
	return bytes;
}

test('shared memory of a virtio device is found in its PCI configuration', () => {
	expect(hasSharedMemory(configuration([0x11, 0], [0x09, 1], [0x09, 8]))).toBe(true);
	// Type 8 of a capability with another id is something else.
	expect(hasSharedMemory(configuration([0x11, 8], [0x09, 1], [0x09, 2]))).toBe(false);
	expect(hasSharedMemory(configuration())).toBe(false);
});

test('what an ordinary user sees of it tells nothing, and a list that goes in circles ends', () => {
	expect(hasSharedMemory(configuration([0x09, 1]).subarray(0, 64))).toBeUndefined();
	expect(hasSharedMemory(new Uint8Array())).toBeUndefined();
	const circle = configuration([0x09, 1], [0x09, 2]);
	circle[0x40 + 0x14 + 1] = 0x40;
	expect(hasSharedMemory(circle)).toBe(false);
});
