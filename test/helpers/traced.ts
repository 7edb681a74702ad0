// What calls of a mapping really do: the flushes, the stores past the caches, the fences and the msyncs that a Node
// process executes, as helpers/traced.c sees them. x86-64 only.
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PmemGranularity } from 'daxkind';
import { spawnSync } from './children.ts';
import { compiled, libraryFlags } from './compile.ts';
import { forcing, pmemEnvironment } from './pmem-environment.ts';
import { temporaryDirectory, tmpfs } from './temporary-directory.ts';

const library = process.arch === 'x64' ? compiled('traced', libraryFlags) : undefined;

/** Why nothing can be traced here. Tests are skipped then. */
export const problem: string | undefined =
	library === undefined ? `only x86-64 is traced, and this is ${process.arch}` : library.problem;
if (problem !== undefined) console.error(`tests of the executed instructions are skipped: ${problem}`);

const flushes = ['clwb', 'clflushopt', 'clflush'] as const;

/** The system calls that write a file back, by their numbers (asm/unistd_64.h). V8 makes others, and they don't count. */
const callNames = { 26: 'msync', 74: 'fsync', 75: 'fdatasync', 277: 'sync_file_range' } as const;

type Call = (typeof callNames)[keyof typeof callNames];

/** Something that the traced thread did. */
export interface TracedEvent {
	what: (typeof flushes)[number] | 'stream' | 'fence' | Call;
	/** Of a flush and of a store past the caches: the first byte, from the start of the mapping. Else 0. */
	offset: number;
	/** Of a flush the length of the line, of a store past the caches its bytes. Else 0. */
	length: number;
}

/**
 * A step takes microseconds, so the fewer the better. Baseline code has half as many as the interpreter, and it is
 * compiled when a function is first called, never within a trace.
 */
const nodeFlags = ['--always-sparkplug', '--no-opt'];

/** How the child process and its mapping are made. */
export interface TraceOptions {
	granularity: PmemGranularity;
	/** Further environment variables. */
	environment?: Record<string, string>;
	/** The length of the file. Default 64 KiB. */
	length?: number;
	/** Statements before the actions, which can use their names. */
	prepare?: string;
}

/** What an action did: a line of traced.c. */
function eventsOf(line: string, base: number): TracedEvent[] {
	const raw = JSON.parse(line) as [string, number, number][];
	return raw.flatMap(([sort, value, length]): TracedEvent[] => {
		if (sort === 'fence') return [{ what: sort, offset: 0, length: 0 }];
		if (sort !== 'call') return [{ what: sort as TracedEvent['what'], offset: value - base, length }];
		const what = (callNames as Record<number, Call>)[value];
		return what === undefined ? [] : [{ what, offset: 0, length: 0 }];
	});
}

/**
 * Maps a new file on tmpfs in a process of its own, runs each action there twice untraced and once traced, and returns
 * what each did. An action is statements of JavaScript; it has `mapping`, `daxkind`, the `path` of the file, and what
 * `prepare` declares.
 */
export function trace(actions: readonly string[], options: TraceOptions): TracedEvent[][] {
	const { granularity, environment, length = 65_536, prepare = '' } = options;
	const path = join(temporaryDirectory(tmpfs), 'traced');
	writeFileSync(path, '');
	truncateSync(path, length);
	const code = `
		import { readFileSync } from 'node:fs';
		import * as daxkind from 'daxkind';
		const path = process.argv[1];
		const mapping = daxkind.mapFile(path);
		const maps = readFileSync('/proc/self/maps', 'utf8').split('\\n');
		console.log(Number.parseInt(maps.find((line) => line.endsWith(path)), 16));
		${prepare}
		for (const action of [${actions.map((action) => `() => { ${action} }`)}]) {
			action();
			action();
			process.kill(process.pid, 0);
			action();
			process.kill(process.pid, 0);
		}`;
	const { status, signal, stdout, stderr, output } = spawnSync(
		process.execPath,
		[...nodeFlags, '--input-type=module', '-e', code, path],
		{
			env: { ...pmemEnvironment({ ...forcing(granularity), ...environment }), LD_PRELOAD: library!.program },
			stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
			encoding: 'utf8',
			maxBuffer: 2 ** 28,
		},
	);
	if (status !== 0) throw new Error(`the traced process ended with ${status ?? signal}: ${stderr}`);
	const lines = output[3]!.trim().split('\n');
	if (lines.length !== actions.length) throw new Error(`${lines.length} traces of ${actions.length} actions`);
	return lines.map((line) => eventsOf(line, Number(stdout)));
}

/** The length of a cache line of all x86-64 processors. */
export const lineLength = 64;

/** The cache lines of a range, as the offsets where they begin. */
export function linesOf(offset: number, length: number): number[] {
	if (length === 0) return [];
	const first = Math.floor(offset / lineLength);
	const last = Math.floor((offset + length - 1) / lineLength);
	return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * lineLength);
}

/** How often each thing was done. Things that were never done are absent. */
export function countsOf(events: TracedEvent[]): Partial<Record<TracedEvent['what'], number>> {
	const counts: Partial<Record<TracedEvent['what'], number>> = {};
	for (const { what } of events) counts[what] = (counts[what] ?? 0) + 1;
	return counts;
}

/** The lines that were flushed, in their order, each as often as it was flushed. */
export const flushedLines = (events: TracedEvent[]): number[] =>
	events.filter(({ what }) => (flushes as readonly string[]).includes(what)).flatMap(lineOf);

/** The lines that stores past the caches wrote, in their order, each once for each of its stores. */
export const streamedLines = (events: TracedEvent[]): number[] =>
	events.filter(({ what }) => what === 'stream').flatMap(lineOf);

const lineOf = ({ offset, length }: TracedEvent) => linesOf(offset, Math.min(length, lineLength));
