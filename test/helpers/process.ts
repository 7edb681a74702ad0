// What a process holds, as the kernel sees it. And child processes that are taken to a certain point and watched.
import type { SpawnSyncReturns } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, statfsSync } from 'node:fs';
import { leftMs, spawn, spawnSync } from './children.ts';

/** The open descriptors of a process that are nameless files of a directory's file system, as number and link. */
export function namelessFiles(directory: string, pid: number | 'self' = 'self'): { fd: number; link: string }[] {
	const found: { fd: number; link: string }[] = [];
	for (const name of readdirSync(`/proc/${pid}/fd`)) {
		try {
			const link = readlinkSync(`/proc/${pid}/fd/${name}`);
			if (link.startsWith(`${directory}/`) && link.endsWith(' (deleted)')) found.push({ fd: Number(name), link });
		} catch {
			// This was the descriptor of the directory listing itself.
		}
	}
	return found;
}

/** How many descriptors this process has, and how many mappings of nameless files. */
export function holdings(): { descriptors: number; mappings: number } {
	const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
	return {
		descriptors: readdirSync('/proc/self/fd').length,
		mappings: maps.filter((line) => line.endsWith(' (deleted)')).length,
	};
}

/** The address where this process has mapped the directory's one nameless file. */
export function mappedAt(directory: string): bigint {
	const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
	const found = maps.filter((line) => line.includes(` ${directory}/`) && line.endsWith(' (deleted)'));
	if (found.length !== 1) throw new Error(`${found.length} mappings of nameless files below ${directory}, not 1`);
	return BigInt(`0x${found[0]!.split('-')[0]}`);
}

/** The free bytes of a file system. */
export function freeBytes(directory: string): number {
	const { bfree, bsize } = statfsSync(directory);
	return bfree * bsize;
}

/**
 * The free bytes of a file system when a test begins: when their number has not changed for half a second. XFS frees
 * the blocks of the files before it in the background, and does not say when it has. Who knows the number uses `until`.
 */
export async function settledFreeBytes(directory: string): Promise<number> {
	let free = -1;
	let since = 0;
	await until(() => {
		const now = freeBytes(directory);
		if (now !== free) since = performance.now();
		free = now;
		return performance.now() - since >= 500;
	});
	return free;
}

const prelude = `import { PmemKind } from 'daxkind';\n`;

/**
 * Runs a module in a Node process of its own, to its end. `PmemKind` is imported, and process.argv[1] is the directory.
 * `before` is a command that runs Node; `flags` are for Node. A process that does not end is killed when the test's time
 * is over: `signal` says so.
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

/** How a child process ended, and what it printed. */
export interface Ending {
	status: number | null;
	signal: NodeJS.Signals | null;
	stdout: string;
	stderr: string;
}

/**
 * Starts such a process and waits until it prints "ready". A process that reads its standard input then waits for `go`.
 *
 * @throws With what it printed, if it ended before that.
 */
export async function startChild(code: string, directory: string, flags: string[] = []) {
	const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', prelude + code, directory]);
	const said = { stdout: '', stderr: '' };
	child.stderr.setEncoding('utf8').on('data', (text) => {
		said.stderr += text;
	});
	const ended = new Promise<Ending>((resolve) => {
		child.once('close', (status, signal) => resolve({ status, signal, ...said }));
	});
	await new Promise<void>((resolve, reject) => {
		child.stdout.setEncoding('utf8').on('data', (text) => {
			said.stdout += text;
			if (said.stdout.includes('ready')) resolve();
		});
		void ended.then((ending) => reject(new Error(`it ended before it was ready: ${JSON.stringify(ending)}`)));
	});
	return {
		pid: child.pid!,
		ended,
		/** Ends its standard input. */
		go(): void {
			child.stdin.on('error', () => {}).end();
		},
		async end(signal: NodeJS.Signals): Promise<[number | null, NodeJS.Signals | null]> {
			child.kill(signal);
			const { status, signal: by } = await ended;
			return [status, by];
		},
	};
}

/**
 * Which processes hold a file below a directory, and how many descriptors and mappings of it each has. It sees only the
 * processes that this one may look at. Its own descendants are among them.
 */
export function holders(directory: string): { pid: number; descriptors: number; mappings: number }[] {
	return readdirSync('/proc')
		.filter((name) => /^\d+$/.test(name))
		.map((pid) => ({ pid: Number(pid), ...held(pid, directory) }))
		.filter(({ descriptors, mappings }) => descriptors + mappings > 0);
}

function held(pid: string, directory: string): { descriptors: number; mappings: number } {
	const place = `${directory}/`;
	const attempt = <T>(read: () => T, otherwise: T): T => {
		try {
			return read();
		} catch {
			return otherwise;
		}
	};
	const links = attempt(() => readdirSync(`/proc/${pid}/fd`), []).map((fd) =>
		attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`), ''),
	);
	const maps = attempt(() => readFileSync(`/proc/${pid}/maps`, 'utf8'), '').split('\n');
	return {
		descriptors: links.filter((link) => link.startsWith(place)).length,
		mappings: maps.filter((line) => line.includes(` ${place}`)).length,
	};
}

/** The processes whose parent is `pid`, without zombies. */
export function childrenOf(pid: number): number[] {
	return readdirSync('/proc').flatMap((name) => {
		try {
			const [state, parent] = readFileSync(`/proc/${Number(name)}/stat`, 'utf8')
				.replace(/^.*\) /, '')
				.split(' ');
			return Number(parent) === pid && state !== 'Z' ? [Number(name)] : [];
		} catch {
			return [];
		}
	});
}

/** A process's program and arguments, each ended by a NUL. It is empty if the process has ended. */
export function commandLine(pid: number): string {
	try {
		return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
	} catch {
		return '';
	}
}

/** Whether a process runs. A zombie does not run. */
export function isAlive(pid: number): boolean {
	try {
		return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
	} catch {
		return false;
	}
}

/**
 * Waits until the condition is true, for as long as the test may still take. Then it throws, so that the test fails
 * with what it has waited for and nothing goes on after it.
 */
export async function until(condition: () => boolean, everyMs = 50): Promise<void> {
	for (const end = performance.now() + leftMs(); !condition(); ) {
		if (performance.now() > end) throw new Error(`It was never so: ${condition}`);
		await new Promise((resolve) => setTimeout(resolve, everyMs));
	}
}
