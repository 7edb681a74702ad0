// The service of the demo: an HTTP store that keeps every value in a block of a pmem kind. V8 holds keys and views only.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { OutOfMemoryError, type PmemKind } from '../kind/index.ts';

/** A value, and how many responses are still reading its block. */
interface Value {
	readonly block: Buffer;
	readers: number;
	isCurrent: boolean;
}

/** What the service has seen. */
export interface ServiceCounts {
	/** Values, and their bytes, that are there now. */
	values: number;
	bytes: number;
	/** The most bytes of values at one time. */
	peakBytes: number;
	/** Uploads refused with 507 because the kind was full. */
	refused: number;
}

/** An answer that is not a success; the text says what to do. */
class HttpError extends Error {
	readonly status: number;

	constructor(status: number, message: string) {
		super(message);
		this.status = status;
	}
}

/** How large the block for an upload of unknown length is at first. */
const firstChunkedBytes = 64 * 1024;

/**
 * `PUT`, `GET`, `HEAD` and `DELETE` of `/values/KEY`, and `GET /stats`, over values in a kind.
 *
 * An upload is received straight into its block; it replaces the old value when it is complete, and an aborted one leaves
 * no trace. The block of a replaced or deleted value is freed when the last response that sends it has ended: a block
 * freed earlier would be overwritten under the socket.
 */
export class ValueService {
	readonly server: Server;
	readonly #kind: PmemKind;
	readonly #maxValueBytes: number;
	readonly #values = new Map<string, Value>();
	/** Answers that are not over: they may still read or fill a block. */
	readonly #pending = new Set<Promise<unknown>>();
	readonly #counts: ServiceCounts = { values: 0, bytes: 0, peakBytes: 0, refused: 0 };

	/** @param maxValueBytes The longest value taken; a longer upload is refused with 413. Default 64 MiB. */
	constructor(kind: PmemKind, { maxValueBytes = 64 * 2 ** 20 }: { maxValueBytes?: number } = {}) {
		this.#kind = kind;
		this.#maxValueBytes = maxValueBytes;
		const listener = (request: IncomingMessage, response: ServerResponse) => {
			const isClosed = new Promise((resolve) => response.once('close', resolve));
			const ended = Promise.all([this.#answer(request, response), isClosed]);
			this.#pending.add(ended);
			void ended.then(() => this.#pending.delete(ended));
		};
		// A client that asks before it sends (curl does, from 1 MiB) hears of a refusal before it has sent anything.
		this.server = createServer(listener).on('checkContinue', listener);
	}

	/** What the service has seen up to now. */
	get counts(): ServiceCounts {
		return { ...this.#counts, values: this.#values.size };
	}

	/** Listens on 127.0.0.1. @returns The port. */
	async listen(port = 0): Promise<number> {
		await new Promise<void>((resolve, reject) => {
			this.server.once('error', reject).listen(port, '127.0.0.1', resolve);
		});
		return (this.server.address() as { port: number }).port;
	}

	/** Ends every connection and frees every block; the kind stays open. */
	async close(): Promise<void> {
		const closed = new Promise((resolve) => this.server.close(resolve));
		this.server.closeAllConnections();
		await closed;
		await Promise.all(this.#pending);
		for (const key of [...this.#values.keys()]) this.#remove(key);
	}

	async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
		try {
			const pathname = request.url?.split('?', 1)[0] ?? '';
			if (pathname === '/stats') this.#sendStats(request, response);
			else await this.#answerValue(keyOf(pathname), request, response);
		} catch (error) {
			// Nobody is there to be told when the connection itself has failed.
			if (response.headersSent || request.destroyed) response.destroy();
			else sendError(response, error);
			if (error instanceof OutOfMemoryError) this.#counts.refused++;
			// The connection serves the next request when the rest of this one's body is off it.
			request.resume();
		}
	}

	async #answerValue(key: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
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

	#get(key: string): Value {
		const value = this.#values.get(key);
		if (!value) throw new HttpError(404, `no value under '${key}'`);
		return value;
	}

	#send(value: Value, request: IncomingMessage, response: ServerResponse): void {
		const { block } = value;
		value.readers++;
		// 'close' comes after the last byte has gone to the kernel, and also when the client has gone.
		response.once('close', () => {
			value.readers--;
			this.#freeIfUnused(value);
		});
		response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': block.length });
		response.end(request.method === 'HEAD' ? undefined : block);
	}

	/** Receives a body into a block of exactly its length. The block is the caller's. */
	async #receive(request: IncomingMessage, response: ServerResponse): Promise<Buffer> {
		const announced = request.headers['content-length'];
		if (announced !== undefined && Number(announced) > this.#maxValueBytes) throw this.#tooLong();
		let block = this.#kind.malloc(announced === undefined ? firstChunkedBytes : Number(announced));
		try {
			if (request.headers.expect !== undefined) response.writeContinue();
			let length = 0;
			// Leaving the loop must not destroy the connection: the client has to hear why.
			for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
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

	#tooLong(): HttpError {
		return new HttpError(413, `a value has at most ${this.#maxValueBytes} bytes`);
	}

	/** @returns Whether the key is new. */
	#replace(key: string, block: Buffer): boolean {
		const isNew = !this.#remove(key);
		this.#values.set(key, { block, readers: 0, isCurrent: true });
		this.#counts.bytes += block.length;
		this.#counts.peakBytes = Math.max(this.#counts.peakBytes, this.#counts.bytes);
		return isNew;
	}

	/** @returns Whether there was a value. */
	#remove(key: string): boolean {
		const value = this.#values.get(key);
		if (!value) return false;
		this.#values.delete(key);
		this.#counts.bytes -= value.block.length;
		value.isCurrent = false;
		this.#freeIfUnused(value);
		return true;
	}

	#freeIfUnused(value: Value): void {
		if (!value.isCurrent && value.readers === 0) this.#kind.free(value.block);
	}

	#sendStats(request: IncomingMessage, response: ServerResponse): void {
		if (request.method !== 'GET') {
			response.setHeader('allow', 'GET');
			throw new HttpError(405, `${request.method} is not GET`);
		}
		const { path, dax, mapping, granularity } = this.#kind;
		const body = { service: this.counts, kind: { path, dax, mapping, granularity, ...this.#kind.stats() } };
		response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(body, null, '\t')}\n`);
	}
}

function keyOf(pathname: string): string {
	const encoded = /^\/values\/(.+)$/.exec(pathname)?.[1];
	if (encoded === undefined) throw new HttpError(404, `there are /values/KEY and /stats, but no ${pathname}`);
	try {
		return decodeURIComponent(encoded);
	} catch {
		throw new HttpError(400, `not a percent-encoded key: ${encoded}`);
	}
}

function sendError(response: ServerResponse, error: unknown): void {
	const status = error instanceof HttpError ? error.status : error instanceof OutOfMemoryError ? 507 : 500;
	const { message } = error as Error;
	response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${message}\n`);
}
