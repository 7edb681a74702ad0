// The command line of the stress run.
import { parseArgs } from 'node:util';
import { parseSize, UsageError } from '../arguments.mjs';

export const usage = `Usage: npm run stress -- [options]

Workers share kinds and do random operations of all sorts on them; the content of every block is checked before it is
freed, reallocated or handed to another worker. Ends with a summary, or with a report of the first thing that is wrong.

  --seconds N      how long (default: 600)
  --workers N      how many threads (default: 4)
  --seed N         repeats the same choices, as far as threads allow (default: a new one)
  --directory DIR  where the kinds keep their memory; repeatable, then they take turns (default: $DAXKIND_MOUNTS, else
                   /dev/shm)
  --size BYTES     size of each kind, with k, m or g (default: 256M)
  --debug          kinds in debug mode
  --vm             on ext4 and xfs with DAX, in the VM
  --require-dax    fail where the memory is not on DAX
  --patience N     after how many seconds without an operation a worker is taken to hang (default: 60)
  --spoil          overwrite a byte, to see that it is found
  --json           the summary as one object
  --help           print this`;

function integer(name, text, least, most = Number.MAX_SAFE_INTEGER) {
	const value = Number(text);
	if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most) {
		throw new UsageError(`--${name} is an integer from ${least}, not ${text}`);
	}
	return value;
}

function parse(args) {
	const flag = { type: 'boolean', default: false };
	const text = { type: 'string' };
	const options = {
		seconds: { ...text, default: '600' },
		workers: { ...text, default: '4' },
		seed: text,
		directory: { ...text, multiple: true },
		size: { ...text, default: '256M' },
		debug: flag,
		vm: flag,
		'require-dax': flag,
		patience: { ...text, default: '60' },
		spoil: flag,
		json: flag,
		help: flag,
	};
	try {
		return parseArgs({ args, options, strict: true, allowPositionals: false }).values;
	} catch (error) {
		if (!error.code?.startsWith('ERR_PARSE_ARGS')) throw error;
		throw new UsageError(error.message);
	}
}

const newSeed = () => Math.floor(Math.random() * 2 ** 31);

/** @throws UsageError */
export function parseOptions(args) {
	const values = parse(args);
	const mounts = process.env.DAXKIND_MOUNTS?.split(':').filter((path) => path !== '') ?? [];
	return {
		seconds: integer('seconds', values.seconds, 1),
		workers: integer('workers', values.workers, 1, 64),
		seed: values.seed === undefined ? newSeed() : integer('seed', values.seed, 0, 2 ** 32 - 1),
		directories: values.directory ?? (mounts.length > 0 ? mounts : ['/dev/shm']),
		size: Math.ceil(parseSize(values.size) / 2 ** 21) * 2 ** 21,
		debug: values.debug,
		vm: values.vm,
		requireDax: values['require-dax'],
		patience: integer('patience', values.patience, 1),
		spoil: values.spoil,
		json: values.json,
		help: values.help,
	};
}

/** The arguments that repeat a run. */
export function argumentsOf({ seconds, workers, seed, directories, size, debug, requireDax }) {
	return [
		...['--seconds', seconds, '--workers', workers, '--seed', seed, '--size', size],
		...directories.flatMap((directory) => ['--directory', directory]),
		...(debug ? ['--debug'] : []),
		...(requireDax ? ['--require-dax'] : []),
	].map(String);
}
