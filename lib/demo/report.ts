// What the demo has seen, as a table for a person.
import Table from 'cli-table3';
import { explain } from '../dax/index.ts';
import { formatBytes, formatCount, shown } from '../format.ts';
import type { PmemKind } from '../kind/index.ts';
import type { LoadResult } from './load.ts';
import type { Pair } from './measure.ts';
import type { Place } from './place.ts';

type Row = [name: string, ...lines: string[]];

/** Lays rows of a name and its lines out as a table, without colours: this is read in logs, too. */
export function formatTable(rows: readonly Row[]): string {
	const table = new Table({ style: { head: [], border: [] } });
	for (const [name, ...lines] of rows) table.push([name, lines.map(shown).join('\n')]);
	return table.toString();
}

/** Where the values are, and whether that is DAX. */
export function describeKind(kind: PmemKind, place: Place): Row[] {
	const not = kind.dax === undefined ? 'not known' : 'NO';
	const dax = kind.dax ? 'yes: loads and stores go to the medium' : `${not}: ${explain(kind.path).reason}`;
	return [
		['where', `${kind.path} (${place.what})`],
		['DAX', dax],
		['mapped with', kind.mapping === 'sync' ? 'MAP_SYNC' : 'MAP_SHARED (volatile memory needs no MAP_SYNC)'],
		['granularity', kind.granularity],
		['capacity', formatBytes(kind.capacity)],
	];
}

export interface Measured {
	readonly load: LoadResult;
	/** The most blocks that were seen at a time, and those left when every value was deleted. */
	readonly peakBlocks: number;
	readonly blocksLeft: number;
	/** The most bytes of values at a time. */
	readonly peakBytes: number;
	readonly pairs: readonly Pair[];
	readonly gc: { ms: number; runs: number };
	/** V8's heap at the end, in bytes. */
	readonly heapUsed: number;
}

/** What happened. */
export function describeLoad({ load, peakBlocks, blocksLeft, peakBytes, pairs, gc, heapUsed }: Measured): Row[] {
	const requests = load.put + load.replace + load.get + load.delete;
	const verdict = load.failed === 0 ? 'every byte is right' : `${formatCount(load.failed)} FAILURES`;
	const rest = blocksLeft === 0 ? 'none left at the end' : `${formatCount(blocksLeft)} LEFT at the end: a leak`;
	const formatPair = ({ size, kindNs, bufferNs }: Pair) => {
		const [ours, theirs] = [kindNs, bufferNs].map((ns) => formatCount(ns).padStart(6));
		return `${formatBytes(size).padStart(7)} ${ours} ns   (Buffer.allocUnsafeSlow ${theirs} ns)`;
	};
	return [
		[
			'requests',
			`${formatCount(requests)} in ${load.seconds.toFixed(1)} s: ${formatCount(requests / load.seconds)} per second`,
			...(load.isCutShort ? ['ended early, for this machine is slow'] : []),
			`${formatCount(load.put)} stored, ${formatCount(load.replace)} replaced, ` +
				`${formatCount(load.get)} read, ${formatCount(load.delete)} deleted`,
		],
		['verified', `${formatCount(load.get)} answers, ${formatBytes(load.verifiedBytes)}: ${verdict}`, ...load.failures],
		['blocks', `${formatCount(peakBlocks)} at most, ${formatBytes(peakBytes)} of values; ${rest}`],
		['malloc + free', ...pairs.map(formatPair)],
		[
			'GC',
			`${gc.ms.toFixed(0)} ms in ${formatCount(gc.runs)} runs: ` +
				`${((gc.ms / (load.seconds * 1000)) * 100).toFixed(1)} % of the time that the load took`,
			`V8 heap ${formatBytes(heapUsed)}; the values are outside it`,
		],
	];
}
