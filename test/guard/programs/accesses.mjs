// Every sort of access to a Buffer, in pages of a mapping that its file has lost. The result, and what the Buffer holds
// afterwards, must be those of an ordinary Buffer of zeros. Each access is made by code that runs for the first time,
// and then by code that has been optimised. Argument: the directory. Prints how many sorts of access there are.
import assert from 'node:assert/strict';
import nodeBuffer from 'node:buffer';
import crypto from 'node:crypto';
import v8 from 'node:v8';
import zlib from 'node:zlib';
import { lossyFile } from './lossy.mjs';

const path = `${process.argv[2]}/file`;
const pages = 4;
const size = pages * 4096;

/** A value that begins here crosses the end of a page if it is longer than a byte. */
const edge = 4096 - 1;
const other = Buffer.alloc(size, 'other');
const key = Buffer.alloc(16, 'key');

const accesses = {
	'an index': (b) => [b[0], b[edge], b[size - 1]],
	'an assignment': (b) => (b[edge] = 7),
	'a compound assignment': (b) => (b[edge] += 7),
	readUInt8: (b) => b.readUInt8(edge),
	readInt16BE: (b) => b.readInt16BE(edge),
	readUInt32LE: (b) => b.readUInt32LE(edge),
	readFloatLE: (b) => b.readFloatLE(edge),
	readDoubleBE: (b) => b.readDoubleBE(edge),
	readBigUInt64LE: (b) => b.readBigUInt64LE(edge),
	readUIntBE: (b) => b.readUIntBE(edge, 6),
	writeUInt8: (b) => b.writeUInt8(1, edge),
	writeInt16BE: (b) => b.writeInt16BE(-2, edge),
	writeUInt32LE: (b) => b.writeUInt32LE(0xdeadbeef, edge),
	writeFloatLE: (b) => b.writeFloatLE(1.5, edge),
	writeDoubleBE: (b) => b.writeDoubleBE(Math.PI, edge),
	writeBigInt64LE: (b) => b.writeBigInt64LE(-5n, edge),
	writeIntLE: (b) => b.writeIntLE(-1234567, edge, 6),
	...Object.fromEntries(
		['utf8', 'latin1', 'ascii', 'ucs2', 'hex', 'base64', 'base64url'].flatMap((encoding) => [
			[`toString ${encoding}`, (b) => b.toString(encoding)],
			[`write ${encoding}`, (b) => b.write('abcdefabcdef', edge, encoding)],
		]),
	),
	'write of wide characters': (b) => b.write('äöü€', edge),
	'indexOf a byte': (b) => [b.indexOf(1), b.indexOf(0, 5000)],
	'indexOf a string': (b) => b.indexOf('Z'.repeat(20)),
	'indexOf a Buffer': (b) => b.indexOf(Buffer.from('ZZ'), 4000, 'latin1'),
	includes: (b) => b.includes('needle'),
	'lastIndexOf a byte': (b) => b.lastIndexOf(90),
	'lastIndexOf a string': (b) => b.lastIndexOf('needle'),
	'copy out': (b) => b.copy(other, 3, edge) && other.subarray(0, 100),
	'copy in': (b) => Buffer.from('some bytes').copy(b, edge),
	'copy in of all': (b) => Buffer.alloc(size, 'all').copy(b),
	'fill with a byte': (b) => b.fill(9, edge).length,
	'fill with a string': (b) => b.fill('abc').length,
	'fill with zeros': (b) => b.fill(0).length,
	set: (b) => b.set([1, 2, 3], edge),
	'set of a typed array': (b) => b.set(new Float32Array([1, 2, 300]), edge),
	copyWithin: (b) => b.copyWithin(0, edge).length,
	'copyWithin of one more': (b) => b.copyWithin(5000, 3, 8000).length,
	equals: (b) => b.equals(Buffer.alloc(size)),
	'equals of something else': (b) => Buffer.alloc(size, 1).equals(b),
	compare: (b) => [b.compare(Buffer.alloc(size)), Buffer.compare(Buffer.alloc(size, 1), b)],
	'compare of parts': (b) => b.compare(Buffer.alloc(10), 0, 10, edge, edge + 10),
	swap16: (b) => b.swap16().length,
	swap32: (b) => b.swap32().length,
	swap64: (b) => b.swap64().length,
	'slice of a subarray': (b) => Uint8Array.prototype.slice.call(b.subarray(edge), 1, 5000),
	'slice of the ArrayBuffer': (b) => new Uint8Array(b.buffer.slice(b.byteOffset + edge, b.byteOffset + edge + 10)),
	TextDecoder: (b) => new TextDecoder().decode(b),
	'TextDecoder latin1': (b) => new TextDecoder('latin1').decode(b.subarray(edge)),
	'TextEncoder.encodeInto': (b) => new TextEncoder().encodeInto('wörds', b.subarray(edge)),
	'DataView, loads': (b) => [view(b).getFloat64(edge), view(b).getInt16(edge), view(b).getBigInt64(edge)],
	'DataView, stores': (b) => view(b).setFloat64(edge, 2.5),
	'Atomics.load': (b) => Atomics.load(words(b), 1024),
	'Atomics.store': (b) => Atomics.store(words(b), 1024, 5),
	'Atomics.add': (b) => Atomics.add(words(b), 1024, 5),
	'Atomics.exchange': (b) => Atomics.exchange(words(b), 2048, 5),
	'Atomics.compareExchange': (b) => Atomics.compareExchange(words(b), 3072, 0, 5),
	'a Float64Array': (b) => (new Float64Array(b.buffer, b.byteOffset)[1000] += 0.5),
	'a BigInt64Array': (b) => (new BigInt64Array(b.buffer, b.byteOffset)[1000] -= 1n),
	'Buffer.concat': (b) => Buffer.concat([b, key, b]),
	'Buffer.from': (b) => Buffer.from(b),
	'structuredClone of a copy': (b) => structuredClone(new Uint8Array(b.subarray(4000, 4200))),
	structuredClone: (b) => structuredClone(b).length,
	'JSON.stringify': (b) => JSON.stringify(b.subarray(4000, 4200)),
	'v8.serialize': (b) => v8.deserialize(v8.serialize(b.subarray(edge))).length,
	'for of': (b) => {
		let sum = 0;
		for (const byte of b) sum += byte;
		return sum;
	},
	'spread syntax': (b) => [...b.subarray(4000, 4200)],
	reduce: (b) => b.reduce((sum, byte) => sum + byte, 0),
	map: (b) => b.map((byte) => byte + 1),
	sort: (b) => b.subarray(4000, 4200).sort().length,
	reverse: (b) => b.reverse().length,
	join: (b) => b.subarray(4000, 4200).join(),
	isUtf8: (b) => [nodeBuffer.isUtf8(b), nodeBuffer.isAscii(b)],
	transcode: (b) => nodeBuffer.transcode(b, 'latin1', 'utf16le'),
	Blob: (b) => new Blob([b]).size,
	'a hash': (b) => crypto.createHash('sha256').update(b).digest('hex'),
	'an HMAC': (b) => crypto.createHmac('sha1', b.subarray(0, 64)).update(b).digest('hex'),
	'a cipher': (b) => crypto.createCipheriv('aes-128-cbc', key, key).update(b),
	timingSafeEqual: (b) => crypto.timingSafeEqual(b, Buffer.alloc(size)),
	pbkdf2Sync: (b) => crypto.pbkdf2Sync(b.subarray(0, 100), b.subarray(edge, edge + 20), 1, 20, 'sha1'),
	deflateSync: (b) => zlib.deflateSync(b),
	'inflateSync of zeros': (b) => zlib.inflateSync(b),
	brotliCompressSync: (b) => zlib.brotliCompressSync(b.subarray(4000, 4200)),
};

