// Operations that libuv's threads do with the memory of a mapping that has lost its pages. They must end as they end
// with zeros. Argument: the directory.
import assert from 'node:assert/strict';
import crypto, { webcrypto } from 'node:crypto';
import fs from 'node:fs';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { lossyFile } from './lossy.mjs';

const directory = process.argv[2];
const pages = 64;
const zeros = Buffer.alloc(pages * 4096);
const key = await webcrypto.subtle.importKey('raw', Buffer.alloc(16, 'key'), 'AES-CBC', false, ['encrypt']);
const iv = Buffer.alloc(16, 'iv');

const operations = {
	deflate: (b) => promisify(zlib.deflate)(b),
	gzip: (b) => promisify(zlib.gzip)(b),
	brotliCompress: (b) => promisify(zlib.brotliCompress)(b),
	'inflate of zeros': (b) => promisify(zlib.inflate)(b),
	scrypt: (b) => promisify(crypto.scrypt)(b, b.subarray(5000, 5100), 32, { N: 16 }),
	pbkdf2: (b) => promisify(crypto.pbkdf2)(b, b.subarray(5000, 5100), 10, 32, 'sha256'),
	hkdf: async (b) => Buffer.from(await promisify(crypto.hkdf)('sha256', b, b.subarray(5000, 5100), 'info', 32)),
	digest: async (b) => Buffer.from(await webcrypto.subtle.digest('SHA-256', b)),
	encrypt: async (b) => Buffer.from(await webcrypto.subtle.encrypt({ name: 'AES-CBC', iv }, key, b)),
	randomFill: async (b) => (await promisify(crypto.randomFill)(b)).length,
};

const outcome = (operation, buffer) =>
	operation(buffer).then(
		(value) => ({ value }),
		(error) => ({ error: String(error) }),
	);

// All run at once, so that several threads work.
await Promise.all(
	Object.entries(operations).flatMap(([name, operation]) =>
		[1, 2].map(async (copy) => {
			const { mapping, buffer, lose } = lossyFile(`${directory}/${name} ${copy}`, pages);
			lose();
			assert.deepEqual(await outcome(operation, buffer), await outcome(operation, Buffer.from(zeros)), name);
			assert.equal(buffer.equals(zeros), name !== 'randomFill', name);
			mapping.unmap();
		}),
	),
);

// In these calls the kernel itself reads and writes. So there is no signal, but EFAULT for a page that is missing.
// Pages that were touched before are there.
const calls = {
	writeSync: (b, fd) => fs.writeSync(fd, b),
	readSync: (b, fd) => fs.readSync(fd, b, 0, b.length, 0),
	'fs.write': async (b, fd) => (await promisify(fs.write)(fd, b)).bytesWritten,
	'fs.promises.write': async (b) => {
		const file = await fs.promises.open(`${directory}/of promises`, 'w');
		return file
			.write(b)
			.then(({ bytesWritten }) => bytesWritten)
			.finally(() => file.close());
	},
	'fs.promises.readFile into it': async (b) => {
		const file = await fs.promises.open(`${directory}/full`, 'r');
		return file
			.read(b, 0, b.length, 0)
			.then(({ bytesRead }) => bytesRead)
			.finally(() => file.close());
	},
};
fs.writeFileSync(`${directory}/full`, Buffer.alloc(zeros.length, 'full'));
for (const [name, call] of Object.entries(calls)) {
	for (const isTouched of [false, true]) {
		const { mapping, buffer, lose } = lossyFile(`${directory}/file`, pages);
		const fd = fs.openSync(`${directory}/full`, 'r+');
		lose();
		if (isTouched) assert.ok(buffer.equals(zeros));
		try {
			const count = await call(buffer, fd);
			assert.equal(count, buffer.length, name);
		} catch (error) {
			assert.deepEqual([error.code, isTouched], ['EFAULT', false], name);
		}
		fs.closeSync(fd);
		fs.writeFileSync(`${directory}/full`, Buffer.alloc(zeros.length, 'full'));
		mapping.unmap();
	}
}
