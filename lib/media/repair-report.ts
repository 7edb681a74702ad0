// The types of what a repair is asked for, and of what it reports.
import type { ByteRange } from '../byte-ranges.ts';
import type { SystemError } from '../errors.ts';
import type { WatchableOptions } from '../jobs.ts';
import type { BadBlocks } from './report.ts';

/**
 * `rewrite`: each bad page is written anew as a whole, which clears the bad block where the medium can be cleared.
 * `reallocate`: the same, and then its data are moved to other blocks, too. `quarantine`: what can be read is copied to
 * a new file, and that file takes the name. The bad file is kept beside it, so that nobody gets its blocks.
 */
export type RepairMethod = 'rewrite' | 'reallocate' | 'quarantine';

/** How far a repair has come. */
export interface RepairProgress {
	/** The file or device that is being repaired. */
	path: string;
	/** How many bytes of it are done. */
	done: number;
	total: number;
}

export interface RepairOptions extends WatchableOptions<RepairProgress> {
	/** Default `rewrite`. */
	method?: RepairMethod;
	/**
	 * A backup. The content of a bad page comes from the same offset of this file. For a directory: a directory that has
	 * the files under the same names. Default: no backup.
	 */
	from?: string | URL;
	/**
	 * Write zeros where there is no backup, so that what was in the bad pages is lost. Default false: without a backup
	 * the call refuses.
	 */
	zeros?: boolean;
	/** Only say what would be done. Default false. */
	dryRun?: boolean;
}

/** What was done with a part of a file, or of a device. In bytes. */
export interface RepairedPart extends ByteRange {
	path: string;
	/** Where the part was on its device. */
	deviceOffset: number;
	/**
	 * `repaired`: it can be read, and the block is off the list. `moved`: it can be read, and is on other blocks now.
	 * `quarantined`: it is in the file that is kept away. `healthy`: it could be read after all, and was left alone.
	 * `uncleared`: the medium does not take the write. `failed`: see `error`. `skipped`: this call cannot repair it.
	 * `planned`: it was only a dry run.
	 */
	outcome: 'repaired' | 'moved' | 'quarantined' | 'healthy' | 'uncleared' | 'failed' | 'skipped' | 'planned';
	/** Where its content comes from. `nothing`: nobody had written there, and it stays zeros. */
	content: 'backup' | 'zeros' | 'nothing' | undefined;
	/** How many bytes were data and are zeros now, or in a dry run would be. */
	lost: number;
	/** A clause for a person. */
	finding: string;
	/** What helps, if something is left to do. */
	remedy: string | undefined;
	/** Whether nothing is left to do about it. */
	isDone: boolean;
	/** For `failed` and `uncleared`: the system call's error. */
	error: SystemError | undefined;
}

/** What a repair did. */
export interface MediaRepair {
	path: string;
	method: RepairMethod;
	dryRun: boolean;
	/** Each bad part that was found, in order. */
	parts: RepairedPart[];
	/** How many bytes of data are lost for good: zeros are in their place. */
	lost: number;
	/** Files that are kept away under another name. */
	quarantined: { path: string; keptAs: string }[];
	/**
	 * What is still bad under the path after the repair. In a dry run, and if nothing was bad, it is what was found at
	 * first.
	 */
	remains: BadBlocks;
	/** Whether nothing is left to do. */
	isRepaired: boolean;
}
