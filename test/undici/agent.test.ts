// undici's cache over PmemCacheStore: real requests to a real server, with each version of undici.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { PmemCacheStore, type PmemCacheStoreOptions } from 'daxkind/undici';
import * as undici7 from 'undici';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { until } from '../helpers/process.ts';

type Undici = typeof undici7;
const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
/** undici 8 wants Node 22.19, and cannot even be loaded by older ones. */
const hasUndici8 = major > 22 || (major === 22 && minor >= 19);
const versions: [name: string, undici: Undici][] = [['undici 7', undici7]];
if (hasUndici8) versions.push(['undici 8', (await import('undici-8')) as unknown as Undici]);

const directory = testDirectory();
const large = randomBytes(4 * MIB);

/** What the server got. */
const seen: IncomingMessage[] = [];
type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const answers = new Map<string, Answer>();
const server = createServer((request, response) => {
	seen.push(request);
	const answer = answers.get(request.url!);
	if (answer === undefined) response.writeHead(404).end();
	else answer(request, response);
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
afterAll(() => void server.close());

let paths = 0;
/** A path of its own, which is answered so. */
function serve(answer: Answer): string {
	const path = `/${++paths}`;
	answers.set(path, answer);
	return path;
}
const requestsTo = (path: string) => seen.filter(({ url }) => url === path);

const destroyed = (stream: Readable) =>
	new Promise((resolve) =>
		stream
			.on('error', () => undefined)
			.once('close', resolve)
			.destroy(),
	);

describe.each(versions)('%s', (_, { Agent, interceptors, request }) => {
	function client(options: PmemCacheStoreOptions = {}) {
		const errors: Error[] = [];
		const store = new PmemCacheStore(directory, {
			maxSize: 32 * MIB,
			errorCallback: (error) => errors.push(error),
			...options,
		});
		const agent = new Agent();
		const dispatcher = agent.compose(interceptors.cache({ store }));
		onTestFinished(async () => {
			await agent.close();
			store.close();
		});
		const get = async (path: string, headers: Record<string, string> = {}) => {
			const { statusCode, headers: got, body } = await request(origin + path, { dispatcher, headers });
			return { statusCode, headers: got, body: Buffer.from(await body.arrayBuffer()) };
		};
		return { store, dispatcher, get, errors };
	}

	test('a response that may be cached is asked for once', async () => {
		const { get, store, errors } = client();
		const path = serve((_request, response) => {
			response.writeHead(200, { 'cache-control': 'max-age=60', etag: '"1"', 'x-list': ['a', 'b'] }).end('body');
		});
		const first = await get(path);
		expect(first).toMatchObject({ statusCode: 200, body: Buffer.from('body') });
		expect(first.headers.age).toBeUndefined();
		await until(() => store.cache.size === 1);
		for (let i = 0; i < 3; i++) {
			const again = await get(path);
			expect(again).toMatchObject({ statusCode: 200, body: Buffer.from('body') });
			expect(again.headers).toMatchObject({ etag: '"1"', age: expect.stringMatching(/^\d$/) });
		}
		expect(requestsTo(path)).toHaveLength(1);
		expect(errors).toEqual([]);
	});

	test('what must not be stored is not', async () => {
		const { get, store } = client();
		const path = serve((_request, response) => response.writeHead(200, { 'cache-control': 'no-store' }).end('body'));
		await get(path);
		await get(path);
		expect(requestsTo(path)).toHaveLength(2);
		expect(store.cache.size).toBe(0);
	});

	test.each([
		['short', 100],
		['long', 4 * MIB],
	])(
		'a stale response with a %s body is revalidated, and served when it has not been modified',
		async (_length, length) => {
			const { get, store } = client();
			const body = large.subarray(0, length);
			const path = serve((request, response) => {
				const headers = { 'cache-control': 'max-age=0, must-revalidate', etag: '"1"' };
				if (request.headers['if-none-match'] === '"1"') response.writeHead(304, headers).end();
				else response.writeHead(200, headers).end(body);
			});
			expect((await get(path)).body.equals(body)).toBe(true);
			await until(() => store.cache.size === 1);
			const again = await get(path);
			expect(again.statusCode).toBe(200);
			expect(again.body.equals(body)).toBe(true);
			expect(requestsTo(path).map(({ headers }) => headers['if-none-match'])).toEqual([undefined, '"1"']);
			await until(() => store.cache.stats().pinned === 0);
		},
	);

	test('a stale response that has been modified is replaced', async () => {
		const { get, store } = client();
		let version = 1;
		const path = serve((_request, response) => {
			response
				.writeHead(200, { 'cache-control': 'max-age=0', etag: `"${version}"` })
				.end(large.subarray(0, version * 1e5));
		});
		await get(path);
		await until(() => store.cache.size === 1);
		version = 2;
		expect((await get(path)).body).toHaveLength(2e5);
		await until(() => store.get({ origin, method: 'GET', path, headers: {} })?.etag === '"2"');
		expect(store.cache.size).toBe(1);
	});

	test('variants are apart', async () => {
		const { get, store } = client();
		const path = serve((request, response) => {
			const { 'accept-language': language } = request.headers;
			response.writeHead(200, { 'cache-control': 'max-age=60', vary: 'accept-language' }).end(`in ${language}`);
		});
		for (let round = 0; round < 2; round++) {
			for (const language of ['de', 'en']) {
				expect((await get(path, { 'accept-language': language })).body.toString()).toBe(`in ${language}`);
			}
			await until(() => store.cache.size === 3);
		}
		expect(requestsTo(path)).toHaveLength(2);
		expect((await get(path)).body.toString()).toBe('in undefined');
		expect(requestsTo(path)).toHaveLength(3);
	});

	test('a long body is streamed into the cache and out of it', async () => {
		const { get, store } = client();
		const path = serve((_request, response) => {
			response.writeHead(200, { 'cache-control': 'max-age=60' });
			for (let at = 0; at < large.length; at += 100_000) response.write(large.subarray(at, at + 100_000));
			response.end();
		});
		expect((await get(path)).body.equals(large)).toBe(true);
		await until(() => store.cache.size === 1);
		const all = await Promise.all(Array.from({ length: 5 }, () => get(path)));
		for (const { body } of all) expect(body.equals(large)).toBe(true);
		expect(requestsTo(path)).toHaveLength(1);
		expect(store.cache.stats().pinned).toBe(0);
	});

	test('a response that breaks off, or that is aborted, is not stored', async () => {
		const { get, store, dispatcher, errors } = client();
		const broken = serve((_request, response) => {
			response.writeHead(200, { 'cache-control': 'max-age=60', 'content-length': '1000' }).write('half');
			setTimeout(() => response.destroy(), 20);
		});
		await expect(get(broken)).rejects.toThrow();
		const endless = serve((_request, response) => {
			response.writeHead(200, { 'cache-control': 'max-age=60' }).write(large.subarray(0, 100_000));
		});
		const { body } = await request(origin + endless, { dispatcher });
		await destroyed(body);
		expect(store.cache.size).toBe(0);
		expect(errors).toEqual([]);
		// The readers of what is stored may go away, too.
		const path = serve((_request, response) => response.writeHead(200, { 'cache-control': 'max-age=60' }).end(large));
		await get(path);
		await until(() => store.cache.size === 1);
		const reader = await request(origin + path, { dispatcher });
		await once(reader.body, 'readable');
		await destroyed(reader.body);
		await until(() => store.cache.stats().pinned === 0);
	});

	test('an unsafe request removes what is stored', async () => {
		const { get, store, dispatcher } = client();
		const path = serve((_request, response) => response.writeHead(200, { 'cache-control': 'max-age=60' }).end('body'));
		await get(path);
		await until(() => store.cache.size === 1);
		await (await request(origin + path, { dispatcher, method: 'POST', body: 'x' })).body.dump();
		await until(() => store.cache.size === 0);
		await get(path);
		expect(requestsTo(path)).toHaveLength(3);
	});

	test('requests go on when the cache has been closed, and when bodies do not fit', async () => {
		const { get, store } = client({ maxSize: MIB });
		const path = serve((_request, response) => response.writeHead(200, { 'cache-control': 'max-age=60' }).end(large));
		for (let i = 0; i < 2; i++) expect((await get(path)).body.equals(large)).toBe(true);
		expect(store.cache.size).toBe(0);
		store.close();
		expect((await get(path)).body.equals(large)).toBe(true);
		expect(requestsTo(path)).toHaveLength(3);
	});
});
