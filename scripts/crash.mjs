// npm run crash: kills guests at random moments while they write a log (daxkind/persist) on an nvdimm whose memory is a
// file, and opens the log again in the next guest. `--rounds N` (default 100) kills; `--fs ext4` or `xfs` (default: both,
// at the same time). Exit status 0 if every log was whole every time.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { bootstrap } from './bootstrap.mjs';
import { Random } from './random.mjs';
import { main, StepError } from './steps.mjs';

/** A guest that has not opened the log after so long has failed. */
const limitMs = 300_000;
/** How long after the opening of the log the guest is killed, at most. */
const latestMs = 4000;
/** How long after the mount has begun, if it is killed before. */
const earlyMs = 2000;

/** The processes of `daxkind vm` that run now. */
const running = new Set();

/** QEMU below a process of `daxkind vm`. */
function childOf(pid) {
	try {
		const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
		return children.find((child) => readFileSync(`/proc/${child}/comm`, 'utf8').startsWith('qemu'));
	} catch {
		// It has ended in the meantime.
		return undefined;
	}
}

/**
 * What the host knows of a log. `first` is the number of the first record, `next` that of the next one, and `age` what the
 * records behind `next` have at least.
 */
class Expected {
	/** What the guest has told to be there. */
	told = { first: 0, next: 0, age: 0 };
	/** What a truncation leaves that may have happened, or not. */
	truncating;

	/** The number of the next record, if the log is empty. */
	get start() {
		return (this.truncating ?? this.told).next;
	}

	note(word, log) {
		if (word === 'truncating') this.truncating = log;
		else [this.told, this.truncating] = [log, undefined];
	}

	/**
	 * Why the log that was found is not one that may be there. Undefined if it is. More records than told may be there, but
	 * none that were truncated.
	 */
	objection(found) {
		const allowed = [this.told, ...(this.truncating ? [this.truncating] : [])];
		const isAllowed = ({ first, next, age }) =>
			found.first === first && (found.next === next || (found.next > next && found.age >= age));
		if (allowed.some(isAllowed)) return undefined;
		return `the log is ${JSON.stringify(found)}, and not one of ${JSON.stringify(allowed)}`;
	}
}

/** One guest, from its boot to its death. */
async function round(number, { fs, file, expected, random }) {
	const vm = ['dist/cli/main.js', 'vm', '--no-pmem', '--memory', '512M', '--nvdimm', '384M', '--nvdimm-file', file];
	const guest = ['scripts/crash/guest.mjs', fs, '/dev/pmem0', number, expected.start].map(String);
	const command = [...vm, '--', process.execPath, ...guest];
	const child = spawn(process.execPath, command, { stdio: ['pipe', 'pipe', 'pipe'] });
	running.add(child);
	// It may be dead when it is written to.
	child.stdin.on('error', () => {});
	let errors = '';
	child.stderr.setEncoding('utf8').on('data', (text) => {
		errors += text;
	});
	const ended = new Promise((resolve) => child.once('close', resolve));
	let isKilled = false;
	const kill = () => {
		const qemu = childOf(child.pid);
		if (qemu === undefined) return;
		isKilled = true;
		process.kill(Number(qemu), 'SIGKILL');
	};
	const limit = setTimeout(kill, limitMs);
	// In one round of eight the guest is killed at a moment when it mounts, recovers or opens.
	const isEarly = number > 0 && random.chance(1 / 8);
	let found;
	let timer;
	for await (const line of createInterface({ input: child.stdout })) {
		if (!line.endsWith(' .')) continue;
		const [word, ...words] = line.split(' ');
		const [first, next, age, scanned] = words.map(Number);
		const log = { first, next, age };
		if (word === 'mounting') {
			if (isEarly) timer = setTimeout(kill, random.below(earlyMs));
			continue;
		}
		if (word === 'opened') {
			const objection = expected.objection(log);
			if (objection !== undefined) throw new StepError(`round ${number} on ${fs}: ${objection}`);
			found = { records: next - first, scanned, torn: words[4] === 'torn' };
			timer ??= setTimeout(kill, random.below(latestMs));
		}
		expected.note(word, log);
		if (word === 'truncating') child.stdin.write('.');
	}
	clearTimeout(limit);
	clearTimeout(timer);
	await ended;
	running.delete(child);
	// A guest that ends by itself has found something wrong.
	if (!isKilled || (found === undefined && !isEarly))
		throw new StepError(`round ${number} on ${fs}: the guest failed\n${errors}`);
	return found;
}

/** Kills guests on one file system, and prints what was found. */
async function kills(fs, { rounds, seed, directory }) {
	const random = new Random(seed, fs.length);
	const expected = new Expected();
	const sums = { openings: 0, records: 0, scanned: 0, torn: 0, early: 0 };
	// The last guest only opens what the one before has left.
	for (let number = 0; number <= rounds; number++) {
		const found = await round(number, { fs, file: join(directory, fs), expected, random });
		if (found === undefined) sums.early++;
		else {
			sums.openings++;
			sums.records += found.records;
			sums.scanned = Math.max(sums.scanned, found.scanned);
			sums.torn += found.torn ? 1 : 0;
		}
		if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${fs}: ${number} of ${rounds} kills`);
	}
	const { openings, records, scanned, torn, early } = sums;
	console.log(
		`${fs}: ${rounds} kills, ${early} of them before the log was open; ${openings} openings found all records, ${records} together; ${torn} with a torn append; at most ${scanned} bytes scanned`,
	);
}

await main(async (args) => {
	const options = { rounds: { type: 'string' }, fs: { type: 'string' }, seed: { type: 'string' } };
	const { values } = parseArgs({ args, options });
	const rounds = Number(values.rounds ?? 100);
	const seed = Number(values.seed ?? Date.now() % 1e6);
	if (!(rounds > 0) || !Number.isInteger(seed)) throw new StepError('--rounds and --seed take numbers');
	const obstacle = await bootstrap({ vm: true });
	if (obstacle) throw new StepError(obstacle);
	const directory = mkdtempSync(join(tmpdir(), 'daxkind-crash-'));
	const systems = values.fs === undefined ? ['ext4', 'xfs'] : [values.fs];
	process.once('exit', () => {
		for (const child of running) child.kill();
		rmSync(directory, { recursive: true, force: true });
	});
	try {
		await Promise.all(systems.map((fs) => kills(fs, { rounds, seed, directory })));
	} catch (error) {
		console.error(`${error.message}\nRepeat with: npm run crash -- --seed ${seed}`);
		// The other file system's guests would go on.
		process.exit(1);
	}
});
