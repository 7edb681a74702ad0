// An HTTP service that keeps every value in a block of a pmem kind. V8's heap holds only keys and views.
//
// The point to copy: a block may be freed only when no response sends it any more. So each value counts the responses
// that read it. This is a store, which refuses what it has no room for. A cache, which evicts, has leases for the same
// purpose: examples/http-cache.
import { createServer } from 'node:http';
import { OutOfMemoryError } from 'daxkind';

/** A response that is not a success. Its text says what to do. */
class HttpError extends Error {
	status;

	constructor(status, message) {
		super(message);
		this.status = status;
	}
}

/** The first size of the block for an upload of unknown length. */
const firstChunkedBytes = 64 * 1024;

/**
 * `PUT`, `GET`, `HEAD` and `DELETE` of `/values/KEY`, and `GET /stats`, over values in a kind.
 *
 * An upload is received directly into its block. It replaces the old value when it is complete, and an aborted upload
 * leaves no trace. The block of a replaced or deleted value is freed when the last response that sends it has ended. If
 * it were freed earlier, the socket would send bytes of another value.
 */
export class ValueService {
	server;
	#kind;
	#maxValueBytes;
	/** The values by their keys: each one's block, how many responses read it, and whether the key still names it. */
	#values = new Map();
	/** Responses that have not ended. They may still read or fill a block. */
	#pending = new Set();
	#counts = { values: 0, bytes: 0, peakBytes: 0, refused: 0 };

	/**
	 * @param {import('daxkind').PmemKind} kind Where the values are kept. The caller has to close it.
	 * @param {{ maxValueBytes?: number }} [options] The length of the longest value. A longer upload is refused with
	 * 413. Default 64 MiB.
	 */
	constructor(kind, { maxValueBytes = 64 * 2 ** 20 } = {}) {
		this.#kind = kind;
		this.#maxValueBytes = maxValueBytes;
		const listener = (request, response) => {
			const isClosed = new Promise((resolve) => response.once('close', resolve));
			const ended = Promise.all([this.#answer(request, response), isClosed]);
			this.#pending.add(ended);
			void ended.then(() => this.#pending.delete(ended));
		};
		// Some clients ask before they send the body (curl does, from 1 MiB on). They get a refusal before they have
		// sent anything.
		this.server = createServer(listener).on('checkContinue', listener);
	}

	/** What the service has seen up to now. */
	get counts() {
		return { ...this.#counts, values: this.#values.size };
	}

	/** Listens on 127.0.0.1. @returns The port. */
	async listen(port = 0) {
		await new Promise((resolve, reject) => {
			this.server.once('error', reject).listen(port, '127.0.0.1', resolve);
		});
		return this.server.address().port;
	}

	/** Ends every connection and frees every block; the kind stays open. */
	async close() {
		const closed = new Promise((resolve) => this.server.close(resolve));
		this.server.closeAllConnections();
		await closed;
		await Promise.all(this.#pending);
		for (const key of [...this.#values.keys()]) this.#remove(key);
	}

	async #answer(request, response) {
		try {
			const pathname = request.url?.split('?', 1)[0] ?? '';
			if (pathname === '/stats') this.#sendStats(request, response);
			else await this.#answerValue(keyOf(pathname), request, response);
		} catch (error) {
			// If the connection itself has failed, nobody can be told.
			if (response.headersSent || request.destroyed) response.destroy();
			else sendError(response, error);
			if (error instanceof OutOfMemoryError) this.#counts.refused++;
			// The connection can serve the next request only when the rest of this one's body has been read.
			request.resume();
		}
	}

	async #answerValue(key, request, response) {
		switch (request.method) {
			case 'GET':
			case 'HEAD':
				this.#send(this.#get(key), request, response);
				break;
			case 'PUT': {
				const isNew = this.#replace(key, await this.#receive(request, response));
				response.writeHead(isNew ? 201 : 204, { 'content-length': 0 }).end();
				break;
			}
			case 'DELETE':
				this.#get(key);
				this.#remove(key);
				response.writeHead(204).end();
				break;
			default:
				response.setHeader('allow', 'GET, HEAD, PUT, DELETE');
				throw new HttpError(405, `${request.method} is not GET, HEAD, PUT or DELETE`);
		}
	}

	#get(key) {
		const value = this.#values.get(key);
		if (!value) throw new HttpError(404, `no value under '${key}'`);
		return value;
	}

	#send(value, request, response) {
		const { block } = value;
		value.readers++;
		// 'close' comes after the last byte has gone to the kernel, and also when the client goes away.
		response.once('close', () => {
			value.readers--;
			this.#freeIfUnused(value);
		});
		response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': block.length });
		response.end(request.method === 'HEAD' ? undefined : block);
	}

	/** Receives a body into a block of exactly its length. The caller owns the block. */
	async #receive(request, response) {
		const announced = request.headers['content-length'];
		if (announced !== undefined && Number(announced) > this.#maxValueBytes) throw this.#tooLong();
		let block = this.#kind.malloc(announced === undefined ? firstChunkedBytes : Number(announced));
		try {
			if (request.headers.expect !== undefined) response.writeContinue();
			let length = 0;
			// Leaving the loop must not destroy the connection, because the client has to be told why.
			for await (const chunk of request.iterator({ destroyOnReturn: false })) {
				if (length + chunk.length > this.#maxValueBytes) throw this.#tooLong();
				if (length + chunk.length > block.length) {
					block = this.#kind.realloc(block, Math.min(2 * (length + chunk.length), this.#maxValueBytes));
				}
				chunk.copy(block, length);
				length += chunk.length;
			}
			return this.#kind.realloc(block, length);
		} catch (error) {
			this.#kind.free(block);
			throw error;
		}
	}

	#tooLong() {
		return new HttpError(413, `a value has at most ${this.#maxValueBytes} bytes`);
	}

	/** @returns Whether the key is new. */
	#replace(key, block) {
		const isNew = !this.#remove(key);
		this.#values.set(key, { block, readers: 0, isCurrent: true });
		this.#counts.bytes += block.length;
		this.#counts.peakBytes = Math.max(this.#counts.peakBytes, this.#counts.bytes);
		return isNew;
	}

	/** @returns Whether there was a value. */
	#remove(key) {
		const value = this.#values.get(key);
		if (!value) return false;
		this.#values.delete(key);
		this.#counts.bytes -= value.block.length;
		value.isCurrent = false;
		this.#freeIfUnused(value);
		return true;
	}

	#freeIfUnused(value) {
		if (!value.isCurrent && value.readers === 0) this.#kind.free(value.block);
	}

	#sendStats(request, response) {
		if (request.method !== 'GET') {
			response.setHeader('allow', 'GET');
			throw new HttpError(405, `${request.method} is not GET`);
		}
		const { path, dax, mapping, granularity } = this.#kind;
		const body = { service: this.counts, kind: { path, dax, mapping, granularity, ...this.#kind.stats() } };
		response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(body, null, 2)}\n`);
	}
}

function keyOf(pathname) {
	const encoded = /^\/values\/(.+)$/.exec(pathname)?.[1];
	if (encoded === undefined) throw new HttpError(404, `there are /values/KEY and /stats, but no ${pathname}`);
	try {
		return decodeURIComponent(encoded);
	} catch {
		throw new HttpError(400, `not a percent-encoded key: ${encoded}`);
	}
}

function sendError(response, error) {
	const status = error instanceof HttpError ? error.status : error instanceof OutOfMemoryError ? 507 : 500;
	const { message } = error;
	response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${message}\n`);
}
