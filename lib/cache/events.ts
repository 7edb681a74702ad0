// What happens to caches, on channels of node:diagnostics_channel. evictions.ts has the channel of what happens to their
// entries.
import { channel as channelOf } from 'node:diagnostics_channel';

/** `{ cache }`: this thread has made a cache, or attached to one. */
const created = channelOf('daxkind:cache:create');
/** `{ cache }`: this thread has closed it. */
const closed = channelOf('daxkind:cache:close');

export function tellCacheCreated(cache: object): void {
	if (created.hasSubscribers) created.publish({ cache });
}

export function tellCacheClosed(cache: object): void {
	if (closed.hasSubscribers) closed.publish({ cache });
}
