// A kind that is full of blocks while a thousand of its pages go bad, at random. The process goes on, each page that it
// meets is reported, and every other byte of every block is right. Arguments: the directory, and how many pages go bad.
// Prints what was reported.
//
// A page that has been touched is met as bad only when its mapping is dropped. So the blocks get their contents through
// the kernel, and are touched later.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { PmemKind } from 'daxkind';
import { Random } from '../../../scripts/random.mjs';
import { pageSize, spoil } from './lossy.mjs';

const [, , directory, wanted] = process.argv;
const size = 32 * 1024 * 1024;
const generator = new Random(1);
const random = (below) => generator.below(below);

const errors = [];
const kind = PmemKind.create(directory, { maxSize: size, onMediaError: (error) => errors.push(error) });
const links = fs.readdirSync('/proc/self/fd').map((fd) => {
	try {
		return { fd: Number(fd), target: fs.readlinkSync(`/proc/self/fd/${fd}`) };
	} catch {
		return { fd: -1, target: '' };
	}
});
const { fd } = links.find(({ target }) => target.startsWith(`${directory}/`));
const file = `/proc/self/fd/${fd}`;
const writer = fs.openSync(file, 'r+');

/** Fills the kind with blocks of all sorts of sizes. Each is full of one byte. */
const blocks = [];
function take() {
	const length = 1 + random([200, 3000, 9000, 60_000][random(4)]);
	const block = kind.tryMalloc(length);
	if (block === undefined) return false;
	const byte = 1 + random(255);
	fs.writeSync(writer, Buffer.alloc(length, byte), 0, length, block.byteOffset);
	blocks.push({ block, byte, from: block.byteOffset, to: block.byteOffset + length });
	return true;
}
while (take());

const touched = new Set();
const bad = new Set();

/** Notes that the pages of a block have been touched. */
function touch(from, to) {
	for (let page = Math.floor(from / pageSize); page * pageSize < to; page++) touched.add(page);
}

/** Checks every byte of a block: the bytes of bad pages are zeros. */
function check({ block, byte, from, to }) {
	for (let at = from; at < to; ) {
		const page = Math.floor(at / pageSize);
		const end = Math.min(to, (page + 1) * pageSize);
		const expected = Buffer.alloc(end - at, bad.has(page) ? 0 : byte);
		assert.ok(block.subarray(at - from, end - from).equals(expected), `page ${page} of a block at ${from}`);
		at = end;
	}
	touch(from, to);
}

/** Makes pages bad that nobody has touched. Returns them, and the blocks that they are in. */
function spoilSome(count) {
	const fresh = [];
	const hit = new Set();
	while (fresh.length < count) {
		const each = blocks[random(blocks.length)];
		const page = Math.floor((each.from + random(each.to - each.from)) / pageSize);
		if (touched.has(page) || bad.has(page)) continue;
		bad.add(page);
		fresh.push(page);
		hit.add(each);
		spoil(file, page * pageSize, (page + 1) * pageSize);
	}
	return { fresh, hit };
}

let checked = 0;
function giveUp(each) {
	check(each);
	checked += each.to - each.from;
	kind.free(each.block);
	blocks.splice(blocks.indexOf(each), 1);
	// Meanwhile other blocks come and go.
	const length = 1 + random(5000);
	const block = kind.tryMalloc(length)?.fill(1);
	if (block === undefined) return;
	touch(block.byteOffset, block.byteOffset + length);
	kind.free(block);
}

// The kernel's list has 512 entries. So the pages go bad in turns. After each turn they are written through the kernel,
// which takes them off the list.
const turns = 4;
for (let turn = 0; turn < turns; turn++) {
	const { fresh, hit } = spoilSome(Number(wanted) / turns);
	for (const each of hit) {
		if (!blocks.includes(each)) continue;
		giveUp(each);
		if (random(4) === 0 && blocks.length > 0) giveUp(blocks[random(blocks.length)]);
		if (random(20) === 0) await sleep(1);
	}
	for (const page of fresh) fs.writeSync(writer, Buffer.alloc(pageSize), 0, pageSize, page * pageSize);
}
while (blocks.length > 0) giveUp(blocks.at(-1));
const hit = [...bad].filter((page) => touched.has(page));
const told = new Set();
const ends = Date.now() + 30_000;
while (Date.now() < ends && !hit.every((page) => told.has(page))) {
	await sleep(20);
	for (const { sort, block, offset, length, cause } of errors.splice(0)) {
		assert.equal(cause, 'media');
		const from = (sort === 'free' ? 0 : block.byteOffset) + offset;
		for (let at = from; at < from + length; at += 16) told.add(Math.floor(at / pageSize));
	}
}
for (const page of told) assert.ok(bad.has(page), `page ${page} is not bad`);
assert.deepEqual(
	hit.filter((page) => !told.has(page)),
	[],
);
const { lost, blocks: left } = kind.stats();
assert.equal(left, 0);
assert.ok(lost >= hit.length * 1024);
console.log(JSON.stringify({ bad: bad.size, met: hit.length, told: told.size, checked, lost }));
kind.close();
