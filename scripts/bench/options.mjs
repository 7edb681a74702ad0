// The command line of the benchmark.
import { parseArgs } from 'node:util';
import { parseSize, UsageError } from '../arguments.mjs';

export const usage = `Usage: npm run bench -- [options]

Compares daxkind's kinds, from JavaScript, with memkind, from C, on the same directory, and with Buffers.

  --dir DIR        where the kinds keep their memory (default: $DAXKIND_MOUNT, else /dev/shm)
  --nodes N[,N…]   on NUMA nodes in place of a directory: against memkind's DAX_KMEM (pair, hold and random)
  --device NODE    in a device-DAX device in place of a directory, /dev/dax0.0 (memkind has no such kind)
  --size BYTES     size of each kind, with k, m, g or t (default: 1g, or what fits)
  --rounds N       how often each figure is measured; the median counts (default: 5)
  --quick          one short round: a first impression
  --warm-up MS     how long each runs before it is measured (default: 200); V8 in a VM without KVM needs 10000
  --only PATTERN   the workloads whose name matches the regular expression (default: ^(pair|hold|random|util))
  --touch          write one byte into each block
  --json           print one object with every round, instead of tables (npm run --silent bench -- --json)
  --plot DIR       also draw what was measured as SVG files: pair, and the zipf workloads of caches
  --help           print this

Workloads:
  pair-64B hold-64B … pair-4MiB hold-4MiB random   CPU time of malloc and free, with Buffers and with raw handles
  view-64B … view-4MiB                             the same, against a view that V8 makes without daxkind; scavenges of each
  fail-64B … fail-4MiB                             a tryMalloc that fails in a full kind, against one that succeeds
  threads-pair-64B threads-hold-64B …              two threads on one kind against one: throughput, in wall time
  tail-default tail-conservative                   the slowest of ten million calls: one thread, and two on one kind
  util                                             how much of a kind can be used
  metadata create many                             DRAM for each byte in use; time and DRAM of one kind, and of 1,000 kinds
  faults-4KiB … faults-512MiB                      page faults of the first touch (npx daxkind vm -- npm run bench …: on DAX)
  persist-copy-64B … persist-batch-64B persist-flush-64B …  stores that become persistent, against libpmem2 from C
  gc                                               a major garbage collection while a full kind is live
  cache-get-100B … cache-read cache-set            PmemCache beside lru-cache, a Map, Keyv and lmdb: single calls
  cache-zipf-100k-1 cache-zipf-5M-1 …-2            a mixed load over so many entries, by one and two threads (5M: 8 GiB)
  cache-trace-zipf -loop -scan -shifting           hit ratios
  cache-gc-1M cache-gc-10M                         a major garbage collection with so many entries`;

/** The workloads that are measured if a person names none. */
const usual = '^(pair|hold|random|util)';
/**
 * A memkind kind on nodes has no limit, so a workload that fills it would take all memory. Such workloads are left out.
 */
const usualOnNodes = '^(pair|hold|random)';

function parseCount(name, text) {
	const count = Number(text);
	if (!Number.isInteger(count) || count < 1) throw new UsageError(`--${name} must be an integer >= 1, not ${text}`);
	return count;
}

function parsePattern(text) {
	try {
		return new RegExp(text, 'i');
	} catch (error) {
		throw new UsageError(`--only: ${error.message}`);
	}
}

function parse(args) {
	const flag = { type: 'boolean', default: false };
	const text = { type: 'string' };
	const values = {
		dir: text,
		nodes: text,
		device: text,
		size: text,
		rounds: text,
		'warm-up': text,
		only: text,
		plot: text,
	};
	const flags = { quick: flag, touch: flag, json: flag, help: flag };
	try {
		return parseArgs({ args, options: { ...values, ...flags }, strict: true, allowPositionals: false }).values;
	} catch (error) {
		if (!error.code?.startsWith('ERR_PARSE_ARGS')) throw error;
		throw new UsageError(error.message);
	}
}

/** The place of the kinds' memory, as one word: a directory, `nodes:1,2` or `device:/dev/dax0.0`. */
function directoryOf({ dir, nodes, device }) {
	if ([dir, nodes, device].filter((given) => given !== undefined).length > 1) {
		throw new UsageError('--dir, --nodes and --device exclude one another');
	}
	if (nodes !== undefined && !/^\d+(,\d+)*$/.test(nodes))
		throw new UsageError(`--nodes must be a list of numbers, not ${nodes}`);
	if (nodes !== undefined) return `nodes:${nodes}`;
	if (device !== undefined) return `device:${device}`;
	return dir ?? (process.env.DAXKIND_MOUNT || '/dev/shm');
}

/** @throws UsageError */
export function parseOptions(args) {
	const values = parse(args);
	return {
		directory: directoryOf(values),
		size: values.size === undefined ? undefined : parseSize(values.size),
		rounds: values.rounds === undefined ? (values.quick ? 1 : 5) : parseCount('rounds', values.rounds),
		warmUpMs: values['warm-up'] === undefined ? undefined : parseCount('warm-up', values['warm-up']),
		quick: values.quick,
		only: parsePattern(values.only ?? (values.nodes === undefined ? usual : usualOnNodes)),
		touch: values.touch,
		json: values.json,
		plot: values.plot,
		help: values.help,
	};
}
