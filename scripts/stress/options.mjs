// The command line of the stress run.
import { parseArgs } from 'node:util';
import { parseSize, UsageError } from '../arguments.mjs';

export const usage = `Usage: npm run stress -- [options]

Workers share kinds and do random operations of all sorts on them. The content of every block is checked before it is
freed, reallocated or handed to another worker. The run ends with a summary, or with a report of the first error.

  --seconds N      how long (default: 600)
  --workers N      how many threads (default: 4)
  --seed N         repeats the same choices, as far as threads allow (default: a new one)
  --directory DIR  where the kinds keep their memory; repeatable: the kinds take turns (default: $DAXKIND_MOUNTS, else
                   /dev/shm)
  --size BYTES     size of each kind, with k, m, g or t (default: 256M)
  --debug          kinds in debug mode
  --vm             run on ext4 and xfs with DAX, in the VM
  --require-dax    fail where the memory is not on DAX
  --patience N     seconds without an operation after which a worker counts as hanging (default: 60)
  --spoil          overwrite a byte, to see that the check finds it
  --help           print this`;

const flag = { type: 'boolean', default: false };
const options = {
	seconds: { type: 'string', default: '600' },
	workers: { type: 'string', default: '4' },
	seed: { type: 'string' },
	directory: { type: 'string', multiple: true },
	size: { type: 'string', default: '256M' },
	debug: flag,
	vm: flag,
	'require-dax': flag,
	patience: { type: 'string', default: '60' },
	spoil: flag,
	help: flag,
};

function integer(name, text, least, most) {
	const value = Number(text);
	if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
	throw new UsageError(`--${name} must be an integer from ${least} to ${most}, not ${text}`);
}

/** @throws UsageError */
export function parseOptions(args) {
	let values;
	try {
		({ values } = parseArgs({ args, options }));
	} catch (error) {
		throw new UsageError(error.message);
	}
	const { seed = String(Math.floor(Math.random() * 2 ** 31)), directory, ...rest } = values;
	const mounts = process.env.DAXKIND_MOUNTS?.split(':').filter((path) => path !== '') ?? [];
	return {
		...rest,
		seconds: integer('seconds', values.seconds, 1, 1e6),
		workers: integer('workers', values.workers, 1, 64),
		seed: integer('seed', seed, 0, 2 ** 32 - 1),
		directories: directory ?? (mounts.length > 0 ? mounts : ['/dev/shm']),
		size: Math.ceil(parseSize(values.size) / 2 ** 21) * 2 ** 21,
		patience: integer('patience', values.patience, 1, 1e6),
	};
}

/** The arguments that repeat a run. */
export function argumentsOf({ directories, ...values }) {
	const given = Object.entries(values).flatMap(([name, value]) => {
		if (value === false) return [];
		return value === true ? [`--${name}`] : [`--${name}`, String(value)];
	});
	// In a VM, the guest knows where its file systems are.
	const places = values.vm ? [] : directories;
	return [...given, ...places.flatMap((directory) => ['--directory', directory])];
}
