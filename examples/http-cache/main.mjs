// An HTTP cache: a server whose pages are slow to make keeps them in a PmemCache. Many requests for one page wait for one
// rendering, and a page goes out of the cache's memory to the socket without a copy.
//
//     node examples/http-cache/main.mjs [DIRECTORY] [REQUESTS]
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { PmemCache } from 'daxkind/cache';

const [directory = '/dev/shm', count = '2000'] = process.argv.slice(2);
const pages = 200;
const clients = 20;

const cache = PmemCache.create(directory, { maxSize: 64 * 2 ** 20, ttl: 10_000, staleTtl: 60_000, name: 'pages' });

let rendered = 0;
async function render(path) {
	rendered++;
	await sleep(5); // a database, templates, another service
	return Buffer.from(`<h1>${path}</h1>\n`.repeat(1 + (path.length % 7) * 500));
}

const server = createServer(async (request, response) => {
	try {
		const path = request.url;
		if (!cache.has(path)) await cache.fetch(path, render);
		// The lease ends with the response's 'close', so that must be still to come. It has come already if the client has
		// left meanwhile. It may never come to a response that has no socket yet, because it waits for an earlier one.
		const willClose = response.socket?.destroyed === false;
		// From here on the page stays in its place, even if it is evicted while it is sent.
		const lease = willClose ? cache.lease(path, { allowStale: true }) : undefined;
		if (lease === undefined) {
			// A copy will do. The page may also have been evicted in between.
			response.end(await cache.fetch(path, render));
			return;
		}
		response.once('close', () => lease.dispose());
		response.writeHead(200, { 'content-type': 'text/html', 'content-length': lease.value.length });
		response.end(lease.value);
	} catch (error) {
		response.writeHead(500).end(`${error.message}\n`);
	}
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address();
const base = `http://127.0.0.1:${port}`;

let wrong = 0;
let sent = 0;
async function client() {
	while (sent < Number(count)) {
		sent++;
		// Some pages are wanted more than others.
		const path = `/page/${Math.floor(pages * Math.random() ** 3)}`;
		const text = await (await fetch(base + path)).text();
		if (!text.startsWith(`<h1>${path}</h1>`)) wrong++;
	}
}
await Promise.all(Array.from({ length: clients }, client));

// Clients that ask for two pages, and leave while these are made.
for (let i = 0; i < 5; i++) {
	const paths = [`/left/${i}/first`, `/left/${i}/second`];
	const socket = connect(port, '127.0.0.1');
	socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join(''));
	await once(server, 'request');
	socket.destroy();
	await Promise.all(paths.map((path) => cache.fetch(path, render)));
}

// When a connection has ended, all of its leases have.
server.close();
server.closeAllConnections();
await once(server, 'close');
const { entries } = cache.stats();
// What has been deleted goes, unless a lease is left that keeps it.
for (const path of cache.keys()) cache.delete(path);
const { pinned } = cache.stats();
console.log(
	`${count} requests for ${entries} pages, ${wrong} of them wrong; each page was rendered once: ${rendered === entries}`,
);
cache.close();
if (wrong > 0 || pinned > 0) process.exitCode = 1;
