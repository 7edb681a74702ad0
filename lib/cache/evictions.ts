// Tells the threads that want to know which entries the caches themselves have removed.
import { channel as channelOf } from 'node:diagnostics_channel';
import { nextTick } from 'node:process';
import { removals } from '../native/caches.ts';
import { native } from '../native.ts';
import { keyOf } from './keys.ts';
import type { PmemCacheEviction } from './options.ts';

/** Each eviction is published here, too, with the cache. */
const channel = channelOf('daxkind:cache:evict');

/** How many are told in one turn of the event loop. */
const batch = 1024;

interface Listener {
	readonly cache: { readonly closed: boolean };
	readonly onEvict: ((eviction: PmemCacheEviction) => void) | undefined;
}

const listeners = new Map<number, WeakRef<Listener>>();
let isHandling = false;

function tell(): void {
	for (const [id, listener] of listeners) {
		const at = listener.deref();
		if (at === undefined) listeners.delete(id);
		else tellOne(id, at);
	}
}

function tellOne(id: number, { cache, onEvict }: Listener): void {
	const entries = native.cacheTakeRemoved(id, batch) ?? [];
	for (let at = 0; at < entries.length; at += 4) {
		const [why, sort, bytes, size] = entries.slice(at, at + 4) as [number, number, NonSharedBuffer, number];
		const eviction: PmemCacheEviction = { key: keyOf(sort, bytes), cause: removals[why]!, bytes: size };
		if (channel.hasSubscribers) channel.publish({ cache, ...eviction });
		// Nobody catches an error of the listener, as with listeners of events.
		if (onEvict !== undefined) nextTick(tellUser, cache, onEvict, eviction);
	}
	if (entries.length === 4 * batch) setImmediate(tell);
}

/** A listener that closes the cache hears no more. */
function tellUser(cache: Listener['cache'], onEvict: NonNullable<Listener['onEvict']>, eviction: PmemCacheEviction) {
	if (!cache.closed) onEvict(eviction);
}

/** Whether somebody listens to all caches. */
export const isChannelHeard = (): boolean => channel.hasSubscribers;

/** From now on the listener hears of what the cache of that hold removes. It must be kept. */
export function hearEvictions(id: number, listener: Listener): void {
	if (!isHandling) native.setRemovalHandler(tell);
	isHandling = true;
	listeners.set(id, new WeakRef(listener));
	native.cacheListen(id);
}

export function unhearEvictions(id: number): void {
	listeners.delete(id);
}
