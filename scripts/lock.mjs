// A lock between processes: only one script at a time builds in a directory.
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** The bytes of a whole name (unix(7): sun_path). Node 20 fills up a shorter one with zeros and Node 26 does not. */
const nameLength = 108;

/**
 * Runs a function while no other process runs one with the lock of this directory.
 *
 * The lock is a name of an abstract socket. The kernel gives it to one process only and takes it back when that process
 * ends, however it ends. So no lock is left behind, as a file would be. A container with a network of its own does not see
 * the name.
 */
export async function withLock(directory, body) {
	const { dev, ino } = statSync(directory);
	for (let hasWaited = false; ; hasWaited = true) {
		const lock = await claim(`\0daxkind-build-${dev}-${ino}`.padEnd(nameLength, '.'));
		if (lock) return body().finally(() => lock.close());
		if (!hasWaited) console.log('waiting for another build of this project to end');
		await sleep(200);
	}
}

/** Undefined if another process has the name. */
async function claim(name) {
	const server = createServer().listen(name);
	try {
		await once(server, 'listening');
		return server;
	} catch (error) {
		if (error.code !== 'EADDRINUSE') throw error;
		return undefined;
	}
}
