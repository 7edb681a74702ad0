// The smallest program: makes a kind in a directory, uses one block, and gives everything back. With persistent memory,
// the directory is on a DAX mount such as /mnt/pmem.
import { PmemKind } from 'daxkind';

const [directory = '/dev/shm'] = process.argv.slice(2);
const kind = PmemKind.create(directory, { maxSize: 64 * 1024 * 1024 });
console.log(kind.dax ? 'on DAX' : 'not on DAX');

const block = kind.malloc(4096); // a Buffer; the memory is not cleared
block.fill(0).write('hello, pmem');
console.log(block.toString('utf8', 0, 11));

const longer = kind.realloc(block, 1024 * 1024); // the block may move: do not use `block` any more
kind.free(longer);

console.log(kind.tryMalloc(1024 ** 3)); // undefined: the kind is smaller than that
console.log(`${kind.stats().blocks} blocks left`);
kind.close(); // the file system has its space back
