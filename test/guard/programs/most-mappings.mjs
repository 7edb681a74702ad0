// Loses every second page of a mapping. That would need more mappings than a process may have (vm.max_map_count is
// 65,530 by default).
import assert from 'node:assert';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mapFile } from 'daxkind';

const page = 4096;
const count = 40_000;
const [, , directory] = process.argv;
const path = join(directory, 'file');
writeFileSync(path, '');
truncateSync(path, 2 * count * page);
const mapping = mapFile(path, { allocate: false });
truncateSync(path, 0);
const { buffer } = mapping;
for (let at = 0; at < count; at++) {
	assert.equal(buffer[2 * at * page], 0);
	buffer[2 * at * page] = at % 251;
}
for (let at = 0; at < count; at++) assert.equal(buffer[2 * at * page], at % 251);
const lost = mapping.errors().reduce((sum, { length }) => sum + length, 0);
assert.ok(lost >= count * page && lost < 2 * count * page);
