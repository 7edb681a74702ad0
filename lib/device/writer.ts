// Writes to sysfs that may take seconds, or for ever. Taking memory offline waits until nobody has a page of it pinned,
// and only a signal ends the wait. So another process makes the calls, one at a time. Neither the event loop nor Node's
// pool of threads waits for them.
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { systemError } from '../errors.ts';
import { machine } from '../tree.ts';
import type { Kernel, WriteOptions } from './kernel.ts';

export interface Order {
	path: string;
	text: string;
}

export interface Answer {
	errno?: number;
	syscall?: string;
}

const ETIMEDOUT = -110;
const EPIPE = -32;

/** The kernel of this machine. */
export class Writer implements Kernel {
	#child: ChildProcess | undefined;

	#start(): ChildProcess {
		if (this.#child !== undefined) return this.#child;
		// A bundle has no such file. It cannot have the addon either.
		const program = fileURLToPath(new URL('./writer-process.js', import.meta.url));
		// The child gets no options of this process, such as a debugger or a loader.
		const env = { ...process.env, NODE_OPTIONS: '' };
		// The child has a session of its own, so that Ctrl-C reaches only this process. This process may have things to put
		// back then, and needs the child for it.
		const child = fork(program, {
			execArgv: [],
			env,
			stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
			detached: true,
		});
		child.once('exit', () => {
			if (this.#child === child) this.#child = undefined;
		});
		this.#child = child;
		return child;
	}

	async write(path: string, text: string, { signal, limitMs }: WriteOptions = {}): Promise<void> {
		signal?.throwIfAborted();
		const child = this.#start();
		let stop: (reason: unknown) => void = () => {};
		const stopped = new Promise<never>((_, reject) => {
			stop = reject;
		});
		const answered = new Promise<Answer>((resolve, reject) => {
			const ended = () => reject(systemError(EPIPE, 'write', path, 'the process that writes has ended'));
			child.once('exit', ended);
			child.once('error', reject);
			child.once('message', (answer) => {
				child.off('exit', ended);
				child.off('error', reject);
				resolve(answer as Answer);
			});
		});
		const abort = () => stop(signal!.reason);
		signal?.addEventListener('abort', abort, { once: true });
		const timer =
			limitMs === undefined
				? undefined
				: setTimeout(() => stop(systemError(ETIMEDOUT, 'write', path, `not done within ${limitMs / 1000} s`)), limitMs);
		try {
			child.send({ path, text } satisfies Order);
			const { errno, syscall = 'write' } = await Promise.race([answered, stopped]);
			if (errno !== undefined) throw systemError(errno, syscall, path);
		} catch (error) {
			answered.catch(() => {});
			if (error === signal?.reason || (error as NodeJS.ErrnoException).code === 'ETIMEDOUT') await this.#kill();
			throw error;
		} finally {
			clearTimeout(timer);
			signal?.removeEventListener('abort', abort);
		}
	}

	/** Ends the process, and with it the write that it makes. */
	async #kill(): Promise<void> {
		const child = this.#child;
		this.#child = undefined;
		if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
		const gone = new Promise((resolve) => child.once('exit', resolve));
		child.kill('SIGKILL');
		await gone;
	}

	loadModule(name: string): Promise<string> {
		const modprobe = machine.read('/proc/sys/kernel/modprobe').value || '/sbin/modprobe';
		return new Promise((resolve) => {
			execFile(modprobe, [name], (error, _, stderr) => resolve(error === null ? '' : stderr.trim() || error.message));
		});
	}

	/** Ends the process, which is not needed any more. */
	close(): Promise<void> {
		return this.#kill();
	}
}
