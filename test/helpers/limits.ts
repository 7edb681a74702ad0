// What a program can do, apart from loads and stores, with a block of a kind, or with a file or device on DAX. Every
// call by which Node has the kernel use that memory is tried, and the bytes are compared. Each row is "ok" or the code
// of the error.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
	closeSync,
	constants,
	copyFileSync,
	createReadStream,
	createWriteStream,
	openSync,
	promises,
	readFileSync,
	readSync,
	readvSync,
	rmSync,
	writeFileSync,
	writeSync,
	writevSync,
} from 'node:fs';
import { createServer as createHttpServer, get } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Kind } from 'daxkind';
import { MIB } from '#lib/size.js';
import { execFile, spawn, spawnSync } from './children.ts';
import { compiled } from './compile.ts';

export type Rows = Record<string, string>;

const PAGE = 4096;
/** The length of a huge page. The block also begins at a multiple of it, so that any program can map it. */
const LENGTH = 2 * MIB;
const { O_DIRECT, O_RDWR, O_CREAT } = constants;

async function attempt(rows: Rows, name: string, operation: () => unknown): Promise<void> {
	try {
		const isRight = await operation();
		rows[name] = isRight === false ? 'other bytes' : 'ok';
	} catch (error) {
		rows[name] = (error as NodeJS.ErrnoException).code ?? `${error}`;
	}
}

/** A block as the rows need it. The caller frees it. */
export const blockOf = (kind: Kind): Buffer => kind.memalign(LENGTH, LENGTH).fill('x');

/** Whether every byte is that letter. */
export const isAll = (bytes: Buffer, letter: string) =>
	bytes.length > 0 && bytes.equals(Buffer.alloc(bytes.length, letter));

/** Tries O_DIRECT reads and writes of a new file, from and to a block. */
export async function directRows(block: Buffer, path: string): Promise<Rows> {
	const rows: Rows = {};
	const flags = O_RDWR | O_CREAT | O_DIRECT;
	for (const length of [PAGE, LENGTH]) {
		const part = block.subarray(0, length);
		await attempt(rows, `writeSync, readSync of ${length}`, () => {
			const fd = openSync(path, flags);
			try {
				part.fill('w');
				const isWritten = writeSync(fd, part, 0, length, 0) === length;
				part.fill('r');
				return isWritten && readSync(fd, part, 0, length, 0) === length && isAll(part, 'w');
			} finally {
				closeSync(fd);
			}
		});
		await attempt(rows, `promises of ${length}`, async () => {
			const file = await promises.open(path, flags);
			try {
				part.fill('p');
				const { bytesWritten } = await file.write(part, 0, length, 0);
				part.fill('r');
				const { bytesRead } = await file.read(part, 0, length, 0);
				return bytesWritten === length && bytesRead === length && isAll(part, 'p');
			} finally {
				await file.close();
			}
		});
	}
	await attempt(rows, 'writevSync, readvSync', () => {
		const fd = openSync(path, flags);
		try {
			const parts = [block.subarray(0, PAGE), block.subarray(MIB, MIB + PAGE)];
			for (const part of parts) part.fill('v');
			const isWritten = writevSync(fd, parts, 0) === 2 * PAGE;
			for (const part of parts) part.fill('r');
			return isWritten && readvSync(fd, parts, 0) === 2 * PAGE && parts.every((part) => isAll(part, 'v'));
		} finally {
			closeSync(fd);
		}
	});
	await attempt(rows, 'a block that begins 16 bytes into a page', () => {
		const fd = openSync(path, flags);
		try {
			return writeSync(fd, block, 16, PAGE, 0) === PAGE;
		} finally {
			closeSync(fd);
		}
	});
	await attempt(rows, '100 bytes at an odd place of the file', () => {
		const fd = openSync(path, flags);
		try {
			return writeSync(fd, block, 0, 100, 1) === 100;
		} finally {
			closeSync(fd);
		}
	});
	rmSync(path, { force: true });
	return rows;
}

/** Tries sockets, pipes, files and child processes, with a block as the memory that they read from and write to. */
export async function blockRows(block: Buffer, path: string): Promise<Rows> {
	const rows: Rows = {};
	const half = block.subarray(0, MIB);
	const rest = block.subarray(MIB);
	await attempt(rows, 'buffered read and write', () => {
		half.fill('b');
		writeFileSync(path, half);
		const fd = openSync(path, 'r');
		try {
			return readSync(fd, rest, 0, MIB, 0) === MIB && isAll(rest, 'b');
		} finally {
			closeSync(fd);
			rmSync(path);
		}
	});
	await attempt(rows, 'TCP: sent from a block, received into one', async () => {
		half.fill('t');
		rest.fill(' ');
		const server = createServer((socket) => socket.end(half)).listen(0, '127.0.0.1');
		await once(server, 'listening');
		let received = 0;
		const onread = {
			// The part that is still missing: it begins where the received bytes end.
			buffer: () => rest.subarray(Math.min(received, MIB - 1)),
			callback: (count: number) => {
				received += count;
				return true;
			},
		};
		const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', onread } as never);
		await once(socket, 'close');
		server.close();
		return received === MIB && isAll(rest, 't');
	});
	await attempt(rows, 'UDP', async () => {
		half.fill('u');
		const [one, other] = [createSocket('udp4'), createSocket('udp4')];
		other.bind(0, '127.0.0.1');
		await once(other, 'listening');
		one.send(half.subarray(0, PAGE), other.address().port, '127.0.0.1');
		const [message] = (await once(other, 'message')) as [Buffer];
		one.close();
		other.close();
		return message.length === PAGE && isAll(message, 'u');
	});
	await attempt(rows, 'HTTP response', async () => {
		half.fill('h');
		const server = createHttpServer((_, response) => response.end(half)).listen(0, '127.0.0.1');
		await once(server, 'listening');
		const body = await new Promise<Buffer>((resolve, reject) => {
			const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
			get(url, async (response) => resolve(Buffer.concat(await response.toArray()))).on('error', reject);
		});
		server.close();
		return body.length === MIB && isAll(body, 'h');
	});
	await attempt(rows, 'pipe to a child process', async () => {
		half.fill('c');
		const { stdout } = spawnSync('cat', { input: half, maxBuffer: 2 * MIB });
		const child = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] });
		child.stdin.end(half);
		const echo = Buffer.concat(await child.stdout.toArray());
		return stdout.equals(half) && echo.equals(half);
	});
	return rows;
}

