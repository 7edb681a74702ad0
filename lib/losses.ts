// Native code tells this thread of lost memory. This file finds the kind or mapping that has lost it, tells the
// listener, publishes the same on the diagnostics channel, and warns where nobody listens.
import { channel as channelOf } from 'node:diagnostics_channel';
import { nextTick } from 'node:process';
import { setImmediate } from 'node:timers';
import type { LostPart, MediaErrorCause, NativeLoss } from './native/losses.ts';
import { native } from './native.ts';

/** Each media error is published here, too. It is the object that `onMediaError` gets. */
const channel = channelOf('daxkind:media-error');

/** A kind or a mapping of this thread. */
export interface LossTarget {
	/** The errors that listeners get for a loss. Empty if it cannot concern anybody any more. */
	mediaErrors(loss: NativeLoss): object[];
	/** Names the target, for the sentence "… has lost so many bytes". */
	readonly subject: string;
	readonly onMediaError: ((error: never) => void) | undefined;
}

// Taken once, because a script may replace it later.
const nextTurn = setImmediate;

const targets = new Map<string, WeakRef<LossTarget>>();
/** How many targets are added before those that are garbage are forgotten. */
let untilSweep = 64;
let isHandling = false;

const keyOf = (isMapping: boolean, id: number) => `${isMapping ? 'mapping' : 'kind'} ${id}`;

/** Each cause as a clause of a sentence. */
export const causes: Readonly<Record<MediaErrorCause, string>> = {
	media: 'the medium is bad there',
	truncated: 'somebody has truncated the file',
	'no-space': 'the file has a hole there, and its file system has no room',
	removed: 'the device is gone',
	unknown: 'the kernel does not say why',
};

function tell(loss: NativeLoss): void {
	const target = targets.get(keyOf(loss.isMapping, loss.id))?.deref();
	if (target !== undefined) tellTarget(target, loss);
}

function tellTarget(target: LossTarget, loss: NativeLoss): void {
	const errors = target.mediaErrors(loss);
	const { subject, onMediaError } = target;
	if (errors.length > 0 && loss.isFirst && !(loss.isHeard || onMediaError !== undefined || channel.hasSubscribers)) {
		const { offset, length, cause } = loss;
		const words = `${subject} has lost ${length} bytes, from ${offset} on: ${causes[cause]}. Do not use them. No listener is set (onMediaError)`;
		process.emitWarning(words, { code: 'DAXKIND_MEDIA_ERROR' });
	}
	for (const error of errors) {
		channel.publish(error);
		// Nobody catches an error of the listener, as with listeners of events.
		if (onMediaError !== undefined) nextTick(onMediaError as (error: object) => void, error);
	}
}

/** Tells, in a later turn of the event loop, of parts that were known to be lost before anybody touched them. */
export function tellKnown(target: LossTarget, parts: LostPart[]): void {
	if (parts.length === 0) return;
	nextTurn(() => {
		for (const part of parts) {
			tellTarget(target, { ...part, isMapping: true, id: 0, isHeard: false, isFirst: true, places: [] });
		}
	});
}

/** From now on native code's reports about this kind or mapping go to `target`. */
export function watchLosses(isMapping: boolean, id: number, target: LossTarget): void {
	if (!isHandling) native.setLossHandler(tell);
	isHandling = true;
	targets.set(keyOf(isMapping, id), new WeakRef(target));
	untilSweep -= 1;
	if (untilSweep > 0) return;
	for (const [key, at] of targets) if (at.deref() === undefined) targets.delete(key);
	untilSweep = 64 + targets.size;
}

export function unwatchLosses(isMapping: boolean, id: number): void {
	targets.delete(keyOf(isMapping, id));
}
