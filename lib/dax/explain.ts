// Says why a path is on DAX or not: goes through a report link by link. explainReport() is pure.
import { inspect } from './inspect.ts';
import { type DaxCheck, type DaxVerdict, type Judge, links } from './links/check.ts';
import { contentsLink, flagLink, stateLink } from './links/file.ts';
import { blockSizeLink, deviceLink, namespaceLink, partitionLink } from './links/medium.ts';
import { fileSystemLink, mountLink, pathLink } from './links/mount.ts';
import { badBlocksLink, hugePagesLink, mapSyncLink, persistenceLink } from './links/use.ts';
import type { DaxReport } from './report.ts';

/** Whether a path is on DAX, and why. */
export interface DaxExplanation {
	/** As it was given. */
	path: string;
	/** Whether the file is on DAX now, or for a directory, whether a file made in it is; undefined if it is not known. */
	dax: boolean | undefined;
	/**
	 * The first broken link, as a clause: "the block device /dev/sda cannot do DAX"; where none is known to be broken, the first that is
	 * not known. Absent if `dax`.
	 */
	reason?: string;
	/** What to do about it, often a command. Absent if `dax`, or if nothing known helps. */
	remedy?: string;
	/** Why MAP_SYNC is not to be had, as a clause: the `reason`, or what refuses it on DAX. Absent if mmap takes it. */
	mapSyncRefusal?: string;
	/**
	 * All links of the chain that the path has, in their order: path, file system, namespace, device, partition, block size, mount, file
	 * contents, flag, state, and then what the DAX can be used for: MAP_SYNC, persistence, huge pages, and bad blocks where there are some. At most one is `broken`, which
	 * decides; what would keep DAX off behind it is `not reached`, and has no remedy, because none helps before that one's.
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

/** What a link comes to, after what is known of the path and of the links before it. */
function settled(found: DaxCheck, dax: boolean | undefined, brokenBefore: boolean): DaxCheck {
	const { remedy: _, ...bare } = found;
	if (found.verdict === 'unknown' && brokenBefore) return bare;
	if (found.verdict !== 'broken') return found;
	// What the kernel has put on DAX is there, whatever a rule of ours says.
	if (dax) return { ...found, verdict: 'warning' };
	if (dax === undefined) return { ...found, verdict: 'unknown' };
	return brokenBefore ? { ...bare, verdict: 'not reached' } : found;
}

/** {@link explain} by a report of {@link inspect} that is there already: pure. */
export function explainReport(report: DaxReport): DaxExplanation {
	const { path, dax } = report;
	const checks: DaxCheck[] = [];
	for (const link of links) {
		const brokenBefore = checks.some(({ verdict }) => verdict === 'broken');
		const found = judges[link](report, brokenBefore);
		if (found) checks.push(settled(found, dax, brokenBefore));
	}
	// Where nothing is known to be broken, what is not known is the reason.
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
 * Says whether a file, or a file made in a directory, is on DAX, and goes through the chain on which that depends: each link with its
 * verdict, the value that was read and where, and what fixes it. It looks as {@link inspect} does, and changes nothing.
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