/**
 * Tries what copies within the kernel. `path` is a file of 2 MiB of `x`, or a device that begins with it. It is the
 * source and the destination.
 */
export async function fileRows(path: string, other: string, sibling: string): Promise<Rows> {
	const rows: Rows = {};
	const isCopy = (copy: string) => {
		const bytes = readFileSync(copy);
		if (bytes.length === 0) throw Object.assign(new Error(), { code: 'an empty file' });
		return isAll(bytes.subarray(0, LENGTH), 'x');
	};
	await attempt(rows, 'open O_DIRECT, read and write', () => {
		const fd = openSync(path, O_RDWR | O_DIRECT);
		try {
			const buffer = Buffer.alloc(PAGE);
			return (
				readSync(fd, buffer, 0, PAGE, 0) === PAGE && isAll(buffer, 'x') && writeSync(fd, buffer, 0, PAGE, 0) === PAGE
			);
		} finally {
			closeSync(fd);
		}
	});
	await attempt(rows, 'open O_DIRECT, 100 bytes at an odd place', () => {
		const fd = openSync(path, O_RDWR | O_DIRECT);
		try {
			return readSync(fd, Buffer.alloc(100), 0, 100, 1) === 100;
		} finally {
			closeSync(fd);
		}
	});
	await attempt(rows, 'copyFile to a file beside it', () => {
		copyFileSync(path, sibling);
		return isCopy(sibling);
	});
	await attempt(rows, 'copyFile to another file system', async () => {
		await promises.copyFile(path, other);
		return isCopy(other);
	});
	await attempt(rows, 'copyFile of a file elsewhere to one beside it', () => {
		writeFileSync(other, Buffer.alloc(LENGTH, 'x'));
		copyFileSync(other, sibling);
		return isCopy(sibling);
	});
	await attempt(rows, 'copyFile COPYFILE_FICLONE', () => {
		copyFileSync(path, sibling, constants.COPYFILE_FICLONE);
		return isCopy(sibling);
	});
	await attempt(rows, 'copyFile COPYFILE_FICLONE_FORCE', () => {
		rmSync(sibling, { force: true });
		copyFileSync(path, sibling, constants.COPYFILE_FICLONE_FORCE);
		return isCopy(sibling);
	});
	await attempt(rows, 'createReadStream, piped to a socket', async () => {
		let failure: unknown;
		const server = createServer((socket) => {
			const sent = pipeline(createReadStream(path, { end: LENGTH - 1 }), socket);
			sent.catch((error) => {
				failure = error;
			});
		}).listen(0, '127.0.0.1');
		await once(server, 'listening');
		const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
		const received = Buffer.concat(await socket.toArray());
		server.close();
		if (failure !== undefined) throw failure;
		return received.length === LENGTH && isAll(received, 'x');
	});
	await attempt(rows, 'createReadStream to createWriteStream', async () => {
		await pipeline(createReadStream(path, { end: LENGTH - 1 }), createWriteStream(sibling));
		return isCopy(sibling);
	});
	await attempt(rows, 'standard input and output of a child process', () => {
		const [input, output] = [openSync(path, 'r'), openSync(sibling, 'w')];
		try {
			const { stderr, status } = spawnSync('head', ['-c', `${LENGTH}`], {
				stdio: [input, output, 'pipe'],
				encoding: 'utf8',
			});
			if (status !== 0)
				throw Object.assign(new Error(stderr), { code: /Invalid argument/.test(stderr) ? 'EINVAL' : stderr });
			return isCopy(sibling);
		} finally {
			closeSync(input);
			closeSync(output);
		}
	});
	rmSync(sibling, { force: true });
	rmSync(other, { force: true });
	return rows;
}

const pages = compiled('pages');

/** Why the calls that Node does not make cannot be tried. */
export const pagesProblem = pages.problem;

/** Tries the calls that Node does not make, by a program that maps a part of the file. That part is full of `x`. */
export async function foreignRows(path: string, offset: number, other: string): Promise<Rows> {
	const { stdout } = await execFile(pages.program, ['try', path, `${offset}`, `${LENGTH}`, other]);
	const lines = stdout.trim().split('\n');
	return Object.fromEntries(lines.map((line) => line.split(': ')));
}

/** Has another process hold a page of a file in a pipe for `ms` milliseconds, or until `release` is called. */
export async function holdPage(path: string, offset: number, ms: number): Promise<{ release(): Promise<void> }> {
	const child = spawn(pages.program, ['hold', path, `${offset}`, `${ms}`], { stdio: ['pipe', 'pipe', 'inherit'] });
	const ended = once(child, 'close');
	const [said] = await Promise.race([once(child.stdout, 'data'), ended]);
	if (`${said}` !== 'held\n') throw new Error(`pages hold: ${said}`);
	return {
		async release() {
			child.stdin.end();
			await ended;
		},
	};
}