function view(b) {
	return new DataView(b.buffer, b.byteOffset, b.length);
}

function words(b) {
	return new Int32Array(b.buffer, b.byteOffset, b.length / 4);
}

/** The result: a value or an error. */
function outcome(access, buffer) {
	try {
		return { value: access(buffer) };
	} catch (error) {
		return { error: String(error) };
	}
}

function check(name, access) {
	const ordinary = Buffer.alloc(size);
	other.fill('other');
	const expected = outcome(access, ordinary);
	const { mapping, buffer, lose } = lossyFile(path, pages);
	lose();
	other.fill('other');
	assert.deepEqual(outcome(access, buffer), expected, name);
	assert.ok(buffer.equals(ordinary), `${name}: the bytes afterwards`);
	mapping.unmap();
}

for (const [name, access] of Object.entries(accesses)) check(name, access);

/**
 * How long each access is repeated before it counts as optimised. The cheap ones are made thousands of times in that
 * time.
 */
const warmUpMs = 20;
for (const [name, access] of Object.entries(accesses)) {
	const ordinary = Buffer.alloc(size);
	const end = performance.now() + warmUpMs;
	do for (let i = 0; i < 20; i++) outcome(access, ordinary);
	while (performance.now() < end);
	check(name, access);
}
console.log(Object.keys(accesses).length);
