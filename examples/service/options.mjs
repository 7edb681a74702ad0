// The command line of the service.
import { parseArgs } from 'node:util';
import { minPmemSize } from 'daxkind';

export const usage = `Usage: npm start -- [options]

An HTTP service keeps its values in a pmem kind. A load sends it requests and
verifies every byte. Then the service reports and ends.

  --vm               run on real DAX, in a virtual machine
  --serve            stay up instead, for you to try
  --port NUMBER      port on 127.0.0.1 (default: any free one)
  --dir DIRECTORY    where to keep the values (default: the first DAX mount, else tmpfs)
  --max-size SIZE    capacity of the kind, at least 16M, like 512M (default: what the
                     file system has)
  --requests COUNT   requests of the load (default: 20000)
  --help             print this

Exit status: 0 if every byte is right and no block is left, 1 if not, or if the
  machine refused something, 2 for wrong usage.

Examples:
  npm start -- --dir /mnt/pmem
  npm start -- --serve --port 8080`;

/** An error in the command line. */
export class UsageError extends Error {
	name = 'UsageError';
}

/** A whole number from `least` to `most`. */
function integer(name, text, least, most = Number.MAX_SAFE_INTEGER) {
	const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
	if (value >= least && value <= most) return value;
	const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
	throw new UsageError(`--${name} must be a whole number ${range}. Received '${text}'`);
}

/** A number of bytes, or a number with K, M, G or T. */
function size(name, text) {
	const match = /^(\d+)([KMGT]?)$/i.exec(text);
	const bytes = match ? Number(match[1]) * 1024 ** ' KMGT'.indexOf(match[2].toUpperCase() || ' ') : Number.NaN;
	if (bytes >= minPmemSize && bytes <= Number.MAX_SAFE_INTEGER) return bytes;
	throw new UsageError(`--${name} must be a size of at least 16M, like 512M. Received '${text}'`);
}

/** @throws UsageError */
export function parseOptions(args) {
	const flag = { type: 'boolean' };
	const text = { type: 'string' };
	const options = { serve: flag, help: flag, port: text, dir: text, 'max-size': text, requests: text };
	let given;
	try {
		given = parseArgs({ args, options }).values;
	} catch (error) {
		throw new UsageError(error.message);
	}
	return {
		serve: given.serve,
		help: given.help,
		port: given.port && integer('port', given.port, 0, 65_535),
		dir: given.dir,
		maxSize: given['max-size'] && size('max-size', given['max-size']),
		requests: integer('requests', given.requests ?? '20000', 1),
	};
}
