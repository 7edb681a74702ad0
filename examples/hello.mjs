// The smallest program: memory on a directory, one block, and back. On hardware the directory is a DAX mount, like /mnt/pmem.
import { PmemKind } from 'daxkind';

const [directory = '/dev/shm'] = process.argv.slice(2);
const kind = PmemKind.create(directory, { maxSize: 64 * 1024 * 1024 });
console.log(kind.dax ? 'on DAX' : 'not on DAX');

const block = kind.malloc(4096); // a Buffer; its content is whatever was there before
block.fill(0).write('hello, pmem');
console.log(block.toString('utf8', 0, 11));

const longer = kind.realloc(block, 1024 * 1024); // may move: do not use `block` any more
kind.free(longer);

console.log(kind.tryMalloc(1024 ** 3)); // undefined: the kind is smaller
console.log(`${kind.stats().blocks} blocks left`);
kind.close(); // the space is the file system's again
