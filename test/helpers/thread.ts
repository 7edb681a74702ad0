// Worker threads that do what a test tells them, one task after the other.
import { Worker } from 'node:worker_threads';
import type * as daxkind from 'daxkind';
import { onTestFinished } from 'vitest';

/** What the tasks of a thread find, and what they leave for the next task. */
export interface Scope {
	daxkind: typeof daxkind;
	kind: daxkind.Kind;
	blocks: daxkind.Block[];
	handles: daxkind.RawHandle[];
}

const source = `
const { parentPort } = require('node:worker_threads');
const scope = { daxkind: require('daxkind'), kind: undefined, blocks: [], handles: [] };
parentPort.on('message', async ({ number, task, argument }) => {
	if (task === undefined) return parentPort.close();
	try {
		parentPort.postMessage({ number, value: await new Function('return ' + task)()(scope, argument) });
	} catch (error) {
		parentPort.postMessage({ number, error: { name: error.name, message: error.message, code: error.code } });
	}
});`;

/** What a task returned or threw. */
interface Answer {
	/** The number of the task. */
	number: number;
	value: unknown;
	error?: Error;
}

/** An error of the thread as one of this thread. */
const thrown = (error: Error) => Object.assign(new Error(error.message), error);

export class Thread {
	readonly #worker = new Worker(source, { eval: true });
	/** How many tasks there were. */
	#tasks = 0;
	/** What waits for the answer of a task, by the number of the task. */
	readonly #waiting = new Map<number, (answer: Answer) => void>();
	/** Resolved when the thread has ended, with the way in which it ended. */
	readonly #over = new Promise<string>((resolve) => {
		this.#worker.once('error', (error) => resolve(`by an error: ${error.stack}`));
		this.#worker.once('exit', (status) => resolve(`with status ${status}`));
	});

	private constructor() {
		this.#worker.on('message', (answer: Answer) => {
			const receive = this.#waiting.get(answer.number);
			this.#waiting.delete(answer.number);
			if (receive !== undefined) receive(answer);
			else if (answer.error !== undefined) throw thrown(answer.error);
		});
	}

	/**
	 * Starts a thread, which ends with the test at the latest. If a shared kind is given, the thread's `kind` is
	 * attached to it.
	 */
	static async start(shared?: daxkind.SharedKind): Promise<Thread> {
		const thread = new Thread();
		onTestFinished(() => thread.terminate());
		await thread.run((scope, shared) => {
			if (shared !== undefined) scope.kind = scope.daxkind.Kind.attach(shared);
		}, shared);
		return thread;
	}

	/**
	 * Has the thread call a function, which can use only its two arguments. An error that it throws comes back with its
	 * code.
	 *
	 * @throws An error if the thread ends before the function does.
	 */
	async run<Argument, Result>(
		task: (scope: Scope, argument: Argument) => Result | Promise<Result>,
		argument: Argument,
	): Promise<Result> {
		const answer = new Promise<Answer>((resolve) => this.#waiting.set(this.#tasks, resolve));
		const ended = this.#over.then((how) => {
			throw new Error(`The thread has ended ${how}`);
		});
		this.start(task, argument);
		const { value, error } = await Promise.race([answer, ended]);
		if (error !== undefined) throw thrown(error);
		return value as Result;
	}

	/**
	 * Starts a task that does not end, or whose end nobody waits for. An error that it throws is an uncaught exception,
	 * so the run fails.
	 */
	start<Argument>(task: (scope: Scope, argument: Argument) => unknown, argument: Argument): void {
		this.#worker.postMessage({ number: this.#tasks++, task: String(task), argument });
	}

	/** Lets the thread end by itself, and waits until it has. */
	async end(): Promise<void> {
		this.#worker.postMessage({});
		await this.#over;
	}

	async terminate(): Promise<void> {
		await this.#worker.terminate();
	}
}
