// A cache for more than one machine: `cacheable` looks into a PmemCache first, and then into Valkey or Redis. What one
// machine has computed, the others find in the second level, and from then on each has it in its own memory.
//
//     node examples/layered-cache/main.mjs [DIRECTORY] [URL]
//
// Without the URL of a server it starts one, from Debian's package redis-server or valkey-server. It needs the packages
// cacheable, keyv and @keyv/valkey.
import KeyvValkey from '@keyv/valkey';
import { Cacheable } from 'cacheable';
import { PmemCache } from 'daxkind/cache';
import { KeyvPmem } from 'daxkind/keyv';
import { Keyv } from 'keyv';
import { startServer } from './server.mjs';

const [directory = '/dev/shm', given] = process.argv.slice(2);
const server = given === undefined ? await startServer() : { url: given, stop: async () => undefined };

/** What a machine of a service has. Here two of them are in one process. */
function machine(name) {
	const memory = PmemCache.create(directory, { maxSize: 64 * 2 ** 20, name });
	const primary = new Keyv({ store: new KeyvPmem(memory) });
	const valkey = new KeyvValkey(server.url);
	const secondary = new Keyv({ store: valkey });
	// What one machine changes or deletes, the others may still have in their own memory, for so long at most.
	const cache = new Cacheable({ primary, secondary, ttl: '10s' });
	cache.on('error', (error) => console.error(error));
	const close = async () => {
		await secondary.disconnect();
		memory.close();
	};
	return { cache, memory, close };
}

const [first, second] = [machine('first'), machine('second')];
try {
	let computed = 0;
	const compute = async () => {
		computed++;
		return { name: 'Ada', visits: computed };
	};
	const user = await first.cache.getOrSet('user:1', compute);
	const same = await second.cache.getOrSet('user:1', compute);
	console.log(`computed ${computed} time, and both have it: ${user.name === 'Ada' && same.name === 'Ada'}`);

	console.log(`the second machine has it in its own memory now: ${second.memory.size === 1}`);
	const { hits } = second.memory.stats();
	for (let i = 0; i < 1000; i++) await second.cache.get('user:1');
	console.log(`1000 more reads asked nobody else: ${second.memory.stats().hits - hits >= 1000}`);

	// A machine whose memory is empty, after a restart for example, is not slow.
	first.memory.clear();
	console.log(`after a restart it comes from the second level: ${(await first.cache.get('user:1')).name}`);

	await first.cache.delete('user:1');
	// As if its 10 s were over.
	second.memory.clear();
	console.log(`and what is deleted is gone: ${(await second.cache.get('user:1')) === undefined}`);
} finally {
	await first.close();
	await second.close();
	await server.stop();
}
