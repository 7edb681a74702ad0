// The part of scripts/crash.mjs that runs in the guest: opens the log on the device, checks every record, and appends and
// truncates until the guest is killed. It says what it does on standard output, a line each: `mounting`, `opened FIRST NEXT
// AGE SCANNED TORN`, `appended FIRST NEXT AGE`, `truncating FIRST NEXT AGE` (what is left; it waits for a byte of standard
// input then), `truncated FIRST NEXT AGE`. FIRST is the number of the first record, NEXT that of the next one, and AGE that
// of the last record of an opened log, else that of records that come next.
//
// node guest.mjs FS DEVICE ROUND NEXT
import { execFileSync } from 'node:child_process';
import { mkdirSync, readSync, writeSync } from 'node:fs';
import { PmemLog } from 'daxkind/persist';
import { Random } from '../random.mjs';

const [, , fs, device, round, start] = process.argv;
const mount = '/mnt/crash';
const random = new Random(Number(round));

/** Each line ends with a full stop, so that the host knows the one that the kill has cut off. */
const say = (...words) => writeSync(1, `${words.join(' ')} .\n`);
const pause = new Int32Array(new SharedArrayBuffer(4));
/** Says it, and waits until the host has heard it. A line that is on its way when the guest is killed is lost. */
const announce = (...words) => {
	say(...words);
	for (;;) {
		try {
			return readSync(0, Buffer.alloc(1));
		} catch (error) {
			if (error.code !== 'EAGAIN') throw error;
			Atomics.wait(pause, 0, 0, 5);
		}
	}
};
const run = (program, ...args) => execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });

/** Makes the namespace and the file system in the first round, and mounts it. */
function prepare() {
	mkdirSync(mount, { recursive: true });
	if (round === '0') {
		run('ndctl', 'create-namespace', '--force', '--reconfig=namespace0.0', '--mode=fsdax');
		run(...(fs === 'xfs' ? ['mkfs.xfs', '-q', '-f'] : ['mkfs.ext4', '-q', '-F', '-b', '4096']), device);
	}
	run('mount', '-o', 'dax=always', device, mount);
	if (round === '0') run('sync');
}

/**
 * The data of a record: its number, its age, and bytes that follow from both. The age grows with each truncation and each
 * round, so an old record that comes back has an age that is too low.
 */
function dataOf(number, age) {
	const content = new Random(number, age);
	const data = Buffer.alloc(16 + content.pick([0, 8, 40, 56, 200, 1000, 4080, 4200, 9000]), content.below(256));
	data.writeDoubleLE(number, 0);
	data.writeDoubleLE(age, 8);
	return data;
}

/** Checks that the records are consecutive and as they were written. Gives the numbers of the first and the next one. */
function check(log) {
	let [first, next, age] = [Number(start), Number(start), 0];
	let isFirst = true;
	for (const { data, position } of log.iterate()) {
		const [number, itsAge] = [data.readDoubleLE(0), data.readDoubleLE(8)];
		if (isFirst) [first, next, isFirst] = [number, number, false];
		if (number !== next || itsAge < age || !data.equals(dataOf(number, itsAge))) {
			throw new Error(
				`the record at byte ${position} is number ${number} of age ${itsAge}, after ${next - 1} of ${age}`,
			);
		}
		next++;
		age = itsAge;
	}
	return { first, next, last: age };
}

say('mounting');
prepare();
const log = PmemLog.open(`${mount}/log`, { size: 2 * 2 ** 20, granularity: 'cache-line' });
let { first, next, last } = check(log);
const { scanned, torn } = log.recovery;
say('opened', first, next, last, scanned, torn ? 'torn' : 'whole');
let age = Number(round) * 2 ** 20;
const positions = [];
for (;;) {
	try {
		const count = 1 + random.below(4);
		const records = Array.from({ length: count }, (_, index) => dataOf(next + index, age));
		positions.push(...(count === 1 ? [log.append(records[0])] : log.appendAll(records)));
		next += count;
		say('appended', first, next, age);
		if (!random.chance(0.02)) continue;
		// The last records of this round.
		const kept = random.below(positions.length);
		announce('truncating', first, next - positions.length + kept, age + 1);
		log.truncate(positions[kept]);
		next -= positions.length - kept;
		positions.length = kept;
	} catch (error) {
		if (error.code !== 'ERR_DAXKIND_LOG_FULL') throw error;
		announce('truncating', next, next, age + 1);
		log.truncate();
		first = next;
		positions.length = 0;
	}
	age++;
	say('truncated', first, next, age);
}
