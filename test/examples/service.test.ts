// The example service over a real kind on tmpfs: it does what HTTP promises, and no block is lost, whatever a client
// does.
import { once } from 'node:events';
import { Agent, createServer, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { connect } from 'node:net';
import { PmemKind } from 'daxkind';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runLoad } from '../../examples/service/load.mjs';
import { ValueService } from '../../examples/service/service.mjs';

let kind: PmemKind;
let service: ValueService;
let port: number;
let agent: Agent;

beforeEach(async () => {
	kind = PmemKind.create('/dev/shm', { maxSize: 16 * 2 ** 20 });
	service = new ValueService(kind);
	port = await service.listen();
	agent = new Agent({ keepAlive: true, maxSockets: 1 });
});

afterEach(async () => {
	agent.destroy();
	await service.close();
	expect(kind.stats().blocks).toBe(0);
	kind.close();
});

interface Answer {
	status: number | undefined;
	headers: IncomingMessage['headers'];
	body: Buffer;
}

/** Sends one request over the test's only keep-alive connection. A body in parts is sent without a length. */
function send(method: string, path: string, body?: Buffer | Buffer[], options: RequestOptions = {}): Promise<Answer> {
	const headers = Buffer.isBuffer(body) ? { 'content-length': body.length } : {};
	return new Promise((resolve, reject) => {
		const request = httpRequest(
			{ agent, port, host: '127.0.0.1', method, path, headers, ...options },
			async (response) => {
				const chunks: Buffer[] = [];
				for await (const chunk of response) chunks.push(chunk);
				resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) });
			},
		);
		request.on('error', reject);
		if (Array.isArray(body)) for (const part of body) request.write(part);
		if (Buffer.isBuffer(body)) request.end(body);
		else request.end();
	});
}

/** Bytes with a period of 1021, so that no two pages are alike. */
const bytes = (length: number, seed = 1) =>
	Buffer.alloc(
		length,
		Uint8Array.from({ length: 1021 }, (_, i) => i * seed),
	);

test('a value is stored, read, replaced and deleted', async () => {
	expect((await send('PUT', '/values/a', bytes(1000))).status).toBe(201);
	expect((await send('GET', '/values/a')).body).toEqual(bytes(1000));
	expect((await send('PUT', '/values/a', bytes(70_000, 3))).status).toBe(204);
	const { status, body, headers } = await send('GET', '/values/a');
	expect([status, headers['content-length']]).toEqual([200, '70000']);
	expect(body).toEqual(bytes(70_000, 3));
	expect(kind.stats().blocks).toBe(1);
	expect((await send('DELETE', '/values/a')).status).toBe(204);
	expect((await send('GET', '/values/a')).status).toBe(404);
	expect((await send('DELETE', '/values/a')).status).toBe(404);
	expect(kind.stats().blocks).toBe(0);
});

test('an upload of unannounced length is a value like any other', async () => {
	const parts = [bytes(50_000), bytes(50_000, 5), bytes(200_000, 7)];
	expect((await send('PUT', '/values/a', parts)).status).toBe(201);
	expect((await send('GET', '/values/a')).body).toEqual(Buffer.concat(parts));
	expect(kind.stats().blocks).toBe(1);
});

test('an empty value is a value, and HEAD sends no body', async () => {
	expect((await send('PUT', '/values/empty', Buffer.alloc(0))).status).toBe(201);
	expect((await send('PUT', '/values/unannounced', [])).status).toBe(201);
	expect((await send('GET', '/values/empty')).body).toHaveLength(0);
	await send('PUT', '/values/a', bytes(10));
	const { headers, body } = await send('HEAD', '/values/a');
	expect([headers['content-length'], body.length]).toEqual(['10', 0]);
});

test('keys are percent-encoded, and what is no key or no method is refused', async () => {
	await send('PUT', '/values/gr%C3%BC%C3%9Fe%2Fa?x=1', bytes(10));
	expect((await send('GET', '/values/gr%C3%BC%C3%9Fe%2Fa')).body).toEqual(bytes(10));
	expect((await send('GET', '/values/%E0%A4%A')).status).toBe(400);
	expect((await send('PUT', '/values/', bytes(10))).status).toBe(404);
	expect((await send('GET', '/elsewhere')).status).toBe(404);
	const { status, headers } = await send('POST', '/values/a', bytes(10));
	expect([status, headers.allow]).toEqual([405, 'GET, HEAD, PUT, DELETE']);
});

test('a full kind answers 507, keeps the old value and the connection, and has room again after DELETE', async () => {
	expect((await send('PUT', '/values/a', bytes(9 * 2 ** 20))).status).toBe(201);
	expect((await send('PUT', '/values/b', bytes(9 * 2 ** 20, 3))).status).toBe(507);
	expect((await send('PUT', '/values/a', bytes(9 * 2 ** 20, 3))).status).toBe(507);
	expect((await send('PUT', '/values/b', [bytes(6 * 2 ** 20), bytes(3 * 2 ** 20)])).status).toBe(507);
	expect((await send('GET', '/values/a')).body.equals(bytes(9 * 2 ** 20))).toBe(true);
	expect(service.counts).toMatchObject({ values: 1, refused: 3 });
	await send('DELETE', '/values/a');
	expect((await send('PUT', '/values/b', bytes(9 * 2 ** 20, 3))).status).toBe(201);
});

test('a value that is too long is refused with 413, announced or not', async () => {
	const strict = new ValueService(kind, { maxValueBytes: 100_000 });
	const options = { port: await strict.listen() };
	const tooLong = bytes(100_001);
	expect((await send('PUT', '/values/a', tooLong, options)).status).toBe(413);
	expect((await send('PUT', '/values/a', [tooLong.subarray(0, 9), tooLong.subarray(9)], options)).status).toBe(413);
	expect((await send('PUT', '/values/a', [bytes(60_000), bytes(40_000)], options)).status).toBe(201);
	await strict.close();
});

