// undici's interface of a store, in its own words: what it asks for, and what it gets. These are not imported from undici,
// because its types are those of a CommonJS module, which compilers resolve in two ways.
import type { Readable } from 'node:stream';

/** The directives of Cache-Control that undici knows. */
export interface CacheControlDirectives {
	'max-stale'?: number;
	'min-fresh'?: number;
	'max-age'?: number;
	's-maxage'?: number;
	'stale-while-revalidate'?: number;
	'stale-if-error'?: number;
	public?: true;
	private?: true | string[];
	'no-store'?: true;
	'no-cache'?: true | string[];
	'must-revalidate'?: true;
	'proxy-revalidate'?: true;
	immutable?: true;
	'no-transform'?: true;
	'must-understand'?: true;
	'only-if-cached'?: true;
}

/** A request. */
export interface CacheKey {
	origin: string;
	method: string;
	path: string;
	headers?: Record<string, string | string[]>;
}

/** A response without its body. Times are in milliseconds since 1970. */
export interface CacheValue {
	statusCode: number;
	statusMessage: string;
	headers: Record<string, string | string[]>;
	/** The headers of the request that select it. null: the request did not have it. */
	vary?: Record<string, string | string[] | null>;
	etag?: string;
	cacheControlDirectives?: CacheControlDirectives;
	cachedAt: number;
	staleAt: number;
	deleteAt: number;
}

/** A stored response. */
export interface GetResult extends CacheValue {
	cacheControlDirectives: CacheControlDirectives;
	/** An array for a body of up to 64 KiB, else a stream. */
	body: Buffer[] | Readable;
}
