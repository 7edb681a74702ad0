// What happens to kinds, on channels of node:diagnostics_channel. Without a subscriber it costs one comparison.
import { channel as channelOf } from 'node:diagnostics_channel';

/** `{ kind }`: this thread has made a kind, or attached to one. */
const created = channelOf('daxkind:kind:create');
/** `{ kind }`: this thread has closed it. */
const closed = channelOf('daxkind:kind:close');
/** `{ kind, error }`: an allocation throws this OutOfMemoryError. */
const outOfMemory = channelOf('daxkind:kind:out-of-memory');

export function tellKindCreated(kind: object): void {
	if (created.hasSubscribers) created.publish({ kind });
}

export function tellKindClosed(kind: object): void {
	if (closed.hasSubscribers) closed.publish({ kind });
}

export function tellOutOfMemory(kind: object, error: Error): void {
	if (outOfMemory.hasSubscribers) outOfMemory.publish({ kind, error });
}
