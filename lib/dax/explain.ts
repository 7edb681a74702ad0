// Says why a path is on DAX or not: it goes through a report link by link. explainReport() is pure.
import { inspect } from './inspect.ts';
import { type DaxCheck, type DaxVerdict, type Judge, links } from './links/check.ts';
import { contentsLink, flagLink, stateLink } from './links/file.ts';
import { blockSizeLink, deviceLink, namespaceLink, partitionLink } from './links/medium.ts';
import { fileSystemLink, mountLink, pathLink } from './links/mount.ts';
import { badBlocksLink, hugePagesLink, mapSyncLink, persistenceLink } from './links/use.ts';
import type { DaxReport } from './report.ts';

/** Whether a path is on DAX, and why. */
export interface DaxExplanation {
	/** The path as the caller gave it. */
	path: string;
	/**
	 * Whether the file is on DAX now. For a directory: whether a file that is made in it is. Undefined if it is not
	 * known.
	 */
	dax: boolean | undefined;
	/**
	 * The first broken link, as a clause: "the block device /dev/sda cannot do DAX". If no link is known to be broken, it
	 * is the first link that is not known. Absent if `dax` is true.
	 */
	reason?: string;
	/** What to do about it, often a command. Absent if `dax` is true, or if nothing is known to help. */
	remedy?: string;
	/**
	 * Why MAP_SYNC is not possible, as a clause: the `reason`, or on DAX, what refuses MAP_SYNC. Absent if mmap takes
	 * MAP_SYNC.
	 */
	mapSyncRefusal?: string;
	/**
	 * All links of the chain that the path has, in this order: path, file system, namespace, device, partition, block
	 * size, mount, file contents, flag, state. Then comes what the DAX can be used for: MAP_SYNC, persistence, huge
	 * pages, and bad blocks if there are some. At most one link is `broken`, and that link decides. A later link that
	 * would keep DAX off, too, is `not reached`. It has no remedy, because its remedy would not help before the broken
	 * link is fixed.
	 */
	checks: DaxCheck[];
}

const judges: Readonly<Record<(typeof links)[number], Judge>> = {
	path: pathLink,
	'file system': fileSystemLink,
	namespace: namespaceLink,
	device: deviceLink,
	partition: partitionLink,
	'block size': blockSizeLink,
	mount: mountLink,
	'file contents': contentsLink,
	flag: flagLink,
	state: stateLink,
	MAP_SYNC: mapSyncLink,
	persistence: persistenceLink,
	'huge pages': hugePagesLink,
	'bad blocks': badBlocksLink,
};

/** The check as it is reported: its verdict depends on whether the path is on DAX, and on the links before it. */
function settled(found: DaxCheck, dax: boolean | undefined, brokenBefore: boolean): DaxCheck {
	const { remedy: _, ...bare } = found;
	if (found.verdict === 'unknown' && brokenBefore) return bare;
	if (found.verdict !== 'broken') return found;
	// The kernel has put the file on DAX, so no link is broken, whatever our rules say.
	if (dax) return { ...found, verdict: 'warning' };
	if (dax === undefined) return { ...found, verdict: 'unknown' };
	return brokenBefore ? { ...bare, verdict: 'not reached' } : found;
}

/**
 * Explains a report that {@link inspect} has made, as {@link explain} does for a path. It is pure: it makes no system
 * call.
 */
export function explainReport(report: DaxReport): DaxExplanation {
	const { path, dax } = report;
	const checks: DaxCheck[] = [];
	for (const link of links) {
		const brokenBefore = checks.some(({ verdict }) => verdict === 'broken');
		const found = judges[link](report, brokenBefore);
		if (found) checks.push(settled(found, dax, brokenBefore));
	}
	// If no link is known to be broken, the first link that is not known is the reason.
	const first = (wanted: DaxVerdict) => checks.find(({ verdict }) => verdict === wanted);
	const { finding: reason, remedy } = (!dax && (first('broken') ?? first('unknown'))) || {};
	const limit = checks.find(({ link, verdict }) => link === 'MAP_SYNC' && verdict === 'warning');
	const mapSyncRefusal = reason ?? limit?.finding;
	return {
		path,
		dax,
		...(reason !== undefined && { reason }),
		...(remedy !== undefined && { remedy }),
		...(mapSyncRefusal !== undefined && { mapSyncRefusal }),
		checks,
	};
}

/**
 * Says whether a file, or a file made in a directory, is on DAX. It goes through the chain of links on which that
 * depends. Each link has a verdict, the value that was read, where it was read, and what fixes it. It looks as
 * {@link inspect} does, and changes nothing. It is synchronous: the thread waits for the system calls of `inspect`.
 *
 * @param path A file or directory; symbolic links are followed.
 * @throws SystemError of `statx` if there is no such path, or it cannot be reached.
 * @example
 * const { dax, reason, remedy } = explain('/mnt/pmem');
 * if (!dax) console.error(`Not on DAX: ${reason}. ${remedy ?? ''}`);
 */
export function explain(path: string | URL): DaxExplanation {
	return explainReport(inspect(path));
}
