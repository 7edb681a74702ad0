// A file that is mapped and that loses its pages: because somebody truncates it, or, where DAXKIND_BADBLOCKS names the list of
// its disk (`/sys/block/pmem0/badblocks`), because the medium goes bad there. For the programs of this directory.
import fs from 'node:fs';
import { mapFile } from 'daxkind';
import { native } from '#lib/native.js';

export const pageSize = 4096;
const sectorSize = 512;
const { DAXKIND_BADBLOCKS: list, DAXKIND_BADBLOCKS_START: firstSector = '0' } = process.env;

/** Has the kernel take these bytes of a file for bad. `DAXKIND_BADBLOCKS_START`: the sector where the file's device begins. */
export function spoil(path, from, to) {
	const { extents } = native.fileExtents(path, 2 ** 20);
	for (let at = 0; at < extents.length; at += 4) {
		const [logical, physical, length] = extents.subarray(at, at + 3);
		const first = Math.max(from, logical);
		const last = Math.min(to, logical + length);
		if (first >= last) continue;
		// An entry has 512 sectors at most, and Linux 6.1 puts those of a longer range in the wrong order, and finds none.
		for (let part = first; part < last; part += 512 * sectorSize) {
			const sector = (physical + part - logical) / sectorSize + Number(firstSector);
			fs.writeFileSync(list, `${sector} ${Math.min(512, (last - part) / sectorSize)}`);
		}
	}
}

/** A file of so many pages, each byte a 'Z', and its mapping. `lose()` leaves so many pages of it, none by default. */
export function lossyFile(path, pages = 4) {
	const bytes = Buffer.alloc(pages * pageSize, 'Z');
	// A medium that can be repaired is by this: whole pages are written.
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
