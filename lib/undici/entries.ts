// How responses are in a PmemCache. A response is one entry, its head before its body, so there is never one without
// the other. The entry is under the key of its method and its address. Of responses that vary, the first is there; the
// others have keys of their own, which a list of them has. Any entry may be evicted alone: that is a miss.
import type { CacheKey, CacheValue } from './interface.ts';

/** A response that is in the list of its address. */
export interface Variant {
	/** The key of its entry. */
	id: string;
	vary: NonNullable<CacheValue['vary']>;
	deleteAt: number;
}

/** Byte 0: what the entry is. Bytes 1 to 4: the length of the JSON that follows. Then the body. */
const sorts = { response: 1, list: 2 } as const;
const prefixSize = 5;

/** JSON has no Infinity, and would say null. The longest time that it has is as good. */
const finite = (_name: string, value: unknown) => (value === Number.POSITIVE_INFINITY ? Number.MAX_VALUE : value);

function encode(sort: number, json: unknown): Buffer {
	const text = JSON.stringify(json, finite);
	const length = Buffer.byteLength(text);
	const bytes = Buffer.allocUnsafe(prefixSize + length);
	bytes[0] = sort;
	bytes.writeUInt32LE(length, 1);
	bytes.write(text, prefixSize);
	return bytes;
}

/** What comes before the body of a response. */
export function encodeHead(value: CacheValue): Buffer {
	// These and no others, whatever else the object has.
	const { statusCode, statusMessage, headers, vary, etag, cacheControlDirectives, cachedAt, staleAt, deleteAt } = value;
	const head = { statusCode, statusMessage, headers, vary, etag, cacheControlDirectives, cachedAt, staleAt, deleteAt };
	return encode(sorts.response, head);
}

export const encodeList = (variants: Variant[]): Buffer => encode(sorts.list, variants);

export type Entry = { head: CacheValue; bodyAt: number } | { variants: Variant[] };

/** undefined for what is no entry: a page of it may be lost, or it is somebody else's. */
export function decode(bytes: Buffer): Entry | undefined {
	try {
		const bodyAt = prefixSize + bytes.readUInt32LE(1);
		if (bodyAt > bytes.length) return undefined;
		const json: unknown = JSON.parse(bytes.toString('utf8', prefixSize, bodyAt));
		return bytes[0] === sorts.list ? { variants: json as Variant[] } : { head: json as CacheValue, bodyAt };
	} catch {
		return undefined;
	}
}

/** Whether a header of a request is what it was in another one. null: the request did not have it. */
function isSame(one: string | string[] | null | undefined, other: string | string[] | null | undefined): boolean {
	if (one === null || one === undefined || other === null || other === undefined) {
		return (one ?? undefined) === (other ?? undefined);
	}
	if (!Array.isArray(one) || !Array.isArray(other)) return one === other;
	return one.length === other.length && one.every((value, at) => value === other[at]);
}

/** Whether a response that was selected by these headers is one for this request (RFC 9111, 4.1). */
function isSelected(key: CacheKey, vary: CacheValue['vary'] | null): boolean {
	return Object.entries(vary ?? {}).every(([name, value]) => isSame(key.headers?.[name], value));
}

type Times = Pick<CacheValue, 'vary' | 'deleteAt'>;

export const isLive = ({ deleteAt }: Times): boolean => deleteAt > Date.now();

/** Whether a response may be served for this request. */
export const isFor = (key: CacheKey, response: Times): boolean => isLive(response) && isSelected(key, response.vary);
