// The workers of a run. The crew hires them, passes on what they hand to each other, terminates and replaces some, and
// fails the run if one hangs.
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Random } from '../random.mjs';
import { Tally } from './tally.mjs';

const program = new URL('worker.mjs', import.meta.url);

/** Why a run has failed. */
export class StressFailure extends Error {
	name = 'StressFailure';

	constructor(what, report = {}) {
		super(what);
		this.report = report;
	}
}

export class Crew {
	members = [];
	/**
	 * The tallies of all workers that there ever were. `lost` has those of workers that were terminated while they held
	 * blocks.
	 */
	tallies = [];
	lost = [];
	/** Rejects when something is wrong. `fail` makes it reject. */
	failure;
	fail;
	/** Those that have not ended yet. Some were terminated, so they are no members any more. */
	#alive = new Set();
	#options;
	#random;
	#watch;
	#isRunning = false;
	#setting;

	constructor(options) {
		this.#options = options;
		this.#random = new Random(options.seed, 0xc0ffee);
		this.failure = new Promise((_, reject) => {
			this.fail = (what, report) => reject(new StressFailure(what, report));
		});
		// Everything else is awaited in a race with it, so nothing else handles its rejection.
		this.failure.catch(() => {});
		this.#watch = setInterval(() => this.#lookAtAll(), 1000);
		for (let i = 0; i < options.workers; i++) this.#hire();
	}

	count(name) {
		return this.tallies.reduce((total, tally) => total + tally.get(name), 0);
	}

	/** Asks every worker to do something, and waits until all have done it. */
	async ask(type, message = {}) {
		const all = this.members.map((member) => this.#ask(member, { ...message, type }));
		return this.#orFailure(Promise.all(all));
	}

	/** Has all workers join a kind. */
	async open(setting) {
		this.#setting = setting;
		this.lost = [];
		await this.ask('open', setting);
	}

	/** Lets all workers work for a while. Terminates one now and then if `kills` is not 0. */
	async run(milliseconds, kills) {
		this.#isRunning = true;
		for (const member of this.members) this.#start(member);
		const end = performance.now() + milliseconds;
		const pause = milliseconds / (kills + 1);
		for (let kill = 0; kill < kills; kill++) {
			await this.#orFailure(sleep(pause * (0.5 + this.#random.next() / 2 ** 33)));
			await this.#replaceOne();
		}
		await this.#orFailure(sleep(Math.max(0, end - performance.now())));
		this.#isRunning = false;
		await this.ask('stop');
	}

	/** Changes a byte of some block, to see that the run finds it. */
	spoil() {
		this.#random.pick(this.members).worker.postMessage({ type: 'spoil' });
	}

	/**
	 * Terminates all workers, also after a failure.
	 *
	 * @throws StressFailure if one hangs. Then this process cannot exit by itself, because Node waits for its threads.
	 */
	async end() {
		clearInterval(this.#watch);
		this.members = [];
		await this.#terminate([...this.#alive]);
	}

	#hire() {
		const { seed, debug } = this.#options;
		const tally = new Tally();
		const number = this.tallies.push(tally);
		const worker = new Worker(program, { workerData: { seed, number, debug, tally: tally.memory } });
		const member = { number, worker, tally, answers: new Map(), done: -1, since: performance.now() };
		worker.on('message', (message) => this.#hear(member, message));
		worker.on('error', (error) => this.fail('a worker ended with an error', { error: error.stack }));
		this.#alive.add(member);
		worker.on('exit', (status) => {
			this.#alive.delete(member);
			if (this.members.includes(member)) this.fail('a worker has ended', { status, worker: number });
		});
		this.members.push(member);
		return member;
	}

	#start(member) {
		member.since = performance.now();
		member.worker.postMessage({ type: 'run' });
	}

	async #replaceOne() {
		const gone = this.#random.pick(this.members);
		this.members.splice(this.members.indexOf(gone), 1);
		await this.#orFailure(this.#terminate([gone]));
		this.lost.push(gone.tally);
		const member = this.#hire();
		await this.#orFailure(this.#ask(member, { ...this.#setting, type: 'open' }));
		this.#start(member);
	}

	/** A worker may hang while it ends (nodejs/node#54918), or may be in a call that does not return. */
	#terminate(members) {
		const { patience } = this.#options;
		return new Promise((resolve, reject) => {
			const watch = setTimeout(() => {
				const { number, tally } = members.find((member) => this.#alive.has(member));
				const report = { worker: number, operation: tally.running };
				reject(new StressFailure(`a terminated worker has not ended for ${patience} s`, report));
			}, patience * 1000);
			Promise.all(members.map(({ worker }) => worker.terminate())).then(() => {
				clearTimeout(watch);
				resolve();
			});
		});
	}

	#ask(member, message) {
		member.since = performance.now();
		return new Promise((resolve) => {
			member.answers.set(message.type, resolve);
			member.worker.postMessage(message);
		});
	}

	#hear(member, message) {
		if (message.type === 'failure') {
			this.fail(message.what, message.report);
		} else if (message.type === 'answer') {
			member.answers.get(message.to)?.(message.value);
			member.answers.delete(message.to);
		} else {
			this.#passOn(message);
		}
	}

	/** Sends a message to any worker, or a race to two of them. */
	#passOn(message) {
		const all = [...this.members];
		for (let i = message.item.type === 'race' ? 2 : 1; i > 0; i--) {
			const at = this.#random.below(all.length);
			all[at]?.worker.postMessage(message);
			if (all.length > 1) all.splice(at, 1);
		}
	}

	#lookAtAll() {
		const { patience } = this.#options;
		for (const member of this.members) {
			const { tally, answers, number } = member;
			const done = tally.get('done');
			if (done !== member.done || !(this.#isRunning || answers.size > 0)) {
				Object.assign(member, { done, since: performance.now() });
			} else if (performance.now() - member.since > patience * 1000) {
				const waitedFor = [...answers.keys()].join(', ');
				const report = { worker: number, operation: tally.running, waitedFor, 'operations done': done };
				this.fail(`a worker has done nothing for ${patience} s`, report);
			}
		}
	}

	#orFailure(promise) {
		return Promise.race([promise, this.failure]);
	}
}
