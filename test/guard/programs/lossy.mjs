// A file that is mapped and loses its pages, for the programs of this directory. Somebody truncates it. Or the medium
// goes bad, if DAXKIND_BADBLOCKS names the list of its disk (`/sys/block/pmem0/badblocks`).
import fs from 'node:fs';
import { mapFile } from 'daxkind';
import { native } from '#lib/native.js';

export const pageSize = 4096;
const sectorSize = 512;
const { DAXKIND_BADBLOCKS: list, DAXKIND_BADBLOCKS_START: firstSector = '0' } = process.env;

/**
 * Tells the kernel that these bytes of a file are bad. DAXKIND_BADBLOCKS_START is the sector where the file's device
 * begins.
 */
export function spoil(path, from, to) {
	const { extents } = native.fileExtents(path, 2 ** 20);
	for (let at = 0; at < extents.length; at += 4) {
		const [logical, physical, length] = extents.subarray(at, at + 3);
		const first = Math.max(from, logical);
		const last = Math.min(to, logical + length);
		if (first >= last) continue;
		// An entry has 512 sectors at most. Linux 6.1 puts the entries of a longer range in the wrong order, and then
		// finds none.
		for (let part = first; part < last; part += 512 * sectorSize) {
			const sector = (physical + part - logical) / sectorSize + Number(firstSector);
			fs.writeFileSync(list, `${sector} ${Math.min(512, (last - part) / sectorSize)}`);
		}
	}
}

/** Makes a file of `pages` pages, each byte a 'Z', and maps it. `lose()` leaves `left` pages of it, 0 by default. */
export function lossyFile(path, pages = 4) {
	const bytes = Buffer.alloc(pages * pageSize, 'Z');
	// This writes whole pages, which repairs a medium that can be repaired.
	if (list !== undefined && fs.existsSync(path)) fs.writeFileSync(path, bytes, { flag: 'r+' });
	fs.writeFileSync(path, bytes);
	const fd = fs.openSync(path);
	fs.fsyncSync(fd);
	fs.closeSync(fd);
	const mapping = mapFile(path);
	const lose = (left = 0) =>
		list === undefined ? fs.truncateSync(path, left * pageSize) : spoil(path, left * pageSize, pages * pageSize);
	return { mapping, buffer: mapping.buffer, lose };
}
