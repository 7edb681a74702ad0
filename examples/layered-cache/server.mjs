// Starts a Valkey or Redis server of this machine for the example, on a free port, with its files in a directory of its
// own. A service has one already, and needs nothing of this.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** The program, with its path. undefined if neither is installed. */
export function findServer() {
	for (const name of ['valkey-server', 'redis-server']) {
		for (const directory of (process.env.PATH ?? '').split(delimiter)) {
			try {
				accessSync(join(directory, name), constants.X_OK);
				return join(directory, name);
			} catch {
				// It is not there.
			}
		}
	}
	return undefined;
}

async function freePort() {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address();
	server.close();
	await once(server, 'close');
	return port;
}

/** The address of a server that runs until `stop` is called. */
export async function startServer() {
	const program = findServer();
	if (program === undefined) {
		throw new Error('There is neither valkey-server nor redis-server. Fix: apt-get install redis-server');
	}
	const directory = mkdtempSync(join(tmpdir(), 'layered-cache-'));
	const port = await freePort();
	const options = { port, bind: '127.0.0.1', dir: directory, save: '', appendonly: 'no' };
	const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
	const child = spawn(program, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
	const ended = once(child, 'close');
	const stop = async () => {
		child.kill();
		await ended;
		rmSync(directory, { recursive: true, force: true });
	};
	let said = '';
	const isReady = new Promise((resolve, reject) => {
		child.stdout.setEncoding('utf8').on('data', (text) => {
			said += text;
			if (said.includes('Ready to accept connections')) resolve();
		});
		child.once('error', reject);
		child.once('close', () => reject(new Error(`${program} has ended:\n${said}`)));
	});
	try {
		await isReady;
	} catch (error) {
		rmSync(directory, { recursive: true, force: true });
		throw error;
	}
	return { url: `redis://127.0.0.1:${port}`, stop };
}
