// What a process holds, as the kernel sees it, and child processes that are taken somewhere and watched.
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync, statfsSync } from 'node:fs';

/** The open descriptors of a process that are files of a directory's file system without a name, as number and link. */
export function namelessFiles(directory: string, pid: number | 'self' = 'self'): { fd: number; link: string }[] {
	const found: { fd: number; link: string }[] = [];
	for (const name of readdirSync(`/proc/${pid}/fd`)) {
		try {
			const link = readlinkSync(`/proc/${pid}/fd/${name}`);
			if (link.startsWith(`${directory}/`) && link.endsWith(' (deleted)')) found.push({ fd: Number(name), link });
		} catch {
			// The descriptor of the directory listing itself.
		}
	}
	return found;
}

/** How many descriptors this process has, and how many mappings of files without a name. */
export function holdings(): { descriptors: number; mappings: number } {
	const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
	return {
		descriptors: readdirSync('/proc/self/fd').length,
		mappings: maps.filter((line) => line.endsWith(' (deleted)')).length,
	};
}

/** Free bytes of a file system. */
export function freeBytes(directory: string): number {
	const { bfree, bsize } = statfsSync(directory);
	return bfree * bsize;
}

/** Free bytes of a file system once they stay the same: XFS frees the blocks of a deleted file in the background. */
export async function settledFreeBytes(directory: string): Promise<number> {
	let free = -1;
	await eventually(() => {
		const before = free;
		free = freeBytes(directory);
		return free === before;
	});
	return free;
}

/** Asks until it is so; fails after ten seconds. The kernel frees a dead process's memory a moment after its end. */
export async function eventually(condition: () => boolean): Promise<boolean> {
	for (let tries = 0; tries < 200; tries++) {
		await new Promise((resolve) => setTimeout(resolve, 50));
		if (condition()) return true;
	}
	return false;
}

const prelude = `import { PmemKind } from 'daxkind';\n`;

/**
 * Runs a module in a Node process of its own, to its end. `PmemKind` is imported; process.argv[1] is the directory.
 * `before` is a command to run Node by; `flags` are for Node.
 */
export function runChild(
	code: string,
	directory: string,
	before: string[] = [],
	flags: string[] = [],
): SpawnSyncReturns<string> {
	const [command, ...rest] = [...before, process.execPath, ...flags, '--input-type=module', '-e', prelude + code];
	return spawnSync(command!, [...rest, directory], { encoding: 'utf8' });
}

/** Starts such a process and waits until it prints "ready". */
export async function startChild(code: string, directory: string) {
	const child = spawn(process.execPath, ['--input-type=module', '-e', prelude + code, directory], {
		stdio: ['pipe', 'pipe', 'inherit'],
	});
	for await (const chunk of child.stdout!) if (String(chunk).includes('ready')) break;
	return {
		pid: child.pid!,
		async end(signal: NodeJS.Signals) {
			const exit = once(child, 'exit');
			child.kill(signal);
			return (await exit) as [number | null, NodeJS.Signals | null];
		},
	};
}
