// What Keyv gives a store, as values of a PmemCache. With its serialisation on, that is a string. With it off, it is an
// envelope, { value, expires }. A Buffer in an envelope is stored as bytes behind a short head, so that neither JSON with
// base64 nor a structured clone takes its place.

/** Byte 0 of the head says what follows; bytes 1 to 8 are `expires`, NaN if there is none. */
const headSize = 9;
const sorts = { bareBuffer: 0, bareBytes: 1, buffer: 2, bytes: 3 } as const;

interface Envelope {
	value: unknown;
	expires?: number | undefined;
}

const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;

/** Whether it is an envelope of bytes that has nothing else in it. */
function isEnvelopeOfBytes(given: unknown): given is Envelope & { value: Uint8Array } {
	if (typeof given !== 'object' || given === null || !isBytes((given as Partial<Envelope>).value)) return false;
	const { expires } = given as Envelope;
	if (expires !== undefined && typeof expires !== 'number') return false;
	return Object.keys(given).every((name) => name === 'value' || name === 'expires');
}

function join(sort: number, expires: number | undefined, bytes: Uint8Array): Buffer {
	const joined = Buffer.allocUnsafe(headSize + bytes.length);
	joined[0] = sort;
	joined.writeDoubleLE(expires ?? Number.NaN, 1);
	joined.set(bytes, headSize);
	return joined;
}

/** The value to be stored for what Keyv gives. */
export function pack(given: unknown): unknown {
	// Keyv's compression and encryption may make bytes, too.
	if (isBytes(given)) return join(Buffer.isBuffer(given) ? sorts.bareBuffer : sorts.bareBytes, undefined, given);
	if (!isEnvelopeOfBytes(given)) return given;
	return join(Buffer.isBuffer(given.value) ? sorts.buffer : sorts.bytes, given.expires, given.value);
}

/** What Keyv gave. undefined if something else has stored the value. */
export function unpack(stored: unknown): unknown {
	if (!Buffer.isBuffer(stored)) return stored;
	if (stored.length < headSize) return undefined;
	const [sort] = stored;
	const buffer = stored.subarray(headSize);
	const bytes = () => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
	if (sort === sorts.bareBuffer) return buffer;
	if (sort === sorts.bareBytes) return bytes();
	if (sort !== sorts.buffer && sort !== sorts.bytes) return undefined;
	const found: Envelope = { value: sort === sorts.buffer ? buffer : bytes() };
	const expires = stored.readDoubleLE(1);
	if (!Number.isNaN(expires)) found.expires = expires;
	return found;
}
