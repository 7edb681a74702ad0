// Shares directories of the host with a guest. Each directory has a virtiofsd, and QEMU talks to it over a socket in a
// private directory.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { daxkindError } from '../errors.ts';
import { spawnGuarded } from './guarded.ts';
import { execute } from './process.ts';

/** Directories that QEMU can share with its guest. */
export interface Sharing {
	/** The sockets for QEMU, in the directories' order. */
	sockets: readonly string[];
	/** Rejects with the message of a virtiofsd that fails. */
	broken: Promise<never>;
	/**
	 * Call it after QEMU has ended. It leaves no process and no file. Returns the error of a virtiofsd that had failed
	 * before.
	 */
	stop(): Promise<Error | undefined>;
}

/** A virtiofsd listens after about ten ms. It may take longer on a busy machine. */
const LISTENS_WITHIN_MS = 10_000;
/** How long a virtiofsd may take to see that QEMU is gone, and to write what it still has. */
const ENDS_WITHIN_MS = 2000;
/** The most bytes of the directory's path: a socket's path (sun_path) must also hold the names that are made here. */
const MAX_DIRECTORY = 107 - '/daxkind-virtiofs-XXXXXX/00'.length;

/** How many of the last characters of a virtiofsd's messages are kept. */
const WORDS = 2000;

/**
 * Removes files when this process ends, because `cat` reads to the end of its input then. The shell has a session of
 * its own, so that Ctrl-C does not reach it.
 */
const removeAtTheEnd = 'cat; exec rm -rf -- "$@"';

/**
 * The arguments of QEMU's own virtiofsd (in C, until QEMU 7.2). It reads options as FUSE does: separated by commas,
 * escaped by backslashes.
 */
const argumentsInC = (socket: string, directory: string) => [
	...['-o', `source=${directory.replace(/[\\,]/g, '\\$&')}`, '-o', 'log_level=err'],
	`--socket-path=${socket}`,
	'--rlimit-nofile=0',
];

/** The arguments of its successor (in Rust). */
const argumentsInRust = (socket: string, directory: string) => [
	...['--shared-dir', directory, '--log-level', 'error', '--socket-path', socket],
	'--rlimit-nofile=0', // raising the limit needs a privilege that root in a container may lack
];

/** A file that the virtiofsd in C leaves behind and nobody else uses. */
const lockOf = (socket: string) => `/run/virtiofsd/${socket.replaceAll('/', '.')}.pid`;

/** How this virtiofsd takes its arguments: as the one in C, or as the one in Rust. */
async function argumentsFor(virtiofsd: string) {
	const { stdout, stderr } = await execute(virtiofsd, ['--help']);
	return `${stdout}${stderr}`.includes('--shared-dir') ? argumentsInRust : argumentsInC;
}

interface Daemon {
	kill(): void;
	/** Undefined while it runs, and after it has ended well. It ends well when QEMU has gone. */
	failure: Error | undefined;
	ended: Promise<void>;
}

function startDaemon(setpriv: string, virtiofsd: string, args: readonly string[], directory: string): Daemon {
	const child = spawnGuarded(setpriv, virtiofsd, args, ['ignore', 'ignore', 'pipe']);
	let words = '';
	child.stderr!.setEncoding('utf8').on('data', (text: string) => {
		words = (words + text).slice(-WORDS);
	});
	const daemon: Daemon = {
		kill: () => child.kill('SIGKILL'),
		failure: undefined,
		ended: new Promise((resolve) => {
			child.once('error', (error) => {
				words += error.message;
			});
			child.once('close', (code, killer) => {
				if (code !== 0 && !child.killed) {
					const who = process.getuid?.() === 0 ? 'virtiofsd' : 'virtiofsd (which may need root)';
					const how = `${killer ?? `status ${code}`}${words === '' ? '' : `:\n  ${words.trim().replaceAll('\n', '\n  ')}`}`;
					daemon.failure = failed(`${who} failed to share ${directory}: it ended with ${how}`);
				}
				resolve();
			});
		}),
	};
	return daemon;
}

const failed = (message: string) => daxkindError('ERR_DAXKIND_VM_FAILED', message);

/** Waits until a daemon has made its socket. */
async function listening(daemon: Daemon, socket: string, signal: AbortSignal): Promise<void> {
	let isRunning = true;
	void daemon.ended.then(() => {
		isRunning = false;
	});
	const deadline = Date.now() + LISTENS_WITHIN_MS;
	while (!existsSync(socket) && !signal.aborted) {
		if (daemon.failure) throw daemon.failure;
		if (!isRunning || Date.now() > deadline) throw failed('virtiofsd does not listen, and gave no reason');
		await sleep(5);
	}
}

/**
 * Starts to share directories.
 *
 * @param programs Paths of virtiofsd and setpriv, by name.
 * @throws ERR_DAXKIND_VM_FAILED with virtiofsd's message, when it refuses at once.
 */
export async function startSharing(
	directories: readonly string[],
	programs: ReadonlyMap<string, string>,
	signal: AbortSignal,
): Promise<Sharing> {
	if (directories.length === 0) return { sockets: [], broken: new Promise(() => {}), stop: async () => undefined };
	const virtiofsd = programs.get('virtiofsd')!;
	const setpriv = programs.get('setpriv')!;
	const makeArguments = await argumentsFor(virtiofsd);
	const base = Buffer.byteLength(tmpdir()) > MAX_DIRECTORY ? '/tmp' : tmpdir();
	const place = mkdtempSync(join(base, 'daxkind-virtiofs-'));
	const sockets = directories.map((_, n) => join(place, String(n)));
	const remover = spawn('/bin/sh', ['-c', removeAtTheEnd, 'sh', place, ...sockets.map(lockOf)], {
		detached: true,
		stdio: ['pipe', 'ignore', 'ignore'],
	});
	remover.stdin.on('error', () => {});
	const removed = new Promise((resolve) => remover.once('close', resolve).once('error', resolve));
	const daemons = sockets.map((socket, n) =>
		startDaemon(setpriv, virtiofsd, makeArguments(socket, directories[n]!), directories[n]!),
	);
	const failure = () => daemons.find((daemon) => daemon.failure)?.failure;
	const stop = async () => {
		const all = Promise.all(daemons.map(({ ended }) => ended));
		await Promise.race([all, sleep(ENDS_WITHIN_MS, undefined, { ref: false })]);
		const found = failure();
		for (const daemon of daemons) daemon.kill();
		await all;
		remover.stdin.end();
		await removed;
		return found;
	};
	try {
		await Promise.all(daemons.map((daemon, n) => listening(daemon, sockets[n]!, signal)));
	} catch (error) {
		for (const daemon of daemons) daemon.kill();
		await stop();
		throw error;
	}
	const broken = new Promise<never>((_, reject) => {
		for (const daemon of daemons) void daemon.ended.then(() => daemon.failure && reject(daemon.failure));
	});
	broken.catch(() => {}); // stop() reports the failure, too
	return { sockets, broken, stop };
}