test('a client that asks with Expect: 100-continue is told of a refusal before it sends', async () => {
	const socket = connect(port, '127.0.0.1');
	let text = '';
	socket.setEncoding('latin1').on('data', (chunk) => {
		text += chunk;
	});
	socket.write('PUT /values/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 999999999\r\n\r\n');
	await expect.poll(() => text).toMatch(/^HTTP\/1.1 413 /);
	socket.destroy();
	expect(
		(await send('PUT', '/values/a', bytes(10), { headers: { expect: '100-continue', 'content-length': 10 } })).status,
	).toBe(201);
});

test('an aborted upload leaves the old value and no block behind', async () => {
	await send('PUT', '/values/a', bytes(100));
	for (const length of ['Content-Length: 100000', 'Transfer-Encoding: chunked']) {
		const socket = connect(port, '127.0.0.1');
		socket.write(`PUT /values/a HTTP/1.1\r\nHost: x\r\n${length}\r\n\r\n400\r\n${'x'.repeat(500)}`);
		await expect.poll(() => kind.stats().blocks).toBe(2);
		socket.destroy();
		await expect.poll(() => kind.stats().blocks).toBe(1);
	}
	expect((await send('GET', '/values/a')).body).toEqual(bytes(100));
});

test('a value that is replaced or deleted while it is being sent arrives whole, and is freed afterwards', async () => {
	const value = bytes(4 * 2 ** 20);
	await send('PUT', '/values/a', value);
	const slow = connect(port, '127.0.0.1').pause();
	slow.write('GET /values/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
	await once(slow, 'readable');
	await send('DELETE', '/values/a');
	expect(kind.stats().blocks).toBe(1);
	// If the old value were free, this one would be placed there.
	await send('PUT', '/values/b', bytes(4 * 2 ** 20, 11));
	const chunks: Buffer[] = [];
	for await (const chunk of slow) chunks.push(chunk);
	const answer = Buffer.concat(chunks);
	expect(answer.subarray(answer.indexOf('\r\n\r\n') + 4).equals(value)).toBe(true);
	await expect.poll(() => kind.stats().blocks).toBe(1);
});

test('a client that goes away in the middle of an answer gives its block back', async () => {
	await send('PUT', '/values/a', bytes(8 * 2 ** 20));
	const slow = connect(port, '127.0.0.1').pause();
	slow.write('GET /values/a HTTP/1.1\r\nHost: x\r\n\r\n');
	await once(slow, 'readable');
	await send('DELETE', '/values/a');
	expect(kind.stats().blocks).toBe(1);
	slow.destroy();
	await expect.poll(() => kind.stats().blocks).toBe(0);
});

test('closing the service ends uploads and downloads under way and frees every block', async () => {
	await send('PUT', '/values/a', bytes(8 * 2 ** 20));
	const download = connect(port, '127.0.0.1').pause();
	download.on('error', () => {}).write('GET /values/a HTTP/1.1\r\nHost: x\r\n\r\n');
	await once(download, 'readable');
	const upload = connect(port, '127.0.0.1');
	upload.on('error', () => {}).write('PUT /values/b HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nxxx');
	await expect.poll(() => kind.stats().blocks).toBe(2);
	await service.close();
	expect(kind.stats().blocks).toBe(0);
	download.destroy();
	upload.destroy();
});

test('GET /stats tells of the service and of the kind', async () => {
	await send('PUT', '/values/a', bytes(1000));
	const { body, headers } = await send('GET', '/stats');
	expect(headers['content-type']).toBe('application/json');
	expect(JSON.parse(body.toString())).toMatchObject({
		service: { values: 1, bytes: 1000, peakBytes: 1000 },
		kind: { path: '/dev/shm', dax: false, blocks: 1, capacity: 16 * 2 ** 20 },
	});
	expect((await send('DELETE', '/stats')).status).toBe(405);
});

test('the load finds every byte of a right service right', async () => {
	const result = await runLoad({ port, requests: 300, maxSeconds: 20, keys: 64, clients: 4 });
	expect(result).toMatchObject({ failed: 0, failures: [] });
	expect(result.get).toBeGreaterThan(50);
	expect(result.verifiedBytes).toBeGreaterThan(100_000);
});

test('the load notices one wrong byte, a missing byte and a lost value', async () => {
	const values = new Map<string, Buffer>();
	let gets = 0;
	const spoil: Record<number, (value: Buffer) => Buffer | undefined> = {
		10: (value) => Buffer.from(value.map((byte, i) => (i === value.length - 1 ? byte ^ 1 : byte))),
		20: (value) => value.subarray(1),
		30: () => undefined,
	};
	const wrong = createServer(async (request, response) => {
		const key = request.url ?? '';
		const value = values.get(key);
		if (request.method === 'PUT') {
			values.set(key, Buffer.concat(await request.toArray()));
			response.writeHead(value ? 204 : 201).end();
		} else if (request.method === 'GET') {
			const spoiled = spoil[++gets]?.(value!) ?? (gets === 30 ? undefined : value);
			response.writeHead(spoiled ? 200 : 404).end(spoiled);
		} else {
			values.delete(key);
			response.writeHead(204).end();
		}
	});
	await once(wrong.listen(0, '127.0.0.1'), 'listening');
	const address = wrong.address() as { port: number };
	const result = await runLoad({ port: address.port, requests: 300, maxSeconds: 20, keys: 64, clients: 4 });
	wrong.close();
	expect(result.failed).toBe(3);
});
