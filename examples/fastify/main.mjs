// A Fastify service with a cache for all its routes, and its metrics. The cache is a plugin: it is there as
// `fastify.cache`, and is closed with the server, when no response is being sent any more.
//
//     node examples/fastify/main.mjs [DIRECTORY] [PORT]
//
// Without a port it asks itself and ends. It needs the packages fastify and prom-client.
import { setTimeout as sleep } from 'node:timers/promises';
import { PmemCache } from 'daxkind/cache';
import { collectMetrics } from 'daxkind/metrics';
import Fastify from 'fastify';
import { Registry } from 'prom-client';

const [directory = '/dev/shm', port] = process.argv.slice(2);

/** The plugin. */
function pmemCache(fastify, { directory, ...options }, done) {
	const cache = PmemCache.create(directory, options);
	fastify.decorate('cache', cache);
	fastify.addHook('onClose', async () => cache.close());
	done();
}
// Without this the cache would be there for this plugin alone. The package fastify-plugin does the same.
pmemCache[Symbol.for('skip-override')] = true;

const fastify = Fastify();
fastify.register(pmemCache, { directory, maxSize: 64 * 2 ** 20, ttl: 10_000, staleTtl: 60_000, name: 'reports' });

let made = 0;
async function makeReport(key) {
	made++;
	await sleep(20); // a database, another service
	return Buffer.from(JSON.stringify({ key, rows: Array.from({ length: 10_000 }, (_, i) => i) }));
}

fastify.get('/reports/:name', async ({ params }, reply) => {
	const key = `report:${params.name}`;
	// One report is made for all who wait for it, and a stale one is sent while a new one is made.
	const report = await fastify.cache.fetch(key, makeReport);
	// The lease ends with the response's 'close', so that must be still to come. It has come already if the client has
	// left meanwhile. It may never come to a response that has no socket yet, because it waits for an earlier one.
	const willClose = reply.raw.socket?.destroyed === false;
	// What is sent is leased where it is, and not copied. It stays there until the connection is done with it.
	const lease = willClose ? fastify.cache.lease(key, { allowStale: true }) : undefined;
	if (lease !== undefined) reply.raw.once('close', () => lease.dispose());
	return reply.type('application/json').send(lease?.value ?? report);
});

fastify.delete('/reports/:name', async ({ params }, reply) => {
	reply.code(fastify.cache.delete(`report:${params.name}`) ? 204 : 404);
});

const register = new Registry();
collectMetrics(register);
fastify.get('/metrics', async (_request, reply) => reply.type(register.contentType).send(await register.metrics()));

await fastify.listen({ port: Number(port ?? 0), host: '127.0.0.1' });

if (port === undefined) {
	const base = fastify.listeningOrigin;
	const sizes = await Promise.all(
		Array.from({ length: 50 }, async (_, i) => (await (await fetch(`${base}/reports/${i % 5}`)).text()).length),
	);
	console.log(
		`50 requests for 5 reports: ${made} were made, all answers are whole: ${sizes.every((size) => size > 40_000)}`,
	);
	const metrics = await (await fetch(`${base}/metrics`)).text();
	console.log(/^daxkind_cache_entries.*/m.exec(metrics)[0]);
	const { status } = await fetch(`${base}/reports/1`, { method: 'DELETE' });
	console.log(
		`deleted: ${status === 204}, ${fastify.cache.size} reports and ${fastify.cache.stats().pinned} leases left`,
	);
	await fastify.close();
	console.log(`closed: ${fastify.cache.closed}`);
} else console.log(`${fastify.listeningOrigin}/reports/NAME and /metrics; Ctrl-C ends it`);
