// A kind over a file that somebody truncates, twice, while blocks come and go. What was written before a loss may be
// zeros afterwards. What is written after it stays. Argument: the directory.
import assert from 'node:assert/strict';
import { FixedKind } from 'daxkind';
import { Random } from '../../../scripts/random.mjs';
import { lossyFile } from './lossy.mjs';

const pages = 1024;
const { mapping, lose } = lossyFile(`${process.argv[2]}/file`, pages);
const kind = FixedKind.create(mapping);
const generator = new Random(1);
const random = (below) => generator.below(below);
const blocks = [];

function take() {
	const byte = 1 + random(255);
	const block = kind.tryMalloc(1 + random(random(10) === 0 ? 100_000 : 500));
	if (block !== undefined) blocks.push({ block: block.fill(byte), byte });
}

function give() {
	if (blocks.length === 0) return;
	const [{ block, byte }] = blocks.splice(random(blocks.length), 1);
	assert.ok(block.equals(Buffer.alloc(block.length, byte)));
	kind.free(block);
}

function comeAndGo() {
	for (let i = 0; i < 3000; i++) {
		if (random(100) < 55) take();
		else give();
	}
}

comeAndGo();
for (const left of [pages / 2, 0]) {
	lose(left);
	for (const { block, byte } of blocks) {
		assert.ok(block.every((found) => found === byte || found === 0));
		block.fill(byte);
	}
	comeAndGo();
	assert.equal(kind.stats().blocks, blocks.length);
}
while (blocks.length > 0) give();
assert.equal(kind.close(), undefined);
mapping.unmap();
