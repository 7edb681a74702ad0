// The load of the demo: clients that store, replace, read and delete values over HTTP and verify every byte they read.
import { Agent, type IncomingMessage, request } from 'node:http';
import { makeContent, makeRandom } from './content.ts';

export interface LoadOptions {
	readonly port: number;
	/** Requests of all clients together; then what is left is read once more and deleted. */
	readonly requests: number;
	/** Stops earlier, after this time, on a slow machine. */
	readonly maxSeconds: number;
	/** Keys of all clients together. */
	readonly keys: number;
	/** Clients that wait for their own answers only. Default 16. */
	readonly clients?: number;
	/** Default 1: the same seed sends the same requests. */
	readonly seed?: number;
}

export interface LoadResult {
	put: number;
	replace: number;
	get: number;
	delete: number;
	/** Bytes of answers that were compared with what was stored. */
	verifiedBytes: number;
	/** What was not as expected: the first few in words, and how many. */
	failures: string[];
	failed: number;
	seconds: number;
	/** Whether the time was over before the requests were. */
	isCutShort: boolean;
}

const shownFailures = 5;

/** Runs the load to its end. It never throws for an answer: what is wrong with one is counted. */
export async function runLoad({ clients = 16, seed = 1, ...options }: LoadOptions): Promise<LoadResult> {
	const result: LoadResult = {
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
	// Every client has keys of its own, so that it knows what an answer has to be.
	const run = (client: number) =>
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
	readonly #agent: Agent;
	readonly #port: number;
	readonly #result: LoadResult;
	readonly #firstKey: number;
	readonly #random: () => number;
	/** The version that is stored under each of this client's keys; 0: none. */
	readonly #stored: Uint32Array;
	#version = 0;

	constructor(agent: Agent, port: number, result: LoadResult, firstKey: number, keys: number, random: () => number) {
		this.#agent = agent;
		this.#port = port;
		this.#result = result;
		this.#firstKey = firstKey;
		this.#stored = new Uint32Array(keys);
		this.#random = random;
	}

	async run(budget: { left: number }, deadline: number): Promise<void> {
		while (budget.left-- > 0 && performance.now() < deadline) {
			const slot = Math.floor(this.#random() * this.#stored.length);
			const choice = this.#random();
			if (this.#stored[slot] === 0 || choice < 0.3) await this.#put(slot);
			else if (choice < 0.85) await this.#get(slot);
			else await this.#delete(slot);
		}
		// What was overwritten by mistake, and not read since, shows here.
		for (let slot = 0; slot < this.#stored.length; slot++) {
			if (this.#stored[slot] === 0) continue;
			await this.#get(slot);
			await this.#delete(slot);
		}
	}

	async #put(slot: number): Promise<void> {
		const isNew = this.#stored[slot] === 0;
		const version = ++this.#version;
		this.#result[isNew ? 'put' : 'replace']++;
		const status = await this.#send('PUT', slot, makeContent(this.#firstKey + slot, version));
		if (this.#expect('PUT', slot, status, isNew ? 201 : 204)) this.#stored[slot] = version;
	}

	async #get(slot: number): Promise<void> {
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

	async #delete(slot: number): Promise<void> {
		this.#result.delete++;
		const status = await this.#send('DELETE', slot);
		if (this.#expect('DELETE', slot, status, 204)) this.#stored[slot] = 0;
	}

	#path(slot: number): string {
		return `/values/key-${this.#firstKey + slot}`;
	}

	#expect(method: string, slot: number, status: number | Error, expected: number): boolean {
		if (status === expected) return true;
		const what = status instanceof Error ? String(status) : `status ${status} instead of ${expected}`;
		this.#fail(`${method} ${this.#path(slot)}: ${what}`);
		return false;
	}

	#fail(text: string): void {
		this.#result.failed++;
		if (this.#result.failures.length < shownFailures) this.#result.failures.push(text);
	}

	/** @returns The status of the answer, when its body has ended; an error of the connection is returned, too. */
	#send(method: string, slot: number, body?: Buffer, onData?: (chunk: Buffer) => void): Promise<number | Error> {
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
			request(options, (response: IncomingMessage) => {
				response.on('data', onData ?? (() => {}));
				response.on('end', () => resolve(response.statusCode ?? 0)).on('error', resolve);
			})
				.on('error', resolve)
				.end(body);
		});
	}
}
