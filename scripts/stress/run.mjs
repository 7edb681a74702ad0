// One stress run: opens one kind after the other, has the crew work on each, and checks what is left at its end.
import { readdirSync, readlinkSync } from 'node:fs';
import { Crew, StressFailure } from './crew.mjs';
import { baseOf, checkEmptied, checkWhole, openKind, sorts } from './kinds.mjs';
import { operations } from './tally.mjs';

/** Seconds on one kind. */
const kindSeconds = 60;
/** A terminated worker may have been in the middle of something: so many blocks more or less. */
const slack = 2;

export class Run {
	crew;
	kinds = [];
	killed = 0;
	#options;
	#spoils;

	constructor(options) {
		this.#options = options;
		this.#spoils = options.spoil;
		this.crew = new Crew(options);
	}

	/** @throws StressFailure */
	async toTheEnd() {
		const { seconds, directories } = this.#options;
		const count = Math.max(sorts.length, directories.length, Math.round(seconds / kindSeconds));
		try {
			for (let i = 0; i < count; i++) {
				const sort = sorts[i % sorts.length];
				await this.#workOn(sort, directories[i % directories.length], (seconds / count) * 1000);
			}
		} finally {
			await this.crew.end();
		}
		for (const directory of directories) checkDescriptors(directory);
	}

	async #workOn(sort, directory, milliseconds) {
		const { crew } = this;
		const { kind, dax, release } = openKind(sort, directory, this.#options);
		const { workers } = this.#options;
		const setting = { shared: kind.share(), base: baseOf(directory, kind.capacity), directory, workers };
		this.kinds.push({ sort, directory, dax });
		const before = this.#counts();
		await crew.open(setting);
		if (this.#spoils) setTimeout(() => crew.spoil(), milliseconds / 4);

		// Nobody is terminated: the books are exact.
		await crew.run(milliseconds / 2, 0);
		await crew.ask('drain');
		await checkEmptied(kind, crew, { least: 0, most: 0 });
		this.#checkHandovers(before);
		await checkWhole(kind, crew, sort);

		// Workers are terminated: what they have shared, or was on its way to them, stays.
		const kills = Math.max(1, Math.round(milliseconds / 2000));
		await crew.run(milliseconds / 2, kills);
		await crew.ask('drain');
		this.killed += crew.lost.length;
		const leaked = this.#leaked(before);
		await checkEmptied(kind, crew, leaked);
		await this.#close(kind, leaked.least);
		release();
	}

	/** The last one to close hears what is left. */
	async #close(kind, least) {
		const isFirst = this.kinds.length % 2 === 0;
		const { blocks } = kind.stats();
		const reports = isFirst ? [kind.close()] : [];
		reports.push(...(await this.crew.ask('close')));
		if (!isFirst) reports.push(kind.close());
		const left = reports.filter((report) => report !== undefined);
		// The garbage collector may have freed some more.
		const told = left[0]?.blocks ?? 0;
		if (left.length > 1 || told < least || told > blocks) {
			throw new StressFailure('the leak report is wrong', { least, blocks, reports: left });
		}
	}

	#counts() {
		const counts = {};
		for (const name of ['sent', 'received', 'race begun', 'race won', 'race lost'])
			counts[name] = this.crew.count(name);
		return counts;
	}

	#since(before) {
		const counts = this.#counts();
		for (const name of Object.keys(counts)) counts[name] -= before[name];
		return counts;
	}

	/** Each block that was sent has arrived; each race has one winner and one loser. */
	#checkHandovers(before) {
		const counts = this.#since(before);
		const isRight =
			counts.sent === counts.received &&
			counts['race begun'] === counts['race won'] &&
			counts['race begun'] === counts['race lost'];
		if (!isRight) throw new StressFailure('blocks that changed hands do not add up', counts);
	}

	/** Blocks that nobody will free. */
	#leaked(before) {
		const { crew } = this;
		const alive = crew.members.filter(({ tally }) => tally.get('live') !== 0);
		if (alive.length > 0) throw new StressFailure('a worker that has freed everything still holds blocks');
		const { sent, received, ...races } = this.#since(before);
		if (received > sent || races['race won'] > races['race begun']) {
			throw new StressFailure('more blocks have arrived than were sent', { sent, received, ...races });
		}
		const expected = crew.lost.reduce((total, tally) => total + tally.get('shared'), 0) + sent - received;
		const range = slack * crew.lost.length;
		return { least: Math.max(0, expected - range), most: expected + range };
	}

	/** What was done, for the summary. */
	get counts() {
		const { crew } = this;
		return {
			operations: Object.fromEntries(operations.map((name) => [name, crew.count(name)])),
			done: crew.count('done'),
			outOfMemory: crew.count('out of memory'),
			checked: crew.count('checked'),
			killed: this.killed,
		};
	}
}

/** No file of a kind is left open. */
function checkDescriptors(directory) {
	const links = readdirSync('/proc/self/fd').map((name) => {
		try {
			return readlinkSync(`/proc/self/fd/${name}`);
		} catch {
			return '';
		}
	});
	const left = links.filter((link) => link.startsWith(`${directory}/`) && link.endsWith(' (deleted)'));
	if (left.length > 0) throw new StressFailure('files of closed kinds are still open', { left });
}
