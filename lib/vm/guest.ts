// Runs one QEMU process and talks to its guest: sends the job and the input, passes the output on, and learns how the
// guest ended.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { KIB } from '../size.ts';
import { deathInConsole } from './console.ts';
import { spawnGuarded } from './guarded.ts';
import { type PortName, portDescriptor, portNames } from './ports.ts';
import { TrailerFilter } from './trailer.ts';

/** How a guest's run ended. */
export type Ending =
	/** The command's exit status, and whether the kernel killed a process because memory had run out. */
	| { kind: 'exit'; status: number; outOfMemory: boolean }
	/** A probe was answered: KVM works. */
	| { kind: 'probe' }
	/** The guest could not do its job, and says why. */
	| { kind: 'failure'; reason: string }
	/** QEMU or the guest ended before the command did. `alive` says whether the guest's /init ever ran. */
	| { kind: 'death'; alive: boolean; reason: string }
	/** Killed from outside. */
	| { kind: 'stopped' };

/** The size of a terminal in characters, and an event when it changes. `process.stdout` is one if it is a terminal. */
export interface Terminal {
	readonly columns: number;
	readonly rows: number;
	on(event: 'resize', listener: () => void): unknown;
	off(event: 'resize', listener: () => void): unknown;
}

export interface GuestOptions {
	qemu: string;
	args: readonly string[];
	setpriv: string;
	/** The script that the guest runs; see job.ts. */
	job: Uint8Array;
	trailer: string;
	stdin?: Readable | undefined;
	stdout?: Writable | undefined;
	stderr?: Writable | undefined;
	/** The command gets a terminal. It has the size of this one, and follows its changes. */
	terminal?: Terminal | undefined;
	/** Called when the command starts. */
	onStart?: (() => void) | undefined;
	/** Gets the guest's console as it is written. */
	console?: Writable | undefined;
	/** Ends the guest at once. */
	signal?: AbortSignal | undefined;
	/** Rejects when something that the guest depends on is gone. */
	foundation?: Promise<never> | undefined;
	/** How long the guest's /init may take to answer. Absent: without limit. */
	aliveWithinMs?: number | undefined;
}

/** Bytes of the console that are kept for an error message. */
const CONSOLE_TAIL = 16 * KIB;

function startQemu({ qemu, args, setpriv }: GuestOptions): ChildProcess {
	// Node's pipes are socket pairs, so the ports need no sockets in the file system.
	return spawnGuarded(setpriv, qemu, args, ['ignore', 'pipe', 'pipe', ...portNames.map(() => 'pipe' as const)]);
}

/** Passes a guest's output on until its trailer. Returns whether the trailer came, and so all of the output. */
async function relay(port: Socket, destination: Writable | undefined, trailer: string): Promise<boolean> {
	const filter = new TrailerFilter(trailer);
	port.pipe(filter);
	port.once('close', () => filter.end()); // pipe() does not end the filter when a port breaks
	for await (const chunk of filter) {
		if (destination && !destination.write(chunk)) await once(destination, 'drain');
	}
	return filter.complete;
}

/**
 * Boots a guest, and ends it as soon as the guest has said how its job ended. No QEMU process is left when the promise
 * settles.
 */
export async function runGuest(options: GuestOptions): Promise<Ending> {
	const { job, trailer, stdin, stdout, stderr, signal } = options;
	if (signal?.aborted) return { kind: 'stopped' };
	const child = startQemu(options);
	const port = (name: PortName): Socket => child.stdio[portDescriptor(name) as 3] as Socket;
	for (const name of portNames) port(name).on('error', () => {}); // how QEMU ends tells enough
	const closed = new Promise<string>((resolve) => {
		child.once('error', (error) => resolve(error.message));
		child.once('close', (code, killer) => resolve(`QEMU ended with ${killer ?? `status ${code}`}`));
	});

	let log = '';
	const keep = (chunk: Buffer) => {
		log = (log + chunk.toString('latin1')).slice(-CONSOLE_TAIL);
		options.console?.write(chunk);
	};
	child.stdout!.on('data', keep);
	child.stderr!.on('data', keep);

	// The input is sent only once the guest lives. A guest that never lived would have taken input that the next guest
	// needs.
	const feed = () => {
		if (stdin) stdin.on('error', () => port('stdin').end()).pipe(port('stdin'));
		else port('stdin').end();
	};
	let alive = false;
	const answer = new Promise<Ending>((resolve) => {
		const decoder = new StringDecoder();
		let pending = '';
		port('status').on('data', (chunk: Buffer) => {
			const records = (pending + decoder.write(chunk)).split('\0');
			pending = records.pop()!;
			for (const record of records) {
				if (record === 'hello') {
					alive = true;
					feed();
				} else if (record === 'start') options.onStart?.();
				else if (record === 'probe') resolve({ kind: 'probe' });
				else if (record.startsWith('fail ')) resolve({ kind: 'failure', reason: record.slice(5).trim() });
				else if (record.startsWith('exit ')) {
					resolve({
						kind: 'exit',
						status: Number(record.slice(5)),
						outOfMemory: log.includes('Out of memory: Killed'),
					});
				}
			}
		});
	});
	const death = closed.then(
		(reason): Ending => ({ kind: 'death', alive, reason: `${reason}\n  ${deathInConsole(log)}`.trim() }),
	);
	const stopped = new Promise<Ending>((resolve) => {
		signal?.addEventListener('abort', () => resolve({ kind: 'stopped' }), { once: true });
	});
	let watchdog: NodeJS.Timeout | undefined;
	const mute = new Promise<Ending>((resolve) => {
		if (options.aliveWithinMs === undefined) return;
		const say = () =>
			alive || resolve({ kind: 'death', alive, reason: `no answer within ${options.aliveWithinMs} ms` });
		watchdog = setTimeout(say, options.aliveWithinMs);
	});

	const { terminal } = options;
	const resize = () => port('size').write(`${terminal!.rows} ${terminal!.columns}\n`);
	terminal?.on('resize', resize);
	port('job').end(job);
	const output = Promise.all([relay(port('stdout'), stdout, trailer), relay(port('stderr'), stderr, trailer)]);
	const unread = output.then(
		() => new Promise<never>(() => {}),
		(error: unknown) => Promise.reject(error),
	);
	unread.catch(() => {});

	try {
		const ending = await Promise.race([
			answer,
			death,
			stopped,
			mute,
			unread,
			...(options.foundation ? [options.foundation] : []),
		]);
		// The status comes after all output was sent. Wait for output that is still on its way through the sockets.
		if (ending.kind === 'exit') await Promise.race([output, stopped, closed]);
		return signal?.aborted ? { kind: 'stopped' } : ending;
	} finally {
		clearTimeout(watchdog);
		terminal?.off('resize', resize);
		stdin?.unpipe(port('stdin'));
		child.kill('SIGKILL');
		await closed;
		// An abort ends this wait: the reader of the output may be what hangs.
		await Promise.race([output.catch(() => {}), stopped]);
	}
}
