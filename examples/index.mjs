// An index of many small records. Each record is a block, and JavaScript keeps only its handle, which is a number. A
// million Buffers would be a million objects for the garbage collector. The handles are one array without objects.
import { PmemKind } from 'daxkind';

const recordBytes = 64;
const [directory = '/dev/shm', records = '200000'] = process.argv.slice(2);
const count = Number(records);
const kind = PmemKind.create(directory, { maxSize: 256 * 1024 * 1024 });
const handles = new Float64Array(count);

for (let id = 0; id < count; id++) {
	const handle = kind.mallocRaw(recordBytes);
	const record = kind.view(handle); // a Buffer over the block; drop it after use
	record.writeUInt32LE(id, 0);
	record.writeDoubleLE(Math.sqrt(id), 8);
	handles[id] = handle;
}

let wrong = 0;
for (let id = 0; id < count; id++) {
	const record = kind.view(handles[id]);
	if (record.readUInt32LE(0) !== id || record.readDoubleLE(8) !== Math.sqrt(id)) wrong++;
}
const { allocated } = kind.stats();
console.log(`${count} records, ${allocated / count} bytes each, ${wrong} of them wrong`);

for (const handle of handles) kind.freeRaw(handle);
console.log(`${kind.stats().blocks} blocks left`);
kind.close();
