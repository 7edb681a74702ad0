// Waits for a file's DAX state to follow its flag.
import { setTimeout as sleep } from 'node:timers/promises';
import { requirePath } from '../arguments.ts';
import { daxkindError } from '../errors.ts';
import { type AbortableOptions, checkJobOptions } from '../jobs.ts';
import { native } from '../native.ts';
import { explainReport } from './explain.ts';
import { typeOf } from './file-report.ts';
import { type DaxFlag, getDaxFlag } from './flags.ts';
import { inspect } from './inspect.ts';
import type { DaxLink } from './links/check.ts';

const firstIntervalMs = 1;
const lastIntervalMs = 250;

/** What explain() says of these links is the question here, so it is no answer. */
const symptoms: readonly DaxLink[] = ['flag', 'state'];

/** The error that says why the state will not follow the flag: what it follows instead. */
function ignored(path: string, { flag, effective }: DaxFlag): Error {
	const { checks } = explainReport(inspect(path));
	const cause =
		checks.find(({ link, verdict }) => verdict === 'broken' && !symptoms.includes(link)) ??
		checks.find(({ link }) => link === 'mount') ??
		checks.find(({ link }) => link === 'state');
	const state =
		effective === undefined ? 'it is not known whether it is on DAX' : effective ? 'it is on DAX' : 'it is not on DAX';
	return daxkindError(
		'ERR_DAXKIND_FLAG_IGNORED',
		`The DAX flag of '${path}' is ${flag ? 'set' : 'clear'}, but does not decide: ${cause?.finding ?? 'the kernel does not say why'} (${state})`,
	);
}

/**
 * Waits until a file's state follows its DAX flag. After {@link setDaxFlag}, that happens when nobody has the file open
 * or mapped any more, and this process counts, too. The promise is fulfilled at once if the state follows already. So
 * it is for a directory: its flag is in effect for the next file that is made in it.
 *
 * It asks again and again, because the kernel gives no notice: an inotify watch, or a descriptor to wait with, would
 * itself keep the file as it is. The intervals grow from a millisecond to a quarter of a second. Each question is a few
 * system calls on the calling thread; between them the thread is free. Waiting keeps the process alive, and others may
 * keep the file open for ever: give it a `signal`. A file with several names can also stay as it is while the kernel
 * has another of its names in its cache. `echo 2 > /proc/sys/vm/drop_caches` as root ends that.
 *
 * @param path A file or directory; the last component may not be a symbolic link (ELOOP).
 * @returns The flag and the state; `flag` and `effective` are the same.
 * @throws Error ERR_DAXKIND_FLAG_IGNORED, at once, if the flag does not decide here: dax=always or dax=never, a device
 * without DAX, inline data… The message says the cause. SystemError as of {@link getDaxFlag}. The signal's reason.
 * @example
 * setDaxFlag('/mnt/pmem/table', true);
 * await whenEffectiveAsync('/mnt/pmem/table', { signal: AbortSignal.timeout(5_000) });
 */
export async function whenEffectiveAsync(path: string | URL, options?: AbortableOptions): Promise<DaxFlag> {
	const checked = requirePath('path', path);
	const { signal } = checkJobOptions(options, ['signal']);
	for (let interval = firstIntervalMs; ; interval = Math.min(2 * interval, lastIntervalMs)) {
		const seen = getDaxFlag(checked);
		if (seen.flag === seen.effective) return seen;
		// This throws why no file can be made in the directory to see.
		if (seen.effective === undefined && typeOf(native.statx(checked)) === 'directory') native.statxTemporary(checked);
		if (!seen.pending) throw ignored(checked, seen);
		await sleep(interval, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
	}
}
