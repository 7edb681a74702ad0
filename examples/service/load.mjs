// A load for the service. Its clients store, replace, read and delete values over HTTP, and verify every byte that they
// read.
import { Agent, request } from 'node:http';
import { makeContent, makeRandom } from './content.mjs';

const shownFailures = 5;

/**
 * Runs the load to its end. It never throws because of a response: wrong responses are counted.
 *
 * @param {object} options
 * @param {number} options.port The port of the service on 127.0.0.1.
 * @param {number} options.requests Requests of all clients together. After them, the values that are left are read once
 * more and deleted.
 * @param {number} options.maxSeconds The load stops after this time, even if requests are left: the machine may be
 * slow.
 * @param {number} options.keys Keys of all clients together.
 * @param {number} [options.clients] Number of clients. Each waits only for the responses to its own requests. Default
 * 16.
 * @param {number} [options.seed] The same seed sends the same requests. Default 1.
 */
export async function runLoad({ clients = 16, seed = 1, ...options }) {
	const result = {
		put: 0,
		replace: 0,
		get: 0,
		delete: 0,
		verifiedBytes: 0,
		failures: [],
		failed: 0,
		seconds: 0,
		isCutShort: false,
	};
	const agent = new Agent({ keepAlive: true, maxSockets: clients });
	const started = performance.now();
	const deadline = started + options.maxSeconds * 1000;
	const budget = { left: options.requests };
	const own = Math.max(1, Math.floor(options.keys / clients));
	// Every client has its own keys, so that it knows what each response has to be.
	const run = (client) =>
		new Client(agent, options.port, result, client * own, own, makeRandom(seed * 1000 + client)).run(budget, deadline);
	try {
		await Promise.all(Array.from({ length: clients }, (_, client) => run(client)));
	} finally {
		agent.destroy();
	}
	result.isCutShort = budget.left > 0;
	result.seconds = (performance.now() - started) / 1000;
	return result;
}

class Client {
	#agent;
	#port;
	#result;
	#firstKey;
	#random;
	/** The version that is stored under each of this client's keys. 0 means no value. */
	#stored;
	#version = 0;

	constructor(agent, port, result, firstKey, keys, random) {
		this.#agent = agent;
		this.#port = port;
		this.#result = result;
		this.#firstKey = firstKey;
		this.#stored = new Uint32Array(keys);
		this.#random = random;
	}

	async run(budget, deadline) {
		while (budget.left-- > 0 && performance.now() < deadline) {
			const slot = Math.floor(this.#random() * this.#stored.length);
			const choice = this.#random();
			if (this.#stored[slot] === 0 || choice < 0.3) await this.#put(slot);
			else if (choice < 0.85) await this.#get(slot);
			else await this.#delete(slot);
		}
		// This finds values that were overwritten by mistake and have not been read since.
		for (let slot = 0; slot < this.#stored.length; slot++) {
			if (this.#stored[slot] === 0) continue;
			await this.#get(slot);
			await this.#delete(slot);
		}
	}

	async #put(slot) {
		const isNew = this.#stored[slot] === 0;
		const version = ++this.#version;
		this.#result[isNew ? 'put' : 'replace']++;
		const status = await this.#send('PUT', slot, makeContent(this.#firstKey + slot, version));
		if (this.#expect('PUT', slot, status, isNew ? 201 : 204)) this.#stored[slot] = version;
	}

	async #get(slot) {
		const content = makeContent(this.#firstKey + slot, this.#stored[slot] ?? 0);
		this.#result.get++;
		let at = 0;
		let isEqual = true;
		const status = await this.#send('GET', slot, undefined, (chunk) => {
			isEqual &&= chunk.equals(content.subarray(at, at + chunk.length));
			at += chunk.length;
		});
		if (!this.#expect('GET', slot, status, 200)) return;
		if (isEqual && at === content.length) this.#result.verifiedBytes += at;
		else this.#fail(`GET ${this.#path(slot)}: the ${at} bytes are not the ${content.length} bytes that were stored`);
	}

	async #delete(slot) {
		this.#result.delete++;
		const status = await this.#send('DELETE', slot);
		if (this.#expect('DELETE', slot, status, 204)) this.#stored[slot] = 0;
	}

	#path(slot) {
		return `/values/key-${this.#firstKey + slot}`;
	}

	#expect(method, slot, status, expected) {
		if (status === expected) return true;
		const what = status instanceof Error ? String(status) : `status ${status} instead of ${expected}`;
		this.#fail(`${method} ${this.#path(slot)}: ${what}`);
		return false;
	}

	#fail(text) {
		this.#result.failed++;
		if (this.#result.failures.length < shownFailures) this.#result.failures.push(text);
	}

	/** @returns The status of the response, once its body has ended, or the error of the connection. */
	#send(method, slot, body, onData) {
		return new Promise((resolve) => {
			const headers = body ? { 'content-length': body.length } : {};
			const options = {
				agent: this.#agent,
				host: '127.0.0.1',
				port: this.#port,
				method,
				path: this.#path(slot),
				headers,
			};
			request(options, (response) => {
				response.on('data', onData ?? (() => {}));
				response.on('end', () => resolve(response.statusCode ?? 0)).on('error', resolve);
			})
				.on('error', resolve)
				.end(body);
		});
	}
}
