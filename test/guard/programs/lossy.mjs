// A file that is mapped and that somebody truncates. For the programs of this directory.
import fs from 'node:fs';
import { mapFile } from 'daxkind';

export const pageSize = 4096;

/** A file of so many pages, each byte a 'Z', and its mapping. `lose()` leaves so many pages of it, none by default. */
export function lossyFile(path, pages = 4) {
	fs.writeFileSync(path, Buffer.alloc(pages * pageSize, 'Z'));
	const mapping = mapFile(path);
	return { mapping, buffer: mapping.buffer, lose: (left = 0) => fs.truncateSync(path, left * pageSize) };
}
