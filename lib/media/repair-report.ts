// What a repair is asked for, and what it reports: its types.
import type { ByteRange } from '../byte-ranges.ts';
import type { SystemError } from '../errors.ts';
import type { WatchableOptions } from '../jobs.ts';
import type { BadBlocks } from './report.ts';

/**
 * `rewrite`: each bad page is written anew as a whole, which clears the bad block where the medium can be cleared. `reallocate`: then its
 * data are moved to other blocks, too. `quarantine`: what can be read is copied to a new file that takes the name; the bad file is kept
 * beside it, so that nobody gets its blocks.
 */
export type RepairMethod = 'rewrite' | 'reallocate' | 'quarantine';

/** How far a repair is. */
export interface RepairProgress {
	/** What is being repaired. */
	path: string;
	/** Bytes of it. */
	done: number;
	total: number;
}

export interface RepairOptions extends WatchableOptions<RepairProgress> {
	/** Default `rewrite`. */
	method?: RepairMethod;
	/**
	 * A backup: what was in a bad page comes from the same offset of this file. For a directory: a directory with the files under the same
	 * names. Default: none.
	 */
	from?: string | URL;
	/** Where there is no backup, write zeros: what was in the bad pages is lost. Default false: then the call refuses. */
	zeros?: boolean;
	/** Only say what would be done. Default false. */
	dryRun?: boolean;
}

/** What became of a part of a file, or of a device. In bytes. */
export interface RepairedPart extends ByteRange {
	path: string;
	/** Where it was on its device. */
	deviceOffset: number;
	/**
	 * `repaired`: it can be read, and the block is off the list; `moved`: it can be read, and is on other blocks now; `quarantined`; `healthy`:
	 * it could be read after all, and was left alone; `uncleared`: the medium does not take the write; `failed`; `skipped`: nothing that
	 * this call can repair; `planned`: in a dry run.
	 */
	outcome: 'repaired' | 'moved' | 'quarantined' | 'healthy' | 'uncleared' | 'failed' | 'skipped' | 'planned';
	/** Where its content comes from; `nothing`: nobody had written there, and it stays zeros. */
	content: 'backup' | 'zeros' | 'nothing' | undefined;
	/** Bytes that were data and are zeros now, or in a dry run would be. */
	lost: number;
	/** A clause for a person. */
	finding: string;
	/** What helps, where something is left to do. */
	remedy: string | undefined;
	/** Whether nothing is left to do about it. */
	isDone: boolean;
	/** Of `failed` and `uncleared`: the system call's error. */
	error: SystemError | undefined;
}

/** What a repair came to. */
export interface MediaRepair {
	path: string;
	method: RepairMethod;
	dryRun: boolean;
	/** Each bad part that was found, in order. */
	parts: RepairedPart[];
	/** Bytes of data that are lost for good: zeros stand in their place. */
	lost: number;
	/** Files that are kept away under another name. */
	quarantined: { path: string; keptAs: string }[];
	/** What is still bad under the path, after it; in a dry run, and where nothing was bad, as it was found. */
	remains: BadBlocks;
	/** Whether nothing is left to do. */
	isRepaired: boolean;
}
